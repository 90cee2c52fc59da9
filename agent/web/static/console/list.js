/**
 * Owns the list of conversations and its filters.
 * Refuses to call the server itself.
 * Invariant: rows are reused, so that focus and scroll survive a new list.
 */

import { arrange, h } from '../shared/dom.js';
import { REASONS, STATUS, nameOf, pressing, since } from './words.js';

const WHOSE = { me: 'Mine', none: 'Unassigned', any: 'Everybody' };
const SEARCH_PAUSE_MS = 300;

export class List {
  #desk;
  #choose;
  #rows = new Map();
  #seen = new Map();
  #root = document.getElementById('rows');
  #more = document.getElementById('more');
  #empty = h('li', { class: 'empty' });

  constructor(desk, choose) {
    this.#desk = desk;
    this.#choose = choose;
    this.#filters();
    this.#more.addEventListener('click', () => desk.more());
    desk.addEventListener('list', () => this.draw());
    desk.addEventListener('conversation', () => this.draw());
    setInterval(() => this.draw(), 30_000); // waiting times
  }

  #filters() {
    const desk = this.#desk;
    const whose = document.getElementById('whose');
    for (const [value, text] of Object.entries(WHOSE)) {
      whose.append(h('button', {
        type: 'button',
        'aria-pressed': String(value === desk.filter.assignee),
        onclick: ({ currentTarget }) => {
          for (const one of whose.children) one.setAttribute('aria-pressed', String(one === currentTarget));
          desk.filterBy({ assignee: value });
        },
      }, text));
    }
    const status = document.getElementById('status');
    status.addEventListener('change', () => desk.filterBy({ status: status.value }));
    const search = document.getElementById('search');
    let timer;
    search.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => desk.filterBy({ q: search.value.trim() }), SEARCH_PAUSE_MS);
    });
  }

  draw() {
    const { items, open, next, filter } = this.#desk;
    if (open) this.#seen.set(open.id, open.active_at);
    const rows = items.map((item) => this.#row(item, item.id === open?.id));
    for (const id of this.#rows.keys()) if (!items.some((item) => item.id === id)) this.#rows.delete(id);
    this.#empty.textContent = filter.q
      ? 'Nothing found. Try other words, or another status.'
      : filter.status === 'open' ? 'Nobody is waiting. The AI has it all.' : 'No conversations here.';
    arrange(this.#root, rows.length ? rows : [this.#empty]);
    this.#more.hidden = next == null || items.length >= 100;
  }

  #row(item, isOpen) {
    let row = this.#rows.get(item.id);
    if (!row) {
      row = h('li', {}, h('button', { type: 'button', onclick: () => this.#choose(item.id) }));
      this.#rows.set(item.id, row);
    }
    const button = row.firstChild;
    const seen = this.#seen.get(item.id);
    if (isOpen) this.#seen.set(item.id, item.active_at);
    const unread = !isOpen && item.newest?.role === 'customer' && !(seen >= item.active_at);
    const waits = item.status === 'open' && item.waiting_since;
    const key = JSON.stringify([item, isOpen, unread, waits && since(item.waiting_since)]);
    if (row.key === key) return row;
    row.key = key;
    if (isOpen) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    row.classList.toggle('unread', unread);
    button.replaceChildren(
      h('span', { class: 'top' },
        h('span', { class: 'name' }, nameOf(item)),
        unread && h('span', { class: 'unseen' }, 'unread'),
        h('span', { class: `when ${waits ? pressing(item.waiting_since) : ''}` },
          waits ? `waits ${since(item.waiting_since)}` : since(item.active_at))),
      h('span', { class: 'preview' }, preview(item)),
      h('span', { class: 'tags' },
        item.reason && h('span', { class: 'tag reason' }, REASONS[item.reason]),
        item.status !== 'open' && h('span', { class: 'tag' }, STATUS[item.status]),
        item.labels.map((label) => h('span', { class: 'tag' }, label))),
    );
    return row;
  }

  /** The id that is `step` places from the open one. */
  beside(step) {
    const { items, open } = this.#desk;
    const at = items.findIndex((item) => item.id === open?.id);
    return items[Math.min(Math.max(at + step, 0), items.length - 1)]?.id;
  }
}

function preview({ newest }) {
  if (!newest) return 'Nothing said yet';
  const who = { ai_agent: 'AI: ', human_agent: 'You: ' }[newest.role] ?? '';
  return who + newest.content.replace(/\s?\[\d+\]/g, '');
}
