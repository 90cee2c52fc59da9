/**
 * Owns what the console knows: the list, the conversation that is open, and how
 * both follow the live feed.
 * Refuses to know how anything looks.
 * Invariant: what is shown of the open conversation is a snapshot and the events after it, folded.
 */

import { ApiError } from '../shared/api.js';
import { EventStream, applyEvent } from '../shared/events.js';

const LIST_PAUSE_MS = 250;
const PAGE = 30;
const REMEMBERED = 1000;
const PASSING = new Set(['typing', 'presence.updated']);
const RATINGS = new Set(['feedback.submitted', 'csat.submitted']);
const BASE = '/api/v1/staff';

/**
 * Events: "list", "conversation", "connection"; "arrived" (detail: conversation id) when somebody
 * needs a person, "passing" (detail: event) for what is told once and stored nowhere.
 */
export class Desk extends EventTarget {
  items = [];
  next = null;
  open = null;
  connection = 'connecting';
  waiting = 0;
  filter = { status: 'open', assignee: 'any', q: '', priority: '', reason: '', label: '' };
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
    this.list().catch(() => {});
    if (this.open) this.show(this.open.id).catch(() => {});
  }

  #take(event) {
    if (PASSING.has(event.type)) {
      this.dispatchEvent(new CustomEvent('passing', { detail: event }));
      return;
    }
    this.#recent.push(event);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    if (event.conversation_id === this.open?.id) {
      this.open = fold(this.open, event);
      this.#say('conversation');
    }
    if (this.#asksForUs(event)) {
      this.dispatchEvent(new CustomEvent('arrived', { detail: event.conversation_id }));
    }
    if (event.type !== 'reply.delta') this.#listSoon();
  }

  /** Somebody came to people, or a customer of ours wrote. */
  #asksForUs({ type, data, conversation_id: id }) {
    if (type === 'status.changed') return data.to === 'open' && data.from !== 'snoozed' && data.reason != null;
    if (type !== 'message.created' || data.message.role !== 'customer') return false;
    const item = this.items.find((one) => one.id === id);
    return item?.status === 'open' && item.assignee === this.me?.id;
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
      this.list().catch(() => {}); // the feed's return reads it again
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
    const pages = await Promise.all(Array.from({ length: this.#pages }, (_, at) => this.#page(at + 1)));
    if (asked !== this.#asked) return;
    const { next, waiting } = pages.at(-1);
    // What moved up between two pages' readings stands on both.
    const items = [...new Map(pages.flatMap((page) => page.items).map((item) => [item.id, item])).values()];
    Object.assign(this, { items, next, waiting });
    this.#say('list');
  }

  #page(number) {
    const wanted = { ...this.filter, page: String(number), limit: String(PAGE) };
    const given = Object.entries(wanted).filter(([, value]) => value);
    return this.#session.get(`${BASE}/conversations?${new URLSearchParams(given)}`);
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

  /** A drafted reply to the open conversation: `onText` gets its pieces, the answer is the whole. */
  async draft({ signal, onText }) {
    let draft = null;
    await this.#session.stream(`${BASE}/conversations/${this.open.id}/suggest`, {}, {
      signal,
      onEvent(type, data) {
        if (type === 'draft.delta') onText(data.text);
        if (type === 'draft.completed') draft = data;
        if (type === 'draft.failed') throw new ApiError({ status: 500, ...data });
      },
    });
    if (!draft) throw new ApiError({ code: 'network', title: 'The draft broke off: try again.' });
    return draft;
  }

  /** When the answer that the open conversation's customer waits for is due, if one is. */
  get due() {
    if (this.open?.status !== 'open') return null;
    const item = this.items.find((one) => one.id === this.open.id);
    return (item ?? this.open).due;
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
  if (event.type === 'answer.reviewed') next.reviews = { ...open.reviews, [event.data.message_id]: { at: event.at, ...event.data } };
  if (RATINGS.has(event.type)) next.ratings = { ...open.ratings, [event.data.message_id ?? 'conversation']: { at: event.at, ...event.data } };
  return next;
}

function isAfter(id, other) {
  if (!id) return false;
  const [ms, n] = id.split('-').map(Number);
  const [otherMs, otherN] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}
