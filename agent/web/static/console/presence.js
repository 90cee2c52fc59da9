/**
 * Owns who else is in the open conversation, and tells others that we are.
 * Refuses to know how it is shown.
 * Invariant: somebody who stopped saying that they are there is forgotten by the clock alone.
 */

const SAY_EVERY_MS = 10_000;
const TYPING_EVERY_MS = 2_500;
const TYPES_MS = 6_000;
const THERE_MS = 25_000;

/** Event: "change". */
export class Presence extends EventTarget {
  #session;
  #desk;
  #others = new Map();
  #at = null;
  #typedAt = 0;
  #timer = null;

  constructor(session, desk) {
    super();
    this.#session = session;
    this.#desk = desk;
    desk.addEventListener('conversation', () => this.#moved());
    desk.addEventListener('passing', ({ detail }) => this.#heard(detail));
    globalThis.addEventListener('pagehide', () => this.#leave());
    setInterval(() => this.dispatchEvent(new Event('change')), 3_000);
  }

  /** [{name, types}] of the others who are there. */
  get others() {
    const now = Date.now();
    return [...this.#others.values()]
      .filter(({ at }) => now - at < THERE_MS)
      .map(({ name, doing, at }) => ({ name, types: doing === 'typing' && now - at < TYPES_MS }));
  }

  /** We type; `note`: for colleagues only. */
  types(note) {
    if (Date.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = Date.now();
    this.#say('typing', { note });
  }

  #moved() {
    const id = this.#desk.open?.id ?? null;
    if (id === this.#at) return;
    this.#leave();
    this.#at = id;
    if (!id) return;
    this.#say('looking');
    this.#timer = setInterval(() => this.#say(Date.now() - this.#typedAt < TYPES_MS ? 'typing' : 'looking', { note: true }), SAY_EVERY_MS);
  }

  #leave() {
    clearInterval(this.#timer);
    this.#others.clear();
    this.#typedAt = 0;
    if (this.#at && this.#session.me) this.#say('gone', {}, true);
    this.#at = null;
    this.dispatchEvent(new Event('change'));
  }

  async #say(doing, more = {}, keepalive = false) {
    const id = this.#at;
    try {
      const { others } = await this.#session.post(
        `/api/v1/staff/conversations/${id}/presence`, { doing, ...more }, { keepalive });
      if (id !== this.#at) return;
      for (const one of others) if (!this.#others.has(one.user_id)) this.#others.set(one.user_id, { ...one, at: Date.now() });
      this.dispatchEvent(new Event('change'));
    } catch {
      // The next sign is soon, and nothing depends on this one.
    }
  }

  #heard({ type, conversation_id: id, data }) {
    if (type !== 'presence.updated' || id !== this.#at || data.user_id === this.#session.me?.id) return;
    if (data.doing === 'gone') this.#others.delete(data.user_id);
    else this.#others.set(data.user_id, { ...data, at: Date.now() });
    this.dispatchEvent(new Event('change'));
  }
}
