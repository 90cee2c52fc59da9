/**
 * Owns one customer's conversation: its token in this browser, its snapshot, what waits to be
 * sent, and the live stream.
 * Refuses to know the DOM and the page around the frame.
 * Invariant: a message the customer sent is in the snapshot or in the outbox, never in neither.
 */

import { Api, ApiError } from '../shared/api.js';
import { applyEvent, EventStream } from '../shared/events.js';
import { Delivery } from './delivery.js';
import { Outbox } from './outbox.js';
import { oneTabAtATime } from './storage.js';
import { STORED, Ticket } from './ticket.js';

// A hidden tab gives its connection back: over HTTP/1.1 a browser has six for a server.
const HIDDEN_GRACE_MS = 20_000;
const REFRESH_AGAIN_MS = 3_000;
const TYPING_MS = 6_000;
const GONE = new Set([401, 404, 410]);

/** Emits "change" (something to draw), "event" (detail: one event) and "problem" (detail: error). */
export class Conversation extends EventTarget {
  snapshot = null;
  outbox = new Outbox();
  notices = []; // {kind, key, after: message id}: what this page has to say, not stored
  link = 'idle'; // "idle" | "connecting" | "open" | "waiting" | "closed"
  typingUntil = 0;
  typist = null;
  askingForPerson = false;
  problem = null; // why there is no conversation yet

