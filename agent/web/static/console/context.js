/**
 * Owns what is known about the open conversation: the handoff card, the customer, labels, sources.
 * Refuses to call the server itself.
 * Invariant: what a customer merely said of themselves is never shown as verified.
 */

import { h } from '../shared/dom.js';
import { date } from '../shared/format.js';
import { showPane, source } from './thread.js';
import { REASONS } from './words.js';

export class Context {
  #desk;
  #thread;
  #root = document.getElementById('context');

  constructor(desk, thread) {
    this.#desk = desk;
    this.#thread = thread;
    desk.addEventListener('conversation', () => this.draw());
  }

  draw() {
    const { open } = this.#desk;
    const cited = open ? sources(open.messages) : [];
    const key = open && JSON.stringify([open.id, open.card, open.identity, open.labels, cited.length]);
    if (this.#root.key === key) return;
    this.#root.key = key;
    if (!open) return this.#root.replaceChildren();
    const parts = [
      h('button', { type: 'button', class: 'plain-text back', onclick: () => showPane('thread') }, '‹ Back'),
      open.card && part('Why a person is needed', card(open.card)),
      part('Customer', customer(open)),
      part('Labels', this.#labels(open)),
      cited.length > 0 && part('What the AI answered from', ...cited.map(source)),
    ];
    this.#root.replaceChildren(...parts.filter(Boolean));
  }

  #labels({ labels }) {
    const input = h('input', { id: 'new-label', maxlength: '60', placeholder: 'Add a label', autocomplete: 'off' });
    const put = (wanted) => this.#thread.does('labels', { labels: wanted });
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
}

function part(title, ...content) {
  return h('section', {}, h('h3', {}, title), content);
}

function card({ reason, summary, open_questions: questions, tried }) {
  return [
    h('p', { class: 'tag reason' }, REASONS[reason]),
    h('p', {}, summary),
    questions.length > 0 && [h('h4', {}, 'Not answered yet'), h('ul', {}, questions.map((one) => h('li', {}, one)))],
    tried.length > 0 && h('details', {}, h('summary', {}, 'What was tried'), h('ul', {}, tried.map((one) => h('li', {}, one)))),
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
    ['Began', date(began, navigator.language)],
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
