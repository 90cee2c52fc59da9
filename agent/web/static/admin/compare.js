/**
 * Owns how the difference of two revisions looks: side by side, one below the other on a phone.
 * Refuses to compute it: the server does, by code.
 * Invariant: what is marked by colour is said in words too.
 */

import { h } from '../shared/dom.js';

const FIELDS = { title: 'Title', audience: 'For', effective_from: 'From', effective_to: 'Until', url: 'Link' };
const AUDIENCES = { public: 'Customers and staff', staff: 'Staff only' };

export async function compare(main, page, { base, history, from, to, onChosen }) {
  const found = await page.session.get(`${base}/diff?${new URLSearchParams({ from, to })}`);
  const which = (id, label, chosen) => {
    const select = h('select', { id, onchange: () => onChosen(selects[0].value, selects[1].value) },
      history.map(({ number, note }) => h('option', { value: String(number) }, `Revision ${number}${note ? `: ${note.slice(0, 40)}` : ''}`)));
    select.value = String(chosen);
    return [h('label', { htmlFor: id }, label), select];
  };
  const chosen = [which('compare-from', 'From', from), which('compare-to', 'to', to)];
  const selects = chosen.map(([, select]) => select);
  const changes = found.rows.filter(({ kind }) => kind !== 'same' && kind !== 'skipped').length;
  main.append(
    h('div', { class: 'looked-at' }, h('form', { class: 'filter', onsubmit: (event) => event.preventDefault() }, chosen)),
    h('div', { class: 'sheet' },
      found.fields.length > 0 && h('dl', { class: 'changed-fields' }, found.fields.map((one) => [
        h('dt', {}, FIELDS[one.field]),
        h('dd', {}, h('del', {}, spoken('Before: '), AUDIENCES[one.from] ?? one.from ?? 'none'), ' → ', h('ins', {}, spoken('Now: '), AUDIENCES[one.to] ?? one.to ?? 'none')),
      ])),
      changes === 0 ? h('p', { class: 'muted' }, found.fields.length ? 'The text is the same.' : 'They are the same.')
        : h('div', { class: 'diff', role: 'group', 'aria-label': `Changes from revision ${from} to ${to}` },
          h('div', { class: 'diff-head', 'aria-hidden': 'true' }, h('span', {}, `Revision ${from}`), h('span', {}, `Revision ${to}`)),
          h('ol', {}, found.rows.map(row))),
      found.truncated && h('p', { class: 'muted' }, 'More changed than is shown here.')));
}

function row(one) {
  if (one.kind === 'skipped') return h('li', { class: 'skipped' }, `${one.lines} lines are the same`);
  if (one.kind === 'same') return h('li', { class: 'same' }, line(one.old), line(one.new, '', 'again'));
  return h('li', { class: one.kind },
    one.old ? line(one.old, 'Before: ', 'old', 'del') : h('div', { class: 'line none' }),
    one.new ? line(one.new, 'Now: ', 'new', 'ins') : h('div', { class: 'line none' }));
}

function line({ number, parts }, prefix = '', look = '', marked = 'span') {
  return h('div', { class: `line ${look}`, 'aria-hidden': look === 'again' ? 'true' : null },
    h('span', { class: 'number', 'aria-hidden': 'true' }, String(number)),
    h('p', {}, prefix && spoken(prefix), parts.map(([text, changed]) => (changed ? h(marked, {}, text) : text))));
}

function spoken(text) {
  return h('span', { class: 'unseen' }, text);
}
