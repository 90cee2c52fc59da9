/**
 * Owns the fold's facts in JavaScript, on the fixtures that the server's fold is held to, too.
 * `run(fixtures)` takes the parsed files of tests/js/fixtures and gives a list of failures.
 */

import { applyEvent } from '../../agent/web/static/shared/events.js';
import { differs, frozen } from './check.js';

export function run(fixtures) {
  return fixtures.flatMap((fixture) => {
    try {
      const { name, snapshot, events, expected } = frozen(fixture);
      return [
        ...differs(name, expected, fold(snapshot, events)),
        ...everyCut(name, snapshot, events, expected),
      ];
    } catch (error) {
      return [`${fixture.name}: ${error}`];
    }
  });
}

function fold(snapshot, events) {
  return events.reduce((state, event) => frozen(applyEvent(state, event)), snapshot);
}

/** A snapshot taken anywhere, sent as JSON, and the events after it come to the same. */
function everyCut(name, snapshot, events, expected) {
  return events.flatMap((_, at) => {
    const taken = JSON.parse(JSON.stringify(fold(snapshot, events.slice(0, at))));
    return differs(`${name}, resumed after ${at}`, expected, fold(taken, events.slice(at)));
  });
}
