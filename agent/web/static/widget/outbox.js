/**
 * Owns the messages that wait to be stored by the server, across reloads of this tab.
 * Refuses to know how they are sent.
 * Invariant: one client_message_id for the life of a message, however often it is sent; and one
 * key for its bubble, before and after the server gave it an id.
 */

import { keep, recall } from './storage.js';

const KEY = 'frontdesk.outbox';
const QUICK_TRIES = 4;
const TRIES_WHEN_TOLD_TO_WAIT = 8;
const LONGEST_WAIT_S = 60;

export class Outbox {
  items = recall('tab', KEY) ?? [];
  #keys = new Map(); // message id → client_message_id

  constructor() {
    for (const item of this.items) if (item.state !== 'failed') this.#again(item);
  }

  /** `after`: the id of the last message that was there before this one was written. */
  add(content, after) {
    this.items.push({
      client_message_id: crypto.randomUUID(),
      role: 'customer',
      content,
      created_at: new Date().toISOString(),
      state: 'sending',
      tries: 0,
      after,
    });
    this.#keep();
  }

  /** The first one that is to be sent now or, with `retry_at`, later. */
  next() {
    return this.items.find((item) => item.state === 'sending');
  }

  retry(clientMessageId) {
    const item = this.items.find((waiting) => waiting.client_message_id === clientMessageId);
    if (item) this.#again(item);
    this.#keep();
  }

  discard(clientMessageId) {
    this.items = this.items.filter((item) => item.client_message_id !== clientMessageId);
    this.#keep();
  }

  /** The network is back: what failed for the lack of it goes out now. */
  retryUnreachable() {
    for (const item of this.items) {
      const lost = ['network', 'timeout'].includes(item.error);
      if (lost && (item.state === 'failed' || item.retry_at)) this.#again(item);
    }
    this.#keep();
  }

  tried(item) {
    item.tries += 1;
    item.retry_at = null;
    this.#keep();
  }

  /** Decides between another try later and "failed"; gives true for failed. */
  refused(item, error) {
    const limit = error.retryAfter === null ? QUICK_TRIES : TRIES_WHEN_TOLD_TO_WAIT;
    item.error = error.code;
    item.detail = error.detail ?? null;
    if (!error.transient || item.tries >= limit) {
      Object.assign(item, { state: 'failed', retry_at: null });
    } else {
      const pause = Math.min(error.retryAfter ?? 2 ** (item.tries - 1), LONGEST_WAIT_S);
      item.retry_at = Date.now() + Math.max(pause, 1) * 1000;
      item.told_to_wait = error.retryAfter !== null;
    }
    this.#keep();
    return item.state === 'failed';
  }

  accepted(item, messageId) {
    if (item.message_id && item.message_id !== messageId) this.#keys.delete(item.message_id);
    Object.assign(item, { message_id: messageId, state: 'sent', error: null, retry_at: null });
  }

  /** Drops what `messages` has by now. */
  settle(messages) {
    messages.forEach((message, at) => {
      if (message.role !== 'customer' || this.#keys.has(message.id)) return;
      const item = this.items.find((waiting) => waiting.message_id === message.id)
        ?? this.items.find((waiting) => isProbably(waiting, message, messages, at));
      if (!item) return;
      item.message_id = message.id;
      this.#keys.set(message.id, item.client_message_id);
    });
    // One with no 202 yet stays: the words may have come from another tab.
    this.items = this.items.filter((item) => item.state !== 'sent' || !this.#keys.has(item.message_id));
    this.#keep();
  }

  /** Those that have no message in the conversation yet. */
  unseen() {
    return this.items.filter((item) => !this.#keys.has(item.message_id));
  }

  keyOf(messageId) {
    return this.#keys.get(messageId) ?? messageId;
  }

  clear() {
    this.items = [];
    this.#keys.clear();
    this.#keep();
  }

  #again(item) {
    Object.assign(item, { state: 'sending', tries: 0, error: null, detail: null, retry_at: null });
  }

  #keep() {
    keep('tab', KEY, this.items.length ? this.items : null);
  }
}

/** The event may overtake the 202 that names the id; until then the words have to do. */
function isProbably(item, message, messages, at) {
  if (item.message_id || item.state !== 'sending' || item.tries === 0) return false;
  const before = messages.findIndex((known) => known.id === item.after);
  return at > before && item.content === message.content;
}
