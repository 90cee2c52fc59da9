/**
 * Owns the list of conversations and its filters.
 * Refuses to call the server itself.
 * Invariant: rows are reused, so that focus and scroll survive a new list.
 */

import { arrange, h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { PRIORITY, REASONS, STATUS, nameOf, since, standingOf } from './words.js';

const WHOSE = { me: 'Mine', none: 'Unassigned', any: 'Everybody' };
const SEARCH_PAUSE_MS = 300;
const SEEN_KEY = 'frontdesk.console.seen';
const SEEN_LIMIT = 500;

export class List {
  #desk;
  #backstage;
  #choose;
  #rows = new Map();
  #seen = new Seen();
  #root = document.getElementById('rows');
  #more = document.getElementById('more');
  #empty = h('li', { class: 'empty' });
  #filter = {};

  constructor(desk, backstage, choose) {
    this.#desk = desk;
    this.#backstage = backstage;
    this.#choose = choose;
    this.#filters();
    this.#more.addEventListener('click', () => desk.more());
    desk.addEventListener('list', () => this.draw());
    desk.addEventListener('conversation', () => this.draw());
    backstage.addEventListener('people', () => this.draw());
    document.addEventListener('visibilitychange', () => this.draw());
    setInterval(() => this.draw(), 15_000); // waiting times
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
    const by = (name, title, choices) => {
      const select = h('select', { id: `by-${name}`, onchange: () => { desk.filterBy({ [name]: select.value }); this.#count(); } },
        h('option', { value: '' }, `Any ${title.toLowerCase()}`), Object.entries(choices).map(([value, text]) => h('option', { value }, text)));
      this.#filter[name] = select;
      return [h('label', { class: 'unseen', htmlFor: `by-${name}` }, title), select];
    };
    const label = h('input', { id: 'by-label', placeholder: 'Any label', maxlength: '60', autocomplete: 'off', list: 'labels',
      onchange: () => { desk.filterBy({ label: label.value.trim() }); this.#count(); } });
    this.#filter.label = label;
    document.getElementById('more-filters').append(
      ...by('priority', 'Priority', PRIORITY), ...by('reason', 'Reason', REASONS),
      h('label', { class: 'unseen', htmlFor: 'by-label' }, 'Label'), label, h('datalist', { id: 'labels' }),
      h('button', { type: 'button', class: 'quiet', onclick: () => this.#clear() }, 'Clear'));
  }

  #clear() {
    for (const one of Object.values(this.#filter)) one.value = '';
    this.#desk.filterBy({ priority: '', reason: '', label: '' });
    this.#count();
  }

  /** How many of the folded filters are on stands on their summary. */
  #count() {
    const on = Object.values(this.#filter).filter((one) => one.value).length;
    document.getElementById('filters-on').textContent = on ? ` (${on})` : '';
  }

  draw() {
    const { items, open, next, filter } = this.#desk;
    if (open && !document.hidden) this.#seen.put(open.id, open.messages.at(-1)?.created_at ?? open.active_at);
    const rows = items.map((item) => this.#row(item, item.id === open?.id));
    for (const id of this.#rows.keys()) if (!items.some((item) => item.id === id)) this.#rows.delete(id);
    const narrowed = filter.q || filter.priority || filter.reason || filter.label;
    this.#empty.textContent = narrowed
      ? 'Nothing found. Try other words, or fewer filters.'
      : filter.status === 'open' ? 'Nobody is waiting. The AI has it all.' : 'No conversations here.';
    arrange(this.#root, rows.length ? rows : [this.#empty]);
    this.#more.hidden = next == null;
    const labels = [...new Set(items.flatMap((item) => item.labels))].sort();
    const known = document.getElementById('labels');
    if (known.key !== labels.join('\n')) {
      known.key = labels.join('\n');
      known.replaceChildren(...labels.map((value) => h('option', { value })));
    }
  }

  #row(item, isOpen) {
    let row = this.#rows.get(item.id);
    if (!row) {
      row = h('li', {}, h('button', { type: 'button', onclick: () => this.#choose(item.id) }));
      this.#rows.set(item.id, row);
    }
    const button = row.firstChild;
    const unread = !isOpen && item.newest?.role === 'customer' && !this.#seen.has(item.id, item.newest.at);
    const standing = item.due && standingOf(item.due);
    const who = item.assignee && (item.assignee === this.#desk.me?.id ? 'You' : this.#backstage.nameOf(item.assignee));
    const key = JSON.stringify([item, isOpen, unread, standing, who, since(item.active_at)]);
    if (row.key === key) return row;
    row.key = key;
    if (isOpen) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    row.classList.toggle('unread', unread);
    button.replaceChildren(
      h('span', { class: 'top' },
        h('span', { class: 'name' }, nameOf(item)),
        unread && h('span', { class: 'unseen' }, 'unread'),
        when(standing, item.active_at)),
      h('span', { class: 'preview' }, preview(item)),
      h('span', { class: 'tags' },
        item.priority !== 'none' && h('span', { class: `tag priority ${item.priority}` }, PRIORITY[item.priority]),
        item.reason && h('span', { class: 'tag reason' }, REASONS[item.reason]),
        item.status !== 'open' && h('span', { class: 'tag' }, STATUS[item.status]),
        item.labels.map((label) => h('span', { class: 'tag' }, label)),
        who && h('span', { class: 'tag owner' }, icon(ICONS.person), who)),
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

/** How a wait stands: in words and with a clock where it presses, so that no colour is needed. */
export function when(standing, otherwise) {
  if (!standing) return h('span', { class: 'when' }, since(otherwise));
  return h('span', { class: `when ${standing.look}` }, standing.look && icon(standing.look === 'late' ? ICONS.clock : ICONS.alert), standing.text);
}

function preview({ newest }) {
  if (!newest) return 'Nothing said yet';
  const who = { ai_agent: 'AI: ', human_agent: 'Us: ' }[newest.role] ?? '';
  return who + newest.content.replace(/\s?\[\d+\]|\*\*|`/g, '');
}

/** Up to when each conversation was read, also after a reload. */
class Seen {
  #moments;

  constructor() {
    try {
      this.#moments = new Map(JSON.parse(localStorage.getItem(SEEN_KEY) ?? '[]'));
    } catch {
      this.#moments = new Map(); // no storage, or something else's
    }
  }

  has(id, moment) {
    return this.#moments.get(id) >= moment;
  }

  put(id, moment) {
    if (this.has(id, moment)) return;
    this.#moments.delete(id);
    this.#moments.set(id, moment);
    const kept = [...this.#moments].slice(-SEEN_LIMIT);
    try {
      localStorage.setItem(SEEN_KEY, JSON.stringify(kept));
    } catch {
      // Then it is known until the page goes.
    }
  }
}
