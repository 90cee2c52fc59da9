/**
 * Owns what the console knows: the list, the conversation that is open, and how
 * both follow the live feed.
 * Refuses to know how anything looks.
 * Invariant: what is shown of the open conversation is a snapshot and the events after it, folded.
 */

import { EventStream, applyEvent } from '../shared/events.js';

const LIST_PAUSE_MS = 250;
const REMEMBERED = 1000;
const QUIET = new Set(['reply.delta', 'typing']);
const BASE = '/api/v1/staff';

/** Events: "list", "conversation", "connection"; "arrived" when somebody needs a person. */
export class Desk extends EventTarget {
  items = [];
  next = null;
  open = null;
  connection = 'connecting';
  filter = { status: 'open', assignee: 'any', q: '' };
  #session;
  #stream = null;
  #refresh = null;
  #recent = [];
  #asked = 0;
  #pages = 1;

  constructor(session) {
    super();
    this.#session = session;
    session.addEventListener('entered', () => this.#follow());
    session.addEventListener('left', () => this.#leave());
  }

  get me() {
    return this.#session.me;
  }

  #leave() {
    this.#stream?.stop();
    Object.assign(this, { items: [], open: null });
    this.#say('list');
    this.#say('conversation');
  }

  /** The feed from now on, then the list: what happens in between is told by the feed. */
  #follow() {
    this.#stream?.stop();
    this.#stream = new EventStream({
      url: `${BASE}/events`,
      onEvent: (event) => this.#take(event),
      onReset: () => this.#again(),
      onState: (state) => this.#connected(state),
      onDenied: () => this.#session.leave(),
    }).start();
  }

  #connected(state) {
    if (state === 'closed') return;
    // Without a position nothing tells what happened while the feed was away.
    if (state === 'open' && this.#stream?.lastEventId == null) this.#readAgain();
    this.connection = state;
    this.#say('connection');
  }

  #again() {
    this.#follow();
    this.#readAgain();
  }

  #readAgain() {
    this.list();
    if (this.open) this.show(this.open.id);
  }

  #take(event) {
    this.#recent.push(event);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    if (event.conversation_id === this.open?.id) {
      this.open = fold(this.open, event);
      this.#say('conversation');
    }
    if (event.type === 'status.changed' && event.data.to === 'open') this.#say('arrived');
    if (!QUIET.has(event.type)) this.#listSoon();
  }

  /** A snapshot may be older than what the feed has told while it was on its way. */
  #adopt(found) {
    this.open = this.#recent
      .filter((event) => event.conversation_id === found.id && isAfter(event.id, found.last_event_id))
      .reduce(fold, found);
    this.#say('conversation');
  }

  #listSoon() {
    this.#refresh ??= setTimeout(() => {
      this.#refresh = null;
      this.list();
    }, LIST_PAUSE_MS);
  }

  filterBy(change) {
    Object.assign(this.filter, change);
    this.#pages = 1;
    return this.list();
  }

  more() {
    this.#pages += 1;
    return this.list();
  }

  /** Reads the list again; of answers that overtake each other the newest question's counts. */
  async list() {
    const asked = ++this.#asked;
    const { status, assignee, q } = this.filter;
    const query = new URLSearchParams({ assignee, q, limit: String(Math.min(25 * this.#pages, 100)) });
    if (status) query.set('status', status);
    const { items, next } = await this.#session.get(`${BASE}/conversations?${query}`);
    if (asked !== this.#asked) return;
    Object.assign(this, { items, next });
    this.#say('list');
  }

  async show(id) {
    this.#adopt(await this.#session.get(`${BASE}/conversations/${id}`));
  }

  close() {
    this.open = null;
    this.#say('conversation');
  }

  /** A verb of the open conversation; its answer is the conversation afterwards. */
  async does(verb, body) {
    const id = this.open.id;
    const found = await this.#session.post(`${BASE}/conversations/${id}/${verb}`, body);
    if (this.open?.id === id) this.#adopt(found);
    this.#listSoon();
  }

  /** A drafted reply to the open conversation. */
  draft() {
    return this.#session.post(`${BASE}/conversations/${this.open.id}/suggest`, {}, { timeoutMs: 120_000 });
  }

  get isMine() {
    return this.open?.assignee === this.me?.id;
  }

  #say(type) {
    this.dispatchEvent(new Event(type));
  }
}

/** The conversation as staff see it, after the event. */
function fold(open, event) {
  const next = applyEvent(open, event);
  if (event.type === 'handoff.updated') next.card = event.data.card;
  if (event.type === 'note.created') next.notes = [...open.notes, { at: event.at, ...event.data }];
  if (event.type === 'conversation.updated') Object.assign(next, event.data);
  return next;
}

function isAfter(id, other) {
  if (!id) return false;
  const [ms, n] = id.split('-').map(Number);
  const [otherMs, otherN] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}