  #ticket = new Ticket();
  #customer = {};
  #locale;
  #pageUrl;
  #stream = null;
  #opening = null;
  #delivery = new Delivery(this.outbox, {
    post: (item) => this.#post(item),
    accepted: () => this.outbox.settle(this.messages),
    failed: (error) => this.#failed(error),
    changed: () => this.#changed(),
  });
  #hiddenTimer = null;
  #identifying = null;
  #epoch = 0; // one more for every conversation left: late answers of the old one count for nothing

  constructor({ locale, pageUrl = null }) {
    super();
    this.#locale = locale;
    this.#pageUrl = pageUrl;
    this.api = new Api({ base: '/api/v1', headers: () => this.#ticket.headers });
    window.addEventListener('storage', (event) => event.key === STORED && this.#otherTab());
    window.addEventListener('online', () => this.#backOnline());
    window.addEventListener('offline', () => this.#changed());
    document.addEventListener('visibilitychange', () => this.#visibility());
  }

  get exists() {
    return this.#ticket.exists;
  }

  get greeting() {
    return this.#ticket.greeting;
  }

  get ratings() {
    return this.#ticket.ratings;
  }

  get csat() {
    return this.#ticket.csat;
  }

  get opening() {
    return this.#opening !== null;
  }

  get status() {
    return this.snapshot?.status ?? 'pending';
  }

  get messages() {
    return this.snapshot?.messages ?? [];
  }

  get offline() {
    return navigator.onLine === false;
  }

  setLocale(locale) {
    this.#locale = locale;
  }

  /** Makes sure there is a conversation: takes the stored one up again, or begins one. */
  open() {
    if (this.snapshot) return Promise.resolve();
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
      this.#changed();
    });
    return this.#opening;
  }

  send(content) {
    const text = content.trim();
    if (!text) return;
    this.outbox.add(text, this.messages.at(-1)?.id ?? null);
    this.#delivery.run();
  }

  retry(clientMessageId) {
    this.outbox.retry(clientMessageId);
    this.#delivery.run();
  }

  /** Gives up a message that failed. */
  discard(clientMessageId) {
    this.outbox.discard(clientMessageId);
    this.#changed();
  }

  async handoff() {
    if (this.askingForPerson) return;
    this.askingForPerson = true;
    this.#changed();
    try {
      await this.#inConversation(() => this.api.post(`${this.#path()}/handoff`));
    } catch (error) {
      this.#notice('handoff_failed');
      this.#failed(error);
    } finally {
      this.askingForPerson = false;
      this.#changed();
    }
  }

  /** A rating counts when the server has it; a failure is thrown to whoever asked. */
  async rate(messageId, feedback) {
    await this.api.post(`${this.#path()}/messages/${encodeURIComponent(messageId)}/feedback`, feedback);
    this.#ticket.write({ ratings: { ...this.ratings, [messageId]: feedback.rating } });
    this.#changed();
  }

  /** The customer's `{score, comment?}` for the whole; thrown like `rate`. */
  async score(given) {
    await this.api.post(`${this.#path()}/csat`, given);
    this.#scored(given.score);
  }

  /** Erases the conversation on the server and here; throws when the server could not. */
  async erase() {
    try {
      if (this.exists) await this.api.delete(this.#path());
    } catch (error) {
      if (!GONE.has(error.status)) throw error;
    }
    this.leave();
    this.#notice('deleted');
  }

  /** Forgets the conversation in this browser; the company keeps its copy. */
  leave() {
    this.#forget();
    this.outbox.clear();
    this.#changed();
  }

  /** Log-out on the host page: whoever comes after this customer sees nothing of it. */
  reset() {
    this.#customer = {};
    this.leave();
  }

  /** Who the host page says the customer is; proven by `identifier_hash` or `jwt`. */
  identify(customer) {
    this.#customer = { ...this.#customer, ...customer };
    if (!this.exists) return; // told when the conversation begins
    // What a page says in one breath (who, and then attributes) is told once.
    clearTimeout(this.#identifying);
    this.#identifying = setTimeout(() => this.#identify(), 0);
  }

  async #identify() {
    const epoch = this.#epoch;
    if (!this.exists) return;
    try {
      const { token } = await this.api.post(`${this.#path()}/identify`, this.#customer);
      if (epoch !== this.#epoch) return;
      this.#ticket.write({ token });
    } catch (error) {
      if (epoch !== this.#epoch) return;
      this.#failed(error);
      // 409: this is another person's conversation, and is not shown to this one.
      if (error.status !== 409) return;
      const shown = this.snapshot !== null;
      this.leave();
      if (shown) this.open().catch(() => {}); // told by "problem"
    }
  }

  #path() {
    return this.#ticket.path;
  }

  #scored(csat) {
    this.#ticket.write({ csat });
    this.#changed();
  }

  #forget() {
    this.#epoch += 1;
    this.#close();
    this.#ticket.forget();
  }

  #close() {
    this.#stream?.stop();
    this.#stream = null;
    this.snapshot = null;
    this.notices = [];
    this.typingUntil = 0;
    this.link = 'idle';
  }

  async #open() {
    try {
      // Two tabs that open at once must not begin two conversations.
      await oneTabAtATime(async () => {
        if (!this.exists) this.#ticket.read();
        if (!this.exists || !(await this.#resume())) await this.#begin();
      });
      this.problem = null;
      this.#listen();
    } catch (error) {
      this.problem = error;
      this.#failed(error);
      throw error;
    }
    this.#delivery.run();
  }

  /** False when the stored conversation has ended; throws when that could not be found out. */
  async #resume() {
    const epoch = this.#epoch;
    this.#ticket.renew(); // another tab may have had the token renewed
    try {
      const snapshot = await this.api.get(this.#path());
      this.#unless(epoch);
      this.#take(snapshot);
      return true;
    } catch (error) {
      this.#unless(epoch);
      if (!GONE.has(error.status)) throw error;
      this.#forget();
      this.#notice('expired');
      return false;
    }
  }

  async #begin() {
    const epoch = this.#epoch;
    const { begun, told } = await this.#started();
    this.#unless(epoch);
    this.#ticket.write({ id: begun.id, token: begun.token, greeting: begun.greeting ?? '' });
    this.#changed();
    if (told !== this.#customer) this.identify({}); // the page said more meanwhile
    const snapshot = await this.api.get(this.#path());
    this.#unless(epoch);
    this.#take(snapshot);
  }

  async #started() {
    const told = this.#customer;
    const body = { locale: this.#locale };
    if (Object.keys(told).length) body.customer = told;
    if (this.#pageUrl) body.page_url = this.#pageUrl;
    try {
      return { told, begun: await this.api.post('/conversations', body) };
    } catch (error) {
      const { identifier, identifier_hash: hash, jwt, ...stated } = told;
      if (error.status !== 401 || !(identifier || hash || jwt)) throw error;
      // The page's proof does not hold, which is the page's mistake: the customer gets a chat.
      this.#failed(error);
      if (told === this.#customer) this.#customer = stated;
      return this.#started();
    }
  }

  #unless(epoch) {
    if (epoch !== this.#epoch) throw new ApiError({ code: 'left', title: 'The conversation was left' });
  }

  #take(snapshot) {
    this.snapshot = snapshot;
    this.outbox.settle(snapshot.messages);
    this.#changed();
  }

  #listen() {
    this.#stream?.stop();
    this.#stream = null;
    if (document.hidden) return;
    const epoch = this.#epoch;
    const mine = (handle) => (value) => epoch === this.#epoch && handle(value);
    this.#stream = new EventStream({
      url: `/api/v1${this.#path()}/events`,
      headers: () => this.#ticket.headers,
      lastEventId: this.snapshot.last_event_id,
      onEvent: mine((event) => this.#event(event)),
      onReset: mine(() => this.#refresh()),
      onDenied: mine(() => this.#refresh()),
      onState: mine((state) => {
        this.link = state;
        if (state === 'open') this.outbox.retryUnreachable();
        if (state === 'open') this.#delivery.run();
        this.#changed();
      }),
    }).start();
  }

  /** A new snapshot and a new stream; a conversation that has ended makes place for a new one. */
  async #refresh() {
    const epoch = this.#epoch;
    this.#stream?.stop();
    this.#stream = null;
    try {
      if (await this.#resume()) this.#listen();
      else await this.open();
    } catch (error) {
      if (epoch !== this.#epoch) return;
      this.#failed(error);
      setTimeout(() => epoch === this.#epoch && this.#refresh(), REFRESH_AGAIN_MS);
    }
  }

  #event(event) {
    if (event.type === 'typing') {
      if (event.data?.role !== 'customer') this.#typing(event.data?.name);
      return;
    }
    this.snapshot = applyEvent(this.snapshot, event);
    if (event.type === 'message.created') {
      this.typingUntil = 0;
      this.outbox.settle(this.snapshot.messages);
    }
    if (event.type === 'turn.failed') this.#notice('turn_failed');
    if (event.type === 'csat.submitted') this.#scored(event.data.score);
    this.dispatchEvent(new CustomEvent('event', { detail: event }));
    this.#changed();
  }

  #typing(name) {
    this.typist = name ?? null;
    this.typingUntil = Date.now() + TYPING_MS;
    setTimeout(() => this.#changed(), TYPING_MS + 50);
    this.#changed();
  }

  async #post({ content, client_message_id }) {
    return this.#inConversation(() =>
      this.api.post(`${this.#path()}/messages`, { content, client_message_id }));
  }

  /** Runs `call`; if the conversation turns out to have ended, once more in a new one. */
  async #inConversation(call) {
    await this.open();
    const { token } = this.#ticket;
    try {
      return await call();
    } catch (error) {
      if (!GONE.has(error.status)) throw error;
      if (!(await this.#resume())) await this.open();
      else if (this.#ticket.token === token) throw error;
      return call();
    }
  }

  #backOnline() {
    this.outbox.retryUnreachable();
    if (this.outbox.next()) this.#delivery.run();
    this.#changed();
  }

  #visibility() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = setTimeout(() => {
        this.#stream?.stop();
        this.#stream = null;
      }, HIDDEN_GRACE_MS);
    } else if (this.snapshot && !this.#stream) this.#refresh();
  }

  /** Another tab began, left or renewed the conversation. */
  #otherTab() {
    const { id } = this.#ticket;
    this.#ticket.read();
    if (id !== this.#ticket.id) {
      this.#epoch += 1;
      this.#close();
      if (this.exists) this.open().catch(() => {}); // told by "problem"
    }
    this.#changed();
  }

  #notice(kind) {
    const after = this.messages.at(-1)?.id ?? null;
    this.notices = [...this.notices, { kind, after, key: `notice-${kind}-${Date.now()}` }];
    this.#changed();
  }

  #failed(error) {
    this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
