/**
 * Owns the list of messages: order, groups, days, notices, and staying at the end while it grows.
 * Refuses to know how one message looks, and to send anything.
 * Invariant: one node a message, from "sending" on, for as long as it is shown.
 */

import { arrange, h } from '../shared/dom.js';
import { day } from '../shared/format.js';
import { MessageView } from './message.js';
import { ScoreCard } from './rating.js';

const GROUP_MS = 5 * 60_000;
const NEAR_END_PX = 80;
const GLIDE_MS = 600;

export class Thread {
  #ui;
  #scroll;
  #log;
  #newest;
  #views = new Map();
  #atEnd = true;
  #count = 0;
  #gliding = null;

  /** `newest`: the button that leads to the end when the reader is elsewhere. */
  constructor(ui, { scroll, log, newest }) {
    this.#ui = ui;
    this.#scroll = scroll;
    this.#log = log;
    this.#newest = newest;
    scroll.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    newest.addEventListener('click', () => this.toEnd(true));
    const grown = new ResizeObserver(() => this.#atEnd && this.toEnd());
    grown.observe(scroll);
    grown.observe(log); // a form opened in it
  }

  /** Everything is drawn anew: another language. */
  clear() {
    this.#views.clear();
    this.#log.replaceChildren();
  }

  toEnd(smoothly = false) {
    this.#atEnd = true;
    this.#newest.hidden = true;
    const glide = smoothly && !matchMedia('(prefers-reduced-motion: reduce)').matches;
    clearTimeout(this.#gliding);
    // On the way it is not at the end, and the end may move meanwhile.
    this.#gliding = glide ? setTimeout(() => this.toEnd(), GLIDE_MS) : null;
    this.#scroll.scrollTo({ top: this.#scroll.scrollHeight, behavior: glide ? 'smooth' : 'instant' });
  }

  render() {
    const items = [...this.#items()];
    const kept = new Set(items.map((item) => item.key));
    for (const key of this.#views.keys()) if (!kept.has(key)) this.#views.delete(key);
    arrange(this.#log, items.map((item) => this.#node(item)));
    const messages = items.filter((item) => item.message);
    const mine = messages.length > this.#count && messages.at(-1)?.message.role === 'customer';
    if (messages.length > this.#count && !this.#atEnd && !mine) this.#newest.hidden = false;
    this.#count = messages.length;
    if (this.#atEnd || mine) this.toEnd();
  }

  #scrolled() {
    if (this.#gliding) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#atEnd) this.#newest.hidden = true;
  }

  /** {key, kind, …} from top to bottom. */
  *#items() {
    const { conversation, suggestions, t } = this.#ui;
    const { messages, notices, outbox } = conversation;
    const greeting = this.#ui.greeting || conversation.greeting || (conversation.opening ? '' : t('welcome'));
    if (greeting) yield { key: `greeting-${greeting}`, message: { role: 'ai_agent', content: greeting }, first: true };
    yield* this.#notices(notices, null);
    const all = inOrder(messages, outbox.unseen());
    if (!all.length && suggestions.length) yield { key: `suggestions-${suggestions}`, kind: 'suggestions' };
    let before = null;
    for (const message of all) {
      const key = message.id ? outbox.keyOf(message.id) : message.client_message_id;
      const newDay = this.#newDay(before, message);
      if (newDay) yield { key: `day-${key}`, kind: 'day', text: newDay };
      yield {
        key,
        message: message.id ? { ...message, ...this.#delivery(message) } : message,
        first: Boolean(newDay) || !sameGroup(before, message),
        latest: message === all.at(-1),
      };
      if (message.id) yield* this.#notices(notices, message.id);
      before = message;
    }
    const lost = (notice) => notice.after && !messages.some(({ id }) => id === notice.after);
    for (const notice of notices.filter(lost)) yield { ...notice, kind: 'notice', text: t(notice.kind) };
    if (conversation.status === 'resolved' && all.length) yield { key: 'score', score: true };
    if (conversation.typingUntil > Date.now()) yield { key: 'typing', kind: 'typing' };
  }

  /** A customer's message that the conversation has may still wait for its 202. */
  #delivery(message) {
    if (message.role !== 'customer') return {};
    const item = this.#ui.conversation.outbox.items.find((waiting) => waiting.message_id === message.id);
    return { state: item?.state === 'sending' ? 'sending' : 'sent' };
  }

  *#notices(notices, after) {
    for (const notice of notices) {
      if (notice.after === after) yield { key: notice.key, kind: 'notice', text: this.#ui.t(notice.kind) };
    }
  }

  #newDay(before, message) {
    const { locale } = this.#ui;
    const own = day(message.created_at, locale);
    const previous = before ? day(before.created_at, locale) : day(new Date(), locale);
    return own !== previous ? own : '';
  }

  #node(item) {
    const known = this.#views.get(item.key);
    if (item.message?.role === 'system') return known ?? this.#keep(item, notice(item.message.content));
    if (item.message) {
      const view = known ?? this.#keep(item, new MessageView(this.#ui, item.message.role));
      const waiting = this.#ui.conversation.status === 'pending';
      view.update(item.message, { ...item, waiting });
      return view.node;
    }
    if (item.score) {
      const card = known ?? this.#keep(item, new ScoreCard(this.#ui));
      card.update();
      return card.node;
    }
    return known ?? this.#keep(item, this.#plain(item));
  }

  #keep(item, view) {
    this.#views.set(item.key, view);
    return view;
  }

  #plain({ kind, text }) {
    const { t, suggestions, ask, conversation } = this.#ui;
    if (kind === 'suggestions') {
      return h('ul', { class: 'suggestions', 'aria-label': t('suggestions') }, suggestions.map((question) =>
        h('li', {}, h('button', { type: 'button', onclick: () => ask(question) }, question))));
    }
    if (kind === 'typing') {
      return h('div', { class: 'message human_agent first' }, h('div', { class: 'bubble' },
        h('span', { class: 'unseen' }, t('typing', { name: conversation.typist || t('teamMember') })),
        h('span', { class: 'dots' }, h('i'), h('i'), h('i'))));
    }
    return kind === 'day' ? h('p', { class: 'day' }, text) : notice(text);
  }
}

/** What failed stays where it was written; what is on its way comes last. */
function inOrder(messages, unseen) {
  const stuck = unseen.filter((item) => item.state === 'failed' && messages.some(({ id }) => id === item.after));
  const placed = messages.flatMap((message) => [message, ...stuck.filter((item) => item.after === message.id)]);
  return [...placed, ...unseen.filter((item) => !stuck.includes(item))];
}

function notice(text) {
  return h('p', { class: 'notice' }, text);
}

function sameGroup(before, message) {
  return before !== null && before.role === message.role && before.author === message.author
    && new Date(message.created_at) - new Date(before.created_at) < GROUP_MS;
}
