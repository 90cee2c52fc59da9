/**
 * Owns who is signed in, and the calls that are made in their name.
 * Refuses to know what is done with them, and how signing in looks.
 * Invariant: once the server says that nobody is signed in, `me` is null and "left" was told.
 */

import { Api, ApiError, errorFrom } from '../api.js';
import { EventParser } from '../events.js';

const STREAM_MS = 180_000;
const UPLOAD_MS = 300_000;

/** Events: "entered", "left". */
export class Session extends EventTarget {
  me = null;
  /** The ways in: `password`, and the identity `provider`'s host, or null. */
  ways = { password: true, provider: null };
  #csrf = null;
  #api = new Api({ headers: () => (this.#csrf ? { 'x-csrf-token': this.#csrf } : {}) });

  /** Learns the ways in, and goes on with the session of the cookie, if there is one. */
  async resume() {
    const [ways, found] = await Promise.all([this.#api.get('/api/v1/sign_in'), this.#api.get('/api/v1/session')]);
    this.ways = ways;
    if (found.user) this.#enter(found);
  }

  async signIn(email, password) {
    this.#enter(await this.#api.post('/api/v1/login', { email, password }));
  }

  /** Chooses a password by a link, which is the first admin's if an e-mail is given, and signs in. */
  async setUp(token, email, password) {
    const { user } = await this.#api.post('/api/v1/setup', { token, email, password });
    await this.signIn(user.email, password);
  }

  async signOut() {
    await this.#api.post('/api/v1/logout').catch(() => {});
    this.leave();
  }

  /** Ends every session of one's own with the old password, and goes on in a new one. */
  async changePassword(old, password) {
    const { email } = this.me;
    await this.#api.post('/api/v1/password', { old, new: password });
    await this.signIn(email, password);
  }

  leave() {
    this.me = null;
    this.#csrf = null;
    this.dispatchEvent(new Event('left'));
  }

  get(path, options) {
    return this.#asking(this.#api.get(path, options));
  }

  post(path, body, options) {
    return this.#asking(this.#api.post(path, body, options));
  }

  put(path, body) {
    return this.#asking(this.#api.request('PUT', path, { body }));
  }

  patch(path, body) {
    return this.#asking(this.#api.request('PATCH', path, { body }));
  }

  delete(path) {
    return this.#asking(this.#api.delete(path));
  }

  /** Posts a form with a file; `onProgress(part)` hears how much of it has gone, from 0 to 1. */
  upload(path, form, { onProgress = () => {}, signal } = {}) {
    return this.#asking(sent(path, form, this.#csrf, onProgress, signal));
  }

  /** Posts, and hands on each event of the answer as it comes, until its end or `signal`. */
  stream(path, body, { signal, onEvent }) {
    return this.#asking(this.#streamed(path, body, signal, onEvent));
  }

  async #streamed(path, body, signal, onEvent) {
    const headers = { accept: 'text/event-stream', 'content-type': 'application/json', 'x-csrf-token': this.#csrf };
    try {
      const ends = AbortSignal.any([signal, AbortSignal.timeout(STREAM_MS)]);
      const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), signal: ends, cache: 'no-store' });
      if (!response.ok) throw await errorFrom(response);
      const parser = new EventParser();
      for await (const text of pieces(response.body)) {
        for (const { event, data } of parser.push(text)) if (event) onEvent(event, JSON.parse(data));
      }
    } catch (error) {
      if (error instanceof ApiError || signal.aborted) throw error;
      throw new ApiError({ code: 'network', title: 'The connection was lost' });
    }
  }

  async #asking(answer) {
    try {
      return await answer;
    } catch (error) {
      if (error.status === 401) this.leave();
      throw error;
    }
  }

  #enter({ user, csrf }) {
    this.me = user;
    this.#csrf = csrf;
    this.dispatchEvent(new Event('entered'));
  }
}

/** `fetch` tells nothing of how far a body has gone. */
function sent(path, form, csrf, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.timeout = UPLOAD_MS;
    request.setRequestHeader('accept', 'application/json');
    request.setRequestHeader('x-csrf-token', csrf);
    const lost = (title) => () => reject(new ApiError({ code: 'network', title }));
    request.upload.addEventListener('progress', (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener('load', async () => {
      const response = new Response(request.responseText, {
        status: request.status, headers: { 'content-type': request.getResponseHeader('content-type') ?? '' },
      });
      if (response.ok) resolve(JSON.parse(request.responseText));
      else reject(await errorFrom(response));
    });
    request.addEventListener('error', lost('The connection was lost'));
    request.addEventListener('timeout', lost('No answer in time'));
    request.addEventListener('abort', lost('Stopped'));
    signal?.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

async function* pieces(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
