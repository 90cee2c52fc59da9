/**
 * Owns what the admin page's sections are made of: their heads, their lists, what stands in for an empty one.
 * Refuses to know people, keys or entries.
 * Invariant: a list that is read in pages is shown whole.
 */

import { h } from '../shared/dom.js';

export function head(title, text, ...actions) {
  return h('header', { class: 'section-head' },
    h('div', {}, h('h2', {}, title), h('p', { class: 'muted' }, text)),
    actions.length > 0 && h('div', { class: 'section-actions' }, actions));
}

/** What stands where nothing is yet: what it is for, and how to begin. */
export function empty(title, text, action) {
  return h('div', { class: 'empty' }, h('h3', {}, title), h('p', {}, text), action);
}

/** A table that is a list of cards on a phone: each cell says what it is. */
export function table(label, columns, rows) {
  return h('table', { 'aria-label': label },
    h('thead', {}, h('tr', {}, columns.map((name) => h('th', { scope: 'col' }, name || h('span', { class: 'unseen' }, 'Actions'))))),
    h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, at) => h('td', { 'data-label': columns[at] }, cell))))));
}

/** All pages of a list, in order. */
export async function everything(session, path) {
  const items = [];
  let next = null;
  do {
    const query = next == null ? '' : `?cursor=${encodeURIComponent(next)}`;
    const page = await session.get(path + query);
    items.push(...page.items);
    next = page.next;
  } while (next != null);
  return items;
}
