/**
 * Owns the words for outcomes and how their numbers read.
 * Refuses to know where a number comes from.
 * Invariant: a share of nothing is a dash.
 */

import { number } from '../shared/format.js';

export const KINDS = {
  confirmed: 'Confirmed',
  assumed: 'Assumed',
  recontacted: 'Came back',
  too_early: 'Too early to say',
  handed_off: 'With a person',
  unresolved: 'Not resolved',
  nothing_asked: 'Nothing asked',
};

export const REASONS = {
  customer_request: 'The customer asked for a person',
  missing_knowledge: 'The policies do not answer it',
  low_confidence: 'The answer was not sure enough',
  policy_restriction: 'A policy forbids it',
  unsupported_request: 'The AI cannot do it',
  tool_failure: 'A system did not answer',
  approval_denied: 'An approval was denied',
  agent_error: 'The AI failed',
  usage_limit: 'A limit was reached',
  staff_took_over: 'A person came in uncalled',
};

export const count = (value) => number(value, navigator.language);

export const share = (part, whole) => (whole ? new Intl.NumberFormat(navigator.language, { style: 'percent', maximumFractionDigits: part / whole < 0.1 ? 1 : 0 }).format(part / whole) : '–');

/** "12% more than the 40 before". */
export function change(value, was) {
  if (!was) return 'None in the period before';
  const by = Math.round((value / was - 1) * 100);
  return by === 0 ? 'As many as in the period before' : `${share(Math.abs(by), 100)} ${by > 0 ? 'more' : 'fewer'} than the ${count(was)} before`;
}

/** How a share changed, in points. */
export function points(part, whole, partWas, wholeWas) {
  if (!whole || !wholeWas) return 'None in the period before';
  const by = Math.round((part / whole - partWas / wholeWas) * 100);
  return by === 0 ? 'As in the period before' : `${Math.abs(by)} ${Math.abs(by) === 1 ? 'point' : 'points'} ${by > 0 ? 'more' : 'less'} than before`;
}

const rounded = (value, digits) => new Intl.NumberFormat(navigator.language, { maximumFractionDigits: digits }).format(value);

export const seconds = (value) => `${rounded(value, value < 10 ? 1 : 0)} s`;

export function minutes(value) {
  if (value < 60) return seconds(value);
  if (value < 5400) return `${rounded(value / 60, value < 600 ? 1 : 0)} min`;
  return `${rounded(value / 3600, 1)} h`;
}

/** Small amounts keep two figures that say something. */
export const money = (value, currency) => new Intl.NumberFormat(navigator.language, {
  style: 'currency', currency, minimumFractionDigits: 2, maximumFractionDigits: value !== 0 && Math.abs(value) < 0.1 ? 4 : 2,
}).format(value);
