/**
 * Owns the list of what is written and not live: several drafts are tried together and published at once.
 * Refuses to know how a change is tried.
 * Invariant: what is tried is what was ticked.
 */

import { h } from '../shared/dom.js';
import { button, moment } from '../shared/staff/dialogs.js';
import { gatePanel } from './gate.js';
import { empty, everything, head, table } from './parts.js';

export const id = 'drafts';
export const title = 'Drafts';
export const group = 'Knowledge';

export async function open(panel, page) {
  const drafts = await everything(page.session, '/api/v1/admin/drafts');
  const again = () => open(panel, page);
  const tried = h('div');
  const chosen = () => drafts.filter((_, at) => boxes[at].checked);
  const boxes = drafts.map((one) => h('input', {
    type: 'checkbox', checked: true, id: `draft-${one.document_id}`, onchange: () => { go.disabled = chosen().length === 0; },
  }));
  const go = button('Try them together', () => {
    gatePanel(tried, page, {
      changes: chosen().map((one) => ({ document_id: one.document_id, revision: one.revision })),
      onPublished: () => page.say('What was ticked is live.'),
    });
    tried.scrollIntoView({ block: 'nearest' });
  }, 'strong');
  panel.replaceChildren(...[
    head('Drafts', 'What is written and not live yet. Tick what belongs together: it is tried and published as one.',
      drafts.length > 0 && button('Look again', again, 'plain-text')),
    drafts.length === 0
      ? empty('Nothing waits', 'Every document’s newest revision is what customers are answered from.')
      : table('Drafts', ['Document', 'Live', 'Draft', 'Changed'], drafts.map((one, at) => [
        h('label', { class: 'ticked', htmlFor: boxes[at].id }, boxes[at], h('strong', {}, one.title)),
        one.published == null ? h('span', { class: 'muted' }, 'Not yet') : `Revision ${one.published}`,
        `Revision ${one.revision}`,
        h('span', {}, moment(one.changed_at), one.changed_by && h('span', { class: 'muted' }, ` by ${one.changed_by}`)),
      ])),
    drafts.length > 0 && h('div', { class: 'gate-actions' }, go),
    tried,
  ].filter(Boolean));
}
