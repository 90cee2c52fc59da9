/**
 * Owns what is known about the open conversation: who has it, the handoff card, the customer, labels,
 * sources, earlier conversations, and the search of the policies.
 * Refuses to know what is written.
 * Invariant: what a customer merely said of themselves is never shown as verified.
 */

import { arrange, h } from '../shared/dom.js';
import { date } from '../shared/format.js';
import { showPane } from './thread.js';
import { source } from './source.js';
import { MOODS, PRIORITY, REASONS, STATUS, since } from './words.js';

const LOCALE = navigator.language;

export class Context {
  #desk;
  #backstage;
  #composer;
  #choose;
  #root = document.getElementById('context');
  #parts = new Map();
  #earlier = { id: null, items: [] };
  #policies;

  constructor({ desk, backstage, composer, choose }) {
    this.#desk = desk;
    this.#backstage = backstage;
    this.#composer = composer;
    this.#choose = choose;
    this.#policies = this.#makeSearch();
    desk.addEventListener('conversation', () => this.draw());
    backstage.addEventListener('people', () => this.draw());
  }

  draw() {
    const { open } = this.#desk;
    if (!open) {
      this.#parts.clear();
      return this.#root.replaceChildren();
    }
    if (this.#earlier.id !== open.id) this.#readEarlier(open);
    const { items } = this.#earlier;
    const cited = sources(open.messages);
    const insert = (words) => this.#insert(words);
    const read = (id, revision) => this.#backstage.revision(id, revision);
    const { people } = this.#backstage;
    arrange(this.#root, [
      this.#part('back', [], () => h('button', { type: 'button', class: 'plain-text back', onclick: () => showPane('thread') }, '‹ Back')),
      open.card && this.#part('card', [open.id, open.card], () => part('Why a person is needed', card(open.card, insert, read))),
      this.#part('handling', [open.id, open.assignee, open.priority, open.labels, people], () => part('Handling', this.#handling(open))),
      this.#part('customer', [open.id, open.identity], () => part('Customer', customer(open))),
      cited.length > 0 && this.#part('cited', [open.id, cited], () => part('What the AI answered from', cited.map((one) => source(one, insert, read)))),
      this.#part('policies', [], () => this.#policies),
      items.length > 0 && this.#part('earlier', [open.id, items], () => part('Earlier conversations', this.#links(items))),
    ].filter(Boolean));
  }

