/** Owns the facts about reading server-sent events. `run()` gives a list of failures. */

import { EventParser } from '../../agent/web/static/shared/events.js';
import { retryAfterSeconds } from '../../agent/web/static/shared/api.js';
import { differs } from './check.js';

const STREAM = '\uFEFF: heartbeat\nid: 1-0\nevent: reply.delta\ndata: {"a":\ndata: 1}\n\nretry: 2000\n\n'
  + 'data:no space\n\nevent: reset\n\nid: 2-0\ndata\n\nunknown: x\ndata: last\n\ndata: cut off';
const BLOCKS = [
  { comment: true },
  { event: 'reply.delta', data: '{"a":\n1}', id: '1-0' },
  { retry: 2000 },
  { event: 'message', data: 'no space', id: undefined },
  { event: 'reset', data: '', id: undefined },
  { event: 'message', data: '', id: '2-0' },
  { event: 'message', data: 'last', id: undefined },
];

function parse(pieces) {
  const parser = new EventParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

export function run() {
  const failures = [];
  for (const [name, end] of [['LF', '\n'], ['CRLF', '\r\n'], ['CR', '\r']]) {
    const text = STREAM.replaceAll('\n', end);
    failures.push(...differs(`a stream with ${name}`, BLOCKS, parse([text])));
    failures.push(...differs(`a stream with ${name}, character by character`, BLOCKS, parse([...text])));
    for (let at = 0; at < text.length; at += 1) {
      failures.push(...differs(`${name}, cut at ${at}`, BLOCKS, parse([text.slice(0, at), text.slice(at)])));
    }
  }
  const now = Date.parse('2026-03-01T10:00:00Z');
  failures.push(...differs('Retry-After in seconds', 7, retryAfterSeconds('7')));
  failures.push(...differs('Retry-After as a date', 30, retryAfterSeconds('Sun, 01 Mar 2026 10:00:30 GMT', now)));
  failures.push(...differs('Retry-After in the past', 0, retryAfterSeconds('Sun, 01 Mar 2026 09:00:00 GMT', now)));
  failures.push(...differs('Retry-After that is none', null, retryAfterSeconds('soon')));
  return failures;
}
