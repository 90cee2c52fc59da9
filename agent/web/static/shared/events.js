/**
 * Owns the live stream (server-sent events over `fetch`, so that the token stays in a header)
 * and the fold that turns events into a conversation.
 * Refuses to know how anything looks, and what a page does with an event beyond the fold.
 * Invariant: a snapshot and the events after its `last_event_id`, folded, equal a fresh snapshot.
 */

import { errorFrom } from './api.js';

/**
 * The conversation after `event`. Pure: `state` is left alone, unchanged messages are shared.
 * The server folds the same way; tests/js/fixtures holds both to it.
 */
export function applyEvent(state, event) {
  const next = { ...state };
  if (event.id != null) next.last_event_id = event.id;
  const fold = FOLDS[event.type];
  if (fold) fold(next, event.data ?? {}, event);
  return next;
}

const FOLDS = {
  'message.created'(state, { message }) {
    append(state, message);
  },
  'turn.started'(state, { message_id: id }, { at }) {
    append(state, { id, role: 'ai_agent', content: '', created_at: at, pending: true });
  },
  'reply.delta'(state, { message_id: id, text }) {
    replace(state, id, (message) => ({ ...message, content: message.content + text }));
  },
  'reply.reset'(state, { message_id: id }) {
    replace(state, id, ({ interrupted, ...message }) => ({ ...message, content: '', pending: true }));
  },
  'reply.completed'(state, { message: { pending, ...message } }) {
    // A reply is never lost, even when its start was not seen.
    if (!replace(state, message.id, () => message)) append(state, message);
  },
  'turn.failed': endUnfinished,
  'turn.cancelled': endUnfinished,
  'status.changed'(state, { to }) {
    state.status = to;
  },
  'conversation.updated'(state, data) {
    if ('assignee' in data) state.assignee = data.assignee;
  },
};

function append(state, message) {
  if (state.messages.some((known) => known.id === message.id)) return;
  state.messages = [...state.messages, message];
}

function replace(state, id, change) {
  const at = state.messages.findIndex((message) => message.id === id);
  if (at < 0) return false;
  state.messages = state.messages.with(at, change(state.messages[at]));
  return true;
}

function endUnfinished(state, { message_id: id }) {
  const unfinished = state.messages.find((message) => message.id === id && message.pending);
  if (!unfinished) return;
  if (unfinished.content === '') {
    state.messages = state.messages.filter((message) => message !== unfinished);
    return;
  }
  const { pending, ...rest } = unfinished;
  replace(state, id, () => ({ ...rest, interrupted: true }));
}

/**
 * Feeds on text in any pieces, gives `{event, data, id, retry}` for each complete block and
 * `{comment: true}` for each comment line. Follows the WHATWG event-stream grammar.
 */
export class EventParser {
  #rest = '';
  #event = '';
  #data = [];
  #id;
  #first = true;

