/**
 * Owns the open conversation: what was said, what may be done, what is being written.
 * Refuses to call the server itself; every wish goes through the desk.
 * Invariant: what somebody has written is never lost to an event, an error or another conversation.
 */

import { arrange, h } from '../shared/dom.js';
import { day, time } from '../shared/format.js';
import { showMarkdown } from '../shared/markdown.js';
import { STATUS, WHO, nameOf } from './words.js';

const LOCALE = navigator.language;
const HOUR = 3_600_000;
const NEAR_PX = 120;

export class Thread {
  #desk;
  #back;
  #root = document.getElementById('thread');
  #head = h('div', { class: 'thread-head' });
  #log = h('div', { class: 'log', role: 'log', tabindex: '0', 'aria-label': 'Messages' });
  #composer;
  #nodes = new Map();
  #drafts = new Map();
  #shown = null;
  #mode = 'messages';

  constructor(desk, back) {
    this.#desk = desk;
    this.#back = back;
    this.#composer = this.#makeComposer();
    desk.addEventListener('conversation', () => this.draw());
    this.draw();
  }

  draw() {
    const { open } = this.#desk;
    if (!open) {
      this.#shown = null;
      this.#root.replaceChildren(h('div', { class: 'nothing' },
        h('p', {}, 'Choose a conversation.'), h('p', { class: 'muted' }, 'Press ? for keyboard shortcuts.')));
      return;
    }
    if (this.#shown !== open.id) this.#change(open);
    const follows = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_PX;
    this.#drawHead(open);
    arrange(this.#log, this.#entries(open));
    if (follows) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #change({ id }) {
    if (this.#shown) this.#drafts.set(this.#shown, this.#composer.text.value);
    this.#shown = id;
    this.#nodes.clear();
    this.#log.replaceChildren();
    this.#composer.text.value = this.#drafts.get(id) ?? '';
    this.#composer.based.replaceChildren();
    this.#composer.error.textContent = '';
    this.#root.replaceChildren(this.#head, this.#log, this.#composer.form);
    queueMicrotask(() => { this.#log.scrollTop = this.#log.scrollHeight; });
  }

  #drawHead(open) {
    const key = JSON.stringify([open.id, open.status, open.assignee, open.customer, open.snoozed_until]);
    if (this.#head.key === key) return;
    this.#head.key = key;
    const action = (text, verb, body, look = 'plain-text') =>
      h('button', { type: 'button', class: look, onclick: () => this.does(verb, body) }, text);
    const person = open.status === 'open' || open.status === 'snoozed';
    this.#head.replaceChildren(
      h('button', { type: 'button', class: 'plain back', 'aria-label': 'Back to the list', onclick: this.#back }, '‹'),
      h('div', { class: 'who' },
        h('h2', {}, nameOf(open)),
        h('p', { class: 'muted' }, standing(open, this.#desk.me))),
      h('div', { class: 'actions' },
        (!person || !this.#desk.isMine) && action('Take over', 'take_over', undefined, 'strong'),
        person && action('Return to AI', 'return_to_ai'),
        person && action('Snooze 1 h', 'snooze', { until: new Date(Date.now() + HOUR).toISOString() }),
        open.status !== 'resolved' && action('Resolve', 'resolve'),
        h('button', { type: 'button', class: 'plain-text about', onclick: () => showPane('context') }, 'Details')));
  }

  #entries({ messages, notes }) {
    const entries = [
      ...messages.map((message) => ({ at: message.created_at, message })),
      ...notes.map((note, n) => ({ at: note.at, note, id: note.id ?? `note ${n}` })),
    ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const shown = [];
    let last = '';
    for (const entry of entries) {
      const today = day(entry.at, LOCALE);
      if (today !== last) shown.push(this.#node(`day ${today}`, () => h('p', { class: 'day' }, today)));
      last = today;
      shown.push(entry.note ? this.#note(entry) : this.#message(entry.message));
    }
    return shown;
  }

  #node(id, make) {
    if (!this.#nodes.has(id)) this.#nodes.set(id, make());
    return this.#nodes.get(id);
  }

  #note({ id, at, note }) {
    return this.#node(id, () => h('article', { class: 'message note' },
      h('p', { class: 'head' }, h('b', {}, note.author ?? 'From the customer'), ' · private note · ', time(at, LOCALE)),
      h('div', { class: 'bubble' }, note.content)));
  }

  #message(message) {
    const node = this.#node(message.id, () => h('article', { class: `message ${message.role}` },
      h('p', { class: 'head' }), h('div', { class: 'bubble' }, h('div', { class: 'markdown' })), h('p', { class: 'foot' })));
    const key = JSON.stringify(message);
    if (node.key === key) return node;
    node.key = key;
    const [head, bubble, foot] = node.children;
    head.replaceChildren(h('b', {}, message.author ?? WHO[message.role]), ' · ', time(message.created_at, LOCALE));
    if (message.role === 'customer') bubble.firstChild.textContent = message.content;
    else showMarkdown(bubble.firstChild, message.content, { open: message.pending, version: key });
    const weak = message.confidence != null && message.outcome === 'answered'
      && `${Math.round(message.confidence * 100)} % sure`;
    const state = { refused: 'said that the policies do not answer it', clarify: 'asked back', handed_off: 'called a person' };
    foot.textContent = message.pending ? 'is writing …'
      : message.interrupted ? 'was interrupted' : state[message.outcome] || weak || '';
    return node;
  }

  #makeComposer() {
    const text = h('textarea', { id: 'say', rows: '3', maxlength: '4000', 'aria-describedby': 'say-error' });
    const error = h('p', { id: 'say-error', class: 'error', role: 'alert' });
    const based = h('div', { class: 'based' });
    const send = h('button', { type: 'submit', class: 'strong' }, 'Send');
    const draft = h('button', { type: 'button', class: 'plain-text', onclick: () => this.draft() }, 'Draft a reply');
    const modes = h('div', { class: 'modes', role: 'group', 'aria-label': 'What to write' },
      ['messages', 'notes'].map((mode) => h('button', {
        type: 'button', dataset: { mode }, 'aria-pressed': String(mode === 'messages'), onclick: () => this.write(mode),
      }, mode === 'messages' ? 'Reply' : 'Private note')));
    const form = h('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); this.#send(); } },
      modes, h('label', { class: 'unseen', htmlFor: 'say' }, 'Text'), text, based,
      h('div', { class: 'row' }, error, draft, send));
    text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    return { form, text, error, based, send, draft, modes };
  }

  /** Turns to replying or to private notes, and to the text. */
  write(mode) {
    if (!this.#desk.open) return;
    this.#mode = mode;
    const { form, modes, send, draft, text } = this.#composer;
    for (const one of modes.children) one.setAttribute('aria-pressed', String(one.dataset.mode === mode));
    form.classList.toggle('private', mode === 'notes');
    send.textContent = mode === 'notes' ? 'Add note' : 'Send';
    draft.hidden = mode === 'notes';
    text.focus();
  }

  async #send() {
    const { text, send, based } = this.#composer;
    const content = text.value.trim();
    const id = this.#shown;
    if (!content || send.disabled) return;
    send.disabled = true;
    const done = await this.does(this.#mode, { content });
    send.disabled = false;
    if (!done) return;
    if (this.#shown !== id) this.#drafts.delete(id);
    else if (text.value.trim() === content) {
      text.value = '';
      based.replaceChildren();
    }
  }

  /** True if it was done; else the composer says why not. */
  async does(verb, body) {
    const { error } = this.#composer;
    error.textContent = '';
    try {
      await this.#desk.does(verb, body);
      return true;
    } catch (problem) {
      error.textContent = problem.message;
      return false;
    }
  }

  async draft() {
    const { open } = this.#desk;
    const { text, error, based, draft } = this.#composer;
    if (!open || draft.disabled) return;
    this.write('messages');
    draft.disabled = true;
    draft.textContent = 'Drafting …';
    error.textContent = '';
    try {
      const { content, citations, outcome } = await this.#desk.draft();
      if (this.#shown !== open.id) return;
      if (outcome !== 'answered') {
        error.textContent = 'The policies have no answer to this: nothing was drafted.';
        return;
      }
      const words = content.replace(/\s?\[\d+\]/g, '');
      text.value = text.value.trim() ? `${text.value.trim()}\n\n${words}` : words;
      based.replaceChildren(h('p', { class: 'muted' }, 'Based on'), ...(citations ?? []).map(source));
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      draft.disabled = false;
      draft.textContent = 'Draft a reply';
    }
  }
}

/** One cited passage: its title, and its words behind it. */
export function source({ n, title, section, quote, revision }) {
  return h('details', { class: 'source' },
    h('summary', {}, h('span', { class: 'n' }, String(n)), section && section !== title ? `${title} — ${section}` : title),
    h('blockquote', {}, quote), h('p', { class: 'muted' }, `Revision ${revision}`));
}

/** Shows one pane where there is no room for three. */
export function showPane(name) {
  document.getElementById('desk').dataset.pane = name;
}

function standing({ status, assignee, snoozed_until: until }, me) {
  if (status === 'snoozed') return `Snoozed until ${time(until, LOCALE)}`;
  if (status !== 'open') return STATUS[status];
  if (!assignee) return 'Open, nobody has it';
  return assignee === me?.id ? 'Open, yours' : 'Open, a colleague has it';
}
