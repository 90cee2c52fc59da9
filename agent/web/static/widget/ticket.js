/**
 * Owns what this browser keeps of the customer's conversation: the key to it, its greeting, and what
 * the customer said of it.
 * Refuses to call the server. Invariant: what one tab writes, every tab of this browser can read.
 */

import { keep, recall } from './storage.js';

export const STORED = 'frontdesk.conversation';
const NOTHING = { id: null, token: null, greeting: '', ratings: {}, csat: null };

export class Ticket {
  #kept = NOTHING;

  constructor() {
    this.read();
  }

  get id() {
    return this.#kept.id;
  }

  get token() {
    return this.#kept.token;
  }

  get greeting() {
    return this.#kept.greeting;
  }

  /** Message id → "up" or "down". */
  get ratings() {
    return this.#kept.ratings;
  }

  /** The score that the customer gave the whole conversation. */
  get csat() {
    return this.#kept.csat;
  }

  get exists() {
    return this.id !== null;
  }

  get headers() {
    return this.exists ? { authorization: `Bearer ${this.token}` } : {};
  }

  get path() {
    return `/conversations/${encodeURIComponent(this.id)}`;
  }

  /** Takes what is stored, which another tab may have changed. */
  read() {
    const stored = recall('local', STORED);
    this.#kept = stored?.id && stored.token ? { ...NOTHING, ...stored } : NOTHING;
  }

  /** The same conversation's newest key and ratings; another conversation stays unread. */
  renew() {
    if (this.exists && recall('local', STORED)?.id === this.id) this.read();
  }

  write(changes) {
    if (!changes.id) this.renew(); // else another tab's newer key would be lost
    this.#kept = { ...this.#kept, ...changes };
    keep('local', STORED, this.#kept);
  }

  forget() {
    this.#kept = NOTHING;
    keep('local', STORED, null);
  }
}
