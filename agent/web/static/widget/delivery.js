/**
 * Owns sending the outbox: in order, one message at a time, again after a pause where that helps.
 * Refuses to know where the messages go. Invariant: no message overtakes one that may still get
 * through, and at most one is on its way.
 */

export class Delivery {
  #outbox;
  #calls;
  #running = false;
  #timer = null;

  /** `calls`: {post(item) → {message_id}, accepted(), failed(error), changed()}. */
  constructor(outbox, calls) {
    this.#outbox = outbox;
    this.#calls = calls;
  }

  async run() {
    if (this.#running) return;
    this.#running = true;
    this.#calls.changed();
    for (let item = this.#outbox.next(); item; item = this.#outbox.next()) {
      const pause = (item.retry_at ?? 0) - Date.now();
      if (pause > 0) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.run(), pause);
        break;
      }
      await this.#deliver(item);
    }
    this.#running = false;
    this.#calls.changed();
  }

  async #deliver(item) {
    this.#outbox.tried(item);
    try {
      const { message_id: messageId } = await this.#calls.post(item);
      this.#outbox.accepted(item, messageId);
      this.#calls.accepted();
    } catch (error) {
      if (this.#outbox.refused(item, error)) this.#calls.failed(error);
    }
    this.#calls.changed();
  }
}
