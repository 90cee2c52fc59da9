/**
 * Owns the open conversation: what was said, and what may be done with it.
 * Refuses to call the server itself, and to know what is being written.
 * Invariant: what was said is shown in its order, once, and stays where it is while more comes.
 */

import { arrange, h, icon } from '../shared/dom.js';
import { day, time } from '../shared/format.js';
import { ICONS } from '../shared/icons.js';
import { showMarkdown } from '../shared/markdown.js';
import { when } from './list.js';
import { FAULTS, PRIORITY, STATUS, WHO, nameOf, standingOf } from './words.js';

const LOCALE = navigator.language;
const NEAR_PX = 120;
const STATE = { refused: 'said that the policies do not answer it', clarify: 'asked back', handed_off: 'called a person' };

export class Thread {
  #desk;
  #backstage;
  #composer;
  #dialogs;
  #back;
  #root = document.getElementById('thread');
  #head = h('div', { class: 'thread-head' });
  #log = h('div', { class: 'log', role: 'log', tabindex: '0', 'aria-label': 'Messages' });
  #nodes = new Map();
  #shown = null;

  constructor({ desk, backstage, composer, dialogs, back }) {
    this.#desk = desk;
    this.#backstage = backstage;
    this.#composer = composer;
    this.#dialogs = dialogs;
    this.#back = back;
    for (const type of ['conversation', 'list']) desk.addEventListener(type, () => this.draw());
    backstage.addEventListener('people', () => this.draw());
    setInterval(() => this.draw(), 15_000); // waiting times
    this.draw();
  }