  push(text) {
    if (this.#first && text) {
      this.#first = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    const found = [];
    this.#rest += text;
    // A lone CR at the end may be half of CRLF: it waits for the next piece.
    let match;
    while ((match = /\r\n|\n|\r(?!$)/.exec(this.#rest))) {
      const line = this.#rest.slice(0, match.index);
      this.#rest = this.#rest.slice(match.index + match[0].length);
      this.#line(line, found);
    }
    return found;
  }

  #line(line, found) {
    if (line === '') {
      if (this.#data.length || this.#event) {
        found.push({ event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id });
      }
      this.#event = '';
      this.#data = [];
      this.#id = undefined;
      return;
    }
    if (line.startsWith(':')) {
      found.push({ comment: true });
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) found.push({ retry: Number(value) });
  }
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
// The server sends something at least every 15 s; two missed heartbeats and some slack.
const SILENCE_MS = 35_000;

/**
 * Keeps one stream open until `stop()`: reconnects with back-off after the last id seen.
 *
 * onEvent(event)  each event, parsed, in order
 * onReset()       the log no longer reaches back: take a new snapshot and make a new stream
 * onState(state)  "connecting" | "open" | "waiting" | "closed"
 * onDenied(error) 401, 403, 404, 410: the stream is closed, coming back is useless
 */
export class EventStream {
  #options;
  #abort = null;
  #failures = 0;
  #wake = null;
  #stopped = false;
  #pauseFloor = FIRST_PAUSE_MS;

  constructor(options) {
    this.#options = {
      headers: () => ({}),
      onEvent() {},
      onReset() {},
      onState() {},
      onDenied() {},
      silenceMs: SILENCE_MS,
      ...options,
    };
    this.lastEventId = options.lastEventId ?? null;
  }

  start() {
    globalThis.addEventListener?.('online', this.retryNow);
    this.#run();
    return this;
  }

  stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    globalThis.removeEventListener?.('online', this.retryNow);
    this.#abort?.abort();
    this.#wake?.();
    this.#options.onState('closed');
  }

  /** Ends a pause between two attempts: the network came back, or somebody asked. */
  retryNow = () => {
    this.#failures = 0;
    this.#wake?.();
  };

  async #run() {
    while (!this.#stopped) {
      this.#options.onState('connecting');
      const pause = await this.#connect();
      if (this.#stopped) return;
      this.#options.onState('waiting');
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = null;
    }
  }

  /** Lives as long as one connection; gives the pause before the next, in ms. */
  async #connect() {
    this.#abort = new AbortController();
    const watchdog = new Watchdog(this.#options.silenceMs, () => this.#abort.abort());
    try {
      const headers = { accept: 'text/event-stream', ...this.#options.headers() };
      if (this.lastEventId != null) headers['last-event-id'] = this.lastEventId;
      const response = await fetch(this.#options.url, {
        headers,
        signal: this.#abort.signal,
        credentials: 'same-origin',
        cache: 'no-store',
      });
      if (!response.ok) return await this.#refused(response);
      this.#options.onState('open');
      await this.#read(response.body.getReader(), watchdog);
    } catch {
      // Every failure of a connection has one remedy, the next connection.
    } finally {
      watchdog.end();
      this.#abort.abort();
    }
    return this.#nextPause();
  }

  async #refused(response) {
    const error = await errorFrom(response);
    if ([401, 403, 404, 410].includes(error.status)) {
      this.stop();
      this.#options.onDenied(error);
    }
    return Math.max((error.retryAfter ?? 0) * 1000, this.#nextPause());
  }

  async #read(reader, watchdog) {
    const decoder = new TextDecoder();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#stopped) return;
      watchdog.feed();
      this.#failures = 0;
      for (const block of parser.push(decoder.decode(value, { stream: true }))) {
        if (this.#stopped) return;
        this.#take(block);
      }
    }
  }

  #take(block) {
    if (block.comment) return;
    if (block.retry !== undefined) {
      this.#pauseFloor = Math.min(block.retry, LONGEST_PAUSE_MS);
      return;
    }
    if (block.event === 'reset') {
      this.stop();
      this.#options.onReset();
      return;
    }
    let event;
    try {
      event = JSON.parse(block.data);
    } catch {
      return; // not ours: a proxy's or a newer server's block
    }
    try {
      this.#options.onEvent({ type: block.event, ...event });
    } catch (error) {
      reportError(error); // a page's mistake must not look like a lost connection
    }
    if (block.id != null) this.lastEventId = block.id;
  }

  #nextPause() {
    const pause = Math.min(this.#pauseFloor * 2 ** this.#failures, LONGEST_PAUSE_MS);
    this.#failures += 1;
    return pause * (0.75 + Math.random() / 2);
  }
}

class Watchdog {
  #timer;

  constructor(silenceMs, onSilence) {
    this.feed = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(onSilence, silenceMs);
    };
    this.feed();
  }

  end() {
    clearTimeout(this.#timer);
  }
}
