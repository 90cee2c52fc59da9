/**
 * Owns how one message looks: who, what, its sources, its state, its rating.
 * Refuses to call the server itself; every wish goes through `ui`.
 * Invariant: an update touches only what changed, so focus and selection survive a growing reply.
 */

import { h, icon } from '../shared/dom.js';
import { showMarkdown } from '../shared/markdown.js';
import { time } from '../shared/format.js';
import { ICONS } from '../shared/icons.js';
import { Thumbs } from './rating.js';

const SLOW_MS = 2_500;

/**
 * `ui`: {t, locale, conversation, showSource(citations, at), talk()}.
 * `update` takes a message; of one in the outbox also `state`, `retry_at`, `client_message_id`.
 */
export class MessageView {
  #ui;
  #head = h('div', { class: 'head' });
  #body = h('div', { class: 'bubble' });
  #text = h('div', { class: 'markdown' });
  #foot = h('div', { class: 'foot' });
  #thumbs = null;
  #drawn = {};

  constructor(ui, role) {
    this.#ui = ui;
    this.#body.append(this.#text);
    this.node = h('article', { class: `message ${role}` }, this.#head, this.#body, this.#foot);
  }

  /** `context`: {first: the first of its group, latest: the newest message, waiting: with the AI}. */
  update(message, context) {
    this.node.classList.toggle('first', context.first);
    this.node.classList.toggle('pending', Boolean(message.pending));
    this.node.dataset.state = message.state ?? '';
    this.#when('head', [message.author, context.first], () => this.#drawHead(message));
    this.#drawText(message);
    if (message.role === 'customer') {
      const left = message.retry_at ? Math.max(1, Math.ceil((message.retry_at - Date.now()) / 1000)) : 0;
      const state = [message.state, left, context.latest, message.detail, this.#ui.conversation.offline];
      this.#when('foot', state, () => this.#drawDelivery(message, left, context));
    } else if (message.role === 'ai_agent') {
      const { pending, interrupted, outcome, citations } = message;
      const state = [pending, interrupted, outcome, citations?.length, context.waiting];
      this.#when('foot', state, () => this.#drawAnswerFoot(message, context));
      this.#thumbs?.update();
    }
  }

  #when(part, state, draw) {
    const key = JSON.stringify(state);
    if (this.#drawn[part] === key) return;
    this.#drawn[part] = key;
    draw();
  }

  #drawHead({ role, author, created_at: at }) {
    const { t, locale } = this.#ui;
    const person = author || t('teamMember');
    const who = { customer: t('you'), ai_agent: t('assistant'), human_agent: person }[role];
    const face = role === 'ai_agent' ? icon(ICONS.spark) : role === 'human_agent' ? [...person][0] : '';
    this.#head.replaceChildren(
      ...(face ? [h('span', { class: 'face', 'aria-hidden': 'true' }, face)] : []),
      h('span', { class: 'name' }, who),
      ...(at ? [h('time', { datetime: at }, time(at, locale))] : []),
    );
  }

  #drawText(message) {
    if (message.role === 'customer') {
      if (this.#text.textContent !== message.content) this.#text.textContent = message.content;
      return;
    }
    if (message.pending && !message.content) {
      this.#when('text', 'dots', () => this.#drawDots());
      return;
    }
    if (this.#drawn.text !== 'written') {
      this.#drawn.text = 'written';
      this.#text.replaceChildren();
      this.#text.markdownKeys = [];
    }
    const citations = message.citations ?? [];
    showMarkdown(this.#text, message.content, {
      open: message.pending,
      version: `${message.pending ? 'open' : ''}${citations.length}`,
      cite: (n, raw) => this.#chip(n, raw, citations, message.pending),
    });
  }

  #drawDots() {
    const words = h('span', { class: 'thinking' });
    this.#text.replaceChildren(h('span', { class: 'dots' }, h('i'), h('i'), h('i')), words);
    setTimeout(() => words.isConnected && words.append(this.#ui.t('thinking')), SLOW_MS);
  }

  #chip(n, raw, citations, pending) {
    if (pending) return h('span', { class: 'cite' }, String(n));
    const at = citations.findIndex((citation) => citation.n === n);
    if (at < 0) return raw;
    return h('button', {
      type: 'button',
      class: 'cite',
      'aria-haspopup': 'dialog',
      'aria-label': this.#ui.t('source', { n, title: citations[at].title }),
      onclick: () => this.#ui.showSource(citations, at),
    }, String(n));
  }

  #drawDelivery({ state, error, told_to_wait: busy, client_message_id: id, detail }, left, { latest }) {
    const { t, conversation } = this.#ui;
    const line = (name, ...parts) => this.#foot.replaceChildren(h('p', { class: `delivery ${name}` }, parts));
    if (state === 'failed') {
      const choice = (word, act) => h('button', { type: 'button', class: 'link', onclick: () => act.call(conversation, id) }, t(word));
      line('failed', icon(ICONS.alert), t('failed'), detail ? ` ${detail}` : '',
        choice('retry', conversation.retry), choice('discard', conversation.discard));
    } else if (state === 'sending' && conversation.offline) line('waiting', icon(ICONS.cloudOff), t('later'));
    else if (left && error) line('waiting', t(busy ? 'busy' : 'again', { n: left }));
    else if (state === 'sending') line('waiting late', t('sending'));
    else if (latest) line('sent', icon(ICONS.check), t('sent'));
    else this.#foot.replaceChildren();
  }

  #drawAnswerFoot(message, { waiting }) {
    if (message.pending) {
      this.#foot.replaceChildren();
      return;
    }
    const { t } = this.#ui;
    const parts = [];
    if (message.interrupted) parts.push(h('p', { class: 'delivery' }, t('interrupted')));
    if (message.citations?.length) parts.push(this.#sources(message.citations));
    if (message.outcome === 'refused' && waiting) {
      const talk = [icon(ICONS.person), t('talk')];
      parts.push(h('button', { type: 'button', class: 'offer', onclick: () => this.#ui.talk() }, talk));
    }
    if (message.id && !message.interrupted) {
      this.#thumbs ??= new Thumbs(this.#ui, message.id);
      parts.push(this.#thumbs.node);
    }
    this.#foot.replaceChildren(...parts);
  }

  #sources(citations) {
    const { t, showSource } = this.#ui;
    return h('ul', { class: 'sources', 'aria-label': t('sources') }, citations.map((citation, at) =>
      h('li', {}, h('button', {
        type: 'button',
        'aria-haspopup': 'dialog',
        onclick: () => showSource(citations, at),
      }, h('span', { class: 'n' }, String(citation.n)), h('span', { class: 'title' }, citation.title)))));
  }
}