  /** The part as it is while what it shows is the same: what is unfolded or typed there stays. */
  #part(name, shows, make) {
    const key = JSON.stringify(shows);
    const known = this.#parts.get(name);
    if (known?.key === key) return known.node;
    const focused = known?.node.contains(document.activeElement) ? document.activeElement.id : null;
    const node = make();
    this.#parts.set(name, { key, node });
    if (focused) queueMicrotask(() => document.getElementById(focused)?.focus());
    return node;
  }

  #insert(words) {
    showPane('thread');
    this.#composer.insert(words);
  }

  async #readEarlier({ id, identity }) {
    this.#earlier = { id, items: [] };
    if (identity.level !== 'verified') return;
    try {
      const items = await this.#backstage.earlier(id);
      if (this.#earlier.id !== id) return;
      this.#earlier = { id, items };
      this.draw();
    } catch {
      // Nothing depends on it; it is asked for again with the next conversation.
    }
  }

  #links(items) {
    return h('ul', { class: 'links' }, items.map((one) => h('li', {}, h('button', {
      type: 'button', onclick: () => this.#choose(one.id),
    }, h('span', {}, one.newest?.content ?? 'Nothing said'), h('span', { class: 'muted' }, `${STATUS[one.status]} · ${since(one.active_at)}`)))));
  }

  #handling({ assignee, priority, labels }) {
    const { people } = this.#backstage;
    const known = people.some((one) => one.id === assignee);
    const select = (id, text, value, choices, act) => {
      const control = h('select', { id, onchange: () => act(control.value) },
        choices.map(([one, name]) => h('option', { value: one, selected: one === value }, name)));
      return [h('label', { htmlFor: id }, text), control];
    };
    return [
      h('div', { class: 'pairs' },
        select('assignee', 'Assigned to', assignee ?? '', [
          ['', 'Nobody'],
          ...people.map(({ id, name }) => [id, id === this.#desk.me?.id ? `${name} (you)` : name]),
          ...(assignee && !known ? [[assignee, 'Somebody else']] : []),
        ], (id) => this.#composer.does('assign', { user_id: id || null })),
        select('priority', 'Priority', priority, Object.entries(PRIORITY), (value) => this.#composer.does('priority', { priority: value }))),
      this.#labels(labels),
    ];
  }

  #labels(labels) {
    const input = h('input', { id: 'new-label', maxlength: '60', placeholder: 'Add a label', autocomplete: 'off', list: 'labels' });
    const put = (wanted) => this.#composer.does('labels', { labels: wanted });
    return h('form', {
      class: 'labels',
      onsubmit: (event) => {
        event.preventDefault();
        if (input.value.trim()) put([...labels, input.value.trim()]);
      },
    },
    labels.map((label) => h('span', { class: 'tag' }, label, h('button', {
      type: 'button', 'aria-label': `Remove the label ${label}`, onclick: () => put(labels.filter((one) => one !== label)),
    }, '×'))),
    h('label', { class: 'unseen', htmlFor: 'new-label' }, 'Add a label'), input);
  }

  #makeSearch() {
    const input = h('input', { id: 'policy-query', type: 'search', maxlength: '1000', placeholder: 'Search the policies', autocomplete: 'off' });
    const found = h('div', { class: 'found', role: 'status' });
    const search = async (event) => {
      event.preventDefault();
      if (!input.value.trim()) return found.replaceChildren();
      try {
        const items = await this.#backstage.search(input.value.trim());
        found.replaceChildren(...(items.length
          ? items.map((one) => source({ ...one, quote: one.text }, (words) => this.#insert(words)))
          : [h('p', { class: 'muted' }, 'No policy has these words.')]));
      } catch (problem) {
        found.replaceChildren(h('p', { class: 'error' }, problem.message));
      }
    };
    return h('section', {}, h('h2', { class: 'title' }, 'Policies'),
      h('form', { class: 'search', role: 'search', onsubmit: search }, h('label', { class: 'unseen', htmlFor: 'policy-query' }, 'Search the policies'), input,
        h('button', { type: 'submit', class: 'plain-text' }, 'Search')), found);
  }
}

function part(title, ...content) {
  return h('section', {}, h('h2', { class: 'title' }, title), content);
}

function card(given, insert, read) {
  const { reason, summary, intent, open_questions: questions, sentiment, tried, citations, suggested_reply: reply } = given;
  const list = (items) => h('ul', {}, items.map((one) => h('li', {}, one)));
  return [
    h('p', { class: 'tags' }, h('span', { class: 'tag reason' }, REASONS[reason] ?? reason),
      h('span', { class: `tag mood ${sentiment}` }, MOODS[sentiment] ?? sentiment)),
    h('p', {}, summary),
    intent && [h('h3', { class: 'minor' }, 'What the customer wants'), h('p', {}, intent)],
    questions.length > 0 && [h('h3', { class: 'minor' }, 'Not answered yet'), list(questions)],
    tried.length > 0 && [h('h3', { class: 'minor' }, 'What was tried'), list(tried)],
    citations.length > 0 && [h('h3', { class: 'minor' }, 'Policies that matter'), ...citations.map((one) => source(one, insert, read))],
    reply && [h('h3', { class: 'minor' }, 'Suggested reply'), h('blockquote', {}, reply),
      h('button', { type: 'button', class: 'plain-text', onclick: () => insert(reply) }, 'Use this reply')],
  ];
}

function customer({ identity, page_url: page, locale, created_at: began }) {
  const verified = identity.level === 'verified';
  const facts = [
    ['Identity', verified ? `Verified (${identity.method === 'jwt' ? 'signed token' : 'signed id'})` : 'Not verified'],
    verified && ['Identifier', identity.identifier],
    ...Object.entries(identity.claims).map(([name, value]) => [name, String(value)]),
    ...Object.entries(identity.stated).filter(([, value]) => typeof value !== 'object').map(([name, value]) => [`${name} (said)`, String(value)]),
    locale && ['Language', locale],
    page && ['Page', page],
    ['Began', date(began, LOCALE)],
  ].filter(Boolean);
  return h('dl', {}, facts.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

function sources(messages) {
  const known = new Map();
  for (const { citations } of messages) {
    for (const one of citations ?? []) known.set(`${one.document_id} ${one.revision} ${one.section}`, one);
  }
  return [...known.values()].map((one, at) => ({ ...one, n: at + 1 }));
}
