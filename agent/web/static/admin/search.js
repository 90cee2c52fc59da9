/**
 * Owns the search as an admin tries it: a question, and why each passage is found for it.
 * Refuses to answer the question. Invariant: what is shown is of the question that was asked last.
 */

import { h } from '../shared/dom.js';
import { passages } from './found.js';
import { empty, head } from './parts.js';

export const id = 'search';
export const title = 'Search';
export const group = 'Knowledge';

export async function open(panel, { session, say }) {
  const query = h('input', { id: 'search-query', type: 'search', name: 'query', required: true, maxlength: 1000, autocomplete: 'off', placeholder: 'What a customer would ask' });
  const drafts = h('input', { type: 'checkbox', name: 'drafts' });
  const staff = h('input', { type: 'checkbox', name: 'staff' });
  const at = h('input', { id: 'search-at', type: 'date', name: 'at' });
  const result = h('div', { class: 'trial-result', 'aria-live': 'polite' });
  let asked = 0;

  async function read() {
    if (!query.value.trim()) return;
    const mine = ++asked;
    result.setAttribute('aria-busy', 'true');
    try {
      const body = { query: query.value.trim(), include_drafts: drafts.checked, audience: staff.checked ? 'staff' : 'public' };
      if (at.value) body.at = at.value;
      const { items } = await session.post('/api/v1/admin/search', body, { timeoutMs: 120_000 });
      if (mine !== asked) return;
      result.replaceChildren(items.length > 0 ? passages(items)
        : empty('Nothing is found', at.value ? 'On that day nothing was published that shares a word with this or is near to it.' : 'Publish a document that says something about this.'));
      say(`${items.length} passages found.`);
    } catch (error) {
      if (mine === asked) result.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
    } finally {
      if (mine === asked) result.removeAttribute('aria-busy');
    }
  }

  panel.replaceChildren(
    head('Search', 'Which passages a question finds, why, and what the AI would do with each.'),
    h('form', { class: 'trial', onsubmit: (event) => { event.preventDefault(); read(); } },
      h('label', { class: 'unseen', htmlFor: 'search-query' }, 'Question'),
      h('div', { class: 'trial-line' }, query, h('button', { type: 'submit', class: 'strong' }, 'Search')),
      h('div', { class: 'trial-options' },
        h('label', {}, drafts, ' With drafts'), h('label', {}, staff, ' Also documents for staff'),
        h('span', {}, h('label', { htmlFor: 'search-at' }, 'On the day '), at))),
    result,
  );
  query.focus();
}
