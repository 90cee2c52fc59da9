/**
 * Owns how a revision's contradictions and repetitions are read, both quotes side by side.
 * Refuses to find them. Invariant: what is none after all is told apart, with its reason.
 */

import { h } from '../shared/dom.js';

const ABOUT = { money: 'Another amount', percent: 'Another percentage', time: 'Another time limit', months: 'Another period', nights: 'Another number of nights', clock: 'Another time of day', date: 'Another date', count: 'Another number', yes_no: 'A yes and a no' };
const EXCUSES = { other_period: 'Never in force on the same day', staff_only: 'One of them is for staff only' };

/** Fills the panel; says so, briefly, if there is nothing to tell. */
export async function conflictsPanel(panel, page, { documentId, revision }) {
  const section = h('section', { class: 'conflicts', 'aria-label': 'Conflicts' },
    h('p', { class: 'muted', role: 'status' }, 'Comparing with what is published …'));
  panel.append(section);
  try {
    const { items } = await page.session.get(`/api/v1/admin/documents/${documentId}/revisions/${revision}/conflicts`, { timeoutMs: 120_000 });
    const real = items.filter((one) => !one.excuse);
    const excused = items.filter((one) => one.excuse);
    section.replaceChildren(...[
      h('h3', {}, real.length > 0 ? `${real.length} ${real.length === 1 ? 'place' : 'places'} to look at` : 'No conflicts'),
      h('p', { class: 'muted' }, real.length > 0 ? 'This revision says otherwise than another document, or the same again.' : 'Nothing in this revision contradicts or repeats what is published.'),
      ...real.map((one) => card(one, documentId)),
      excused.length > 0 && h('details', {}, h('summary', {}, `${excused.length} that are none`), excused.map((one) => card(one, documentId))),
    ].filter(Boolean));
  } catch (error) {
    section.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
  }
}

function card(one, documentId) {
  const repeats = one.kind === 'repeats';
  return h('article', { class: 'conflict', 'aria-label': repeats ? 'Repeats' : 'Contradicts' },
    h('p', { class: 'tags' },
      h('span', { class: `tag ${one.excuse ? '' : repeats ? 'wait' : 'off'}` }, repeats ? 'Repeats' : 'Contradicts'),
      h('span', { class: 'tag' }, repeats ? `${Math.round(one.alike * 100)} % the same` : ABOUT[one.about]),
      one.excuse && h('span', { class: 'tag' }, EXCUSES[one.excuse])),
    h('div', { class: 'sides' },
      side('This revision', one.mine),
      side(one.theirs.document_id === documentId ? 'In the same document' : 'Published', one.theirs)));
}

function side(label, { title, section, audience, quote, marks }) {
  const parts = [];
  let at = 0;
  for (const [start, end] of marks) {
    parts.push(slice(quote, at, start), h('mark', {}, slice(quote, start, end)));
    at = end;
  }
  return h('div', {}, h('h4', {}, label, audience === 'staff' && h('span', { class: 'tag wait' }, 'Staff only')),
    h('p', { class: 'muted' }, [title, section].filter(Boolean).join(' — ')),
    h('blockquote', {}, parts, slice(quote, at)));
}

/** Places are counted in characters as Python does, and not in UTF-16. */
function slice(text, start, end) {
  return [...text].slice(start, end).join('');
}
