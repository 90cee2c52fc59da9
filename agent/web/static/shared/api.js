/**
 * Owns one way of calling the server: JSON in, JSON out, every failure an `ApiError`.
 * Refuses to know what a conversation is, and never puts a credential in a URL.
 * Invariant: a call ends — with a value, or with an error that has a `code` — within its timeout.
 */

/** `status` is 0 when no answer came; `retryAfter` is in seconds, or null. */
export class ApiError extends Error {
  constructor({ status = 0, code, title, detail, retryAfter = null, field = null }) {
    super(detail || title || code);
    this.name = 'ApiError';
    Object.assign(this, { status, code, title, detail, retryAfter, field });
  }

  /** No answer, or one that asks to come back later: the same call may succeed unchanged. */
  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Seconds from a Retry-After header in either of its two forms, or null. */
export function retryAfterSeconds(value, now = Date.now()) {
  if (!value) return null;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000));
}

/** The error that a refused response stands for; understands `application/problem+json`. */
export async function errorFrom(response) {
  let problem = {};
  try {
    if ((response.headers.get('content-type') || '').includes('json')) {
      problem = await response.json();
    }
  } catch {
    problem = {}; // a proxy's error page that only claims to be JSON
  }
  return new ApiError({
    status: response.status,
    code: problem.code || `http_${response.status}`,
    title: problem.title || response.statusText,
    detail: typeof problem.detail === 'string' ? problem.detail : undefined,
    retryAfter: retryAfterSeconds(response.headers.get('retry-after')),
    field: problem.field ?? null,
  });
}

export class Api {
  /** `headers()` gives the credentials of the moment: a bearer token, or a CSRF token. */
  constructor({ base = '', headers = () => ({}), timeoutMs = 20_000 } = {}) {
    this.base = base;
    this.headers = headers;
    this.timeoutMs = timeoutMs;
  }

  get(path, options) {
    return this.request('GET', path, options);
  }

  post(path, body = {}, options) {
    return this.request('POST', path, { ...options, body });
  }

  delete(path, options) {
    return this.request('DELETE', path, options);
  }

  async request(method, path, { body, timeoutMs = this.timeoutMs, keepalive = false } = {}) {
    const headers = { accept: 'application/json', ...this.headers() };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    try {
      const response = await fetch(this.base + path, {
        method,
        headers,
        keepalive,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: abort.signal,
        credentials: 'same-origin',
        cache: 'no-store',
      });
      if (!response.ok) throw await errorFrom(response);
      const text = await response.text();
      return text ? JSON.parse(text) : null;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (abort.signal.aborted) throw new ApiError({ code: 'timeout', title: 'No answer in time' });
      if (error instanceof SyntaxError) {
        throw new ApiError({ status: 502, code: 'bad_answer', title: 'Not a JSON answer' });
      }
      throw new ApiError({ code: 'network', title: 'The server could not be reached' });
    } finally {
      clearTimeout(timer);
    }
  }
}