  draw() {
    const { open, me } = this.#desk;
    if (!open) {
      if (this.#shown || !this.#root.firstChild) {
        this.#root.replaceChildren(h('div', { class: 'nothing' },
          h('p', {}, 'Choose a conversation.'), h('p', { class: 'muted' }, 'Press ? for keyboard shortcuts.')));
      }
      this.#shown = null;
      return;
    }
    if (this.#shown !== open.id) this.#change(open);
    const follows = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_PX;
    this.#drawHead(open);
    arrange(this.#log, this.#entries(open));
    this.#composer.warn(open, this.#backstage.nameOf(me?.id));
    if (follows) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #change(open) {
    this.#shown = open.id;
    this.#nodes.clear();
    this.#log.replaceChildren();
    this.#composer.turnTo(open);
    this.#root.replaceChildren(this.#head, this.#log, this.#composer.form);
    queueMicrotask(() => { this.#log.scrollTop = this.#log.scrollHeight; });
  }

  #drawHead(open) {
    const standing = this.#desk.due && standingOf(this.#desk.due);
    const said = this.#standing(open);
    const key = JSON.stringify([open.id, open.status, open.priority, open.customer, standing, said]);
    if (this.#head.key === key) return;
    this.#head.key = key;
    const focused = this.#head.contains(document.activeElement) ? document.activeElement.dataset.verb : null;
    const action = (text, verb, look, onclick = () => this.#composer.does(verb)) =>
      h('button', { type: 'button', class: look, dataset: { verb }, onclick }, text);
    const person = open.status === 'open' || open.status === 'snoozed';
    this.#head.replaceChildren(
      h('button', { type: 'button', class: 'plain back', 'aria-label': 'Back to the list', onclick: this.#back }, icon(ICONS.previous)),
      h('div', { class: 'who' },
        h('h2', {}, nameOf(open)),
        h('p', { class: 'muted standing' }, h('span', {}, said),
          open.priority !== 'none' && h('span', { class: `tag priority ${open.priority}` }, PRIORITY[open.priority]),
          standing && when(standing))),
      action('Details', 'about', 'plain-text about', () => showPane('context')),
      h('div', { class: 'actions' },
        (!person || !this.#desk.isMine) && action('Take over', 'take_over', 'strong'),
        person && action('Return to AI', 'return_to_ai', 'plain-text'),
        person && action('Snooze …', 'snooze', 'plain-text', () => this.#dialogs.snooze()),
        open.status !== 'resolved' && action('Resolve', 'resolve', person && this.#desk.isMine ? 'strong' : 'plain-text')));
    if (focused) this.#head.querySelector(`[data-verb="${focused}"]`)?.focus();
  }

  #standing({ status, assignee, snoozed_until: until }) {
    if (status === 'snoozed') return until ? `Snoozed until ${moment(until)}` : 'Snoozed';
    if (status !== 'open') return STATUS[status];
    if (!assignee) return 'Open, nobody has it';
    return this.#desk.isMine ? 'Open, yours' : `Open, with ${this.#backstage.nameOf(assignee)}`;
  }

  #entries({ messages, notes, reviews, ratings }) {
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
      if (entry.note) shown.push(this.#note(entry));
      else if (entry.message.role === 'system') shown.push(this.#line(entry.message));
      else shown.push(this.#message(entry.message, reviews[entry.message.id], ratings[entry.message.id]));
    }
    if (ratings.conversation) shown.push(this.#stars(ratings.conversation));
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

  /** What the system says, such as that a person has left: a line across the thread. */
  #line({ id, content, created_at: at }) {
    return this.#node(id, () => h('p', { class: 'line' }, h('span', {}, content, ' · ', time(at, LOCALE))));
  }

  #stars({ at, score, comment }) {
    return this.#node(`stars ${at}`, () => h('p', { class: 'line' },
      h('span', {}, `The customer gave ${score} of 5 stars`, comment && `: “${comment}”`, ' · ', time(at, LOCALE))));
  }

  #message(message, review, rating) {
    const node = this.#node(message.id, () => h('article', { class: `message ${message.role}` },
      h('p', { class: 'head' }), h('div', { class: 'bubble' }, h('div', { class: 'markdown' })),
      h('div', { class: 'foot' })));
    const key = JSON.stringify([message, review, rating]);
    if (node.key === key) return node;
    node.key = key;
    const [head, bubble, foot] = node.children;
    head.replaceChildren(h('b', {}, message.author ?? WHO[message.role]), ' · ', time(message.created_at, LOCALE));
    if (message.role === 'customer') bubble.firstChild.textContent = message.content;
    else showMarkdown(bubble.firstChild, message.content, { open: message.pending, version: key });
    foot.replaceChildren(...[...this.#foot(message, review, rating)].filter(Boolean));
    return node;
  }

  * #foot(message, review, rating) {
    if (message.pending) return yield h('span', {}, 'is writing …');
    if (rating) yield h('span', { class: 'rating' }, icon(rating.rating === 'up' ? ICONS.up : ICONS.down),
      rating.rating === 'up' ? 'The customer liked it' : `The customer did not like it${rating.comment ? `: “${rating.comment}”` : ''}`);
    if (message.interrupted) yield h('span', {}, 'was interrupted');
    if (message.role !== 'ai_agent') return;
    const sure = message.confidence != null && message.outcome === 'answered' && `${Math.round(message.confidence * 100)} % sure`;
    if (STATE[message.outcome] ?? sure) yield h('span', {}, STATE[message.outcome] ?? sure);
    if (review) {
      yield h('span', { class: `review ${review.verdict}` }, icon(review.verdict === 'approved' ? ICONS.check : ICONS.alert),
        review.verdict === 'approved' ? `Approved by ${review.author}` : `Reported by ${review.author}: ${FAULTS[review.reason].toLocaleLowerCase()}`);
    }
    const button = (text, label, onclick) => h('button', { type: 'button', class: 'small', 'aria-label': label, onclick }, text);
    if (review?.verdict !== 'approved' && message.citations?.length) {
      yield button('Approve', 'Approve this answer', () => this.#composer.does(`messages/${message.id}/approve`));
    }
    if (review?.verdict !== 'reported') yield button('Report …', 'Report this answer', () => this.#dialogs.report(message));
  }
}

/** "09:00" today, else "Fri, 27 Nov, 09:00". */
function moment(value) {
  if (new Date(value).toDateString() === new Date().toDateString()) return time(value, LOCALE);
  const day = new Intl.DateTimeFormat(LOCALE, { weekday: 'short', day: 'numeric', month: 'short' }).format(new Date(value));
  return `${day}, ${time(value, LOCALE)}`;
}

/** Shows one pane where there is no room for three, and goes to it. */
export function showPane(name) {
  const desk = document.getElementById('desk');
  const before = desk.dataset.pane;
  desk.dataset.pane = name;
  if (before === name) return;
  const to = { thread: before === 'context' ? '.about' : '.thread-head .back', context: '#context .back', overview: '#overview h2' }[name];
  if (to) document.querySelector(to)?.focus({ preventScroll: true });
}
