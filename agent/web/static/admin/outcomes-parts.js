/**
 * Owns what the outcomes cost and the quality review, as cards.
 * Refuses to know a price that nobody set.
 * Invariant: each sum says in one sentence how it is made, each score how far it agrees with people.
 */

import { h } from '../shared/dom.js';
import { bar } from './charts.js';
import { count, minutes, money, share } from './outcomes-words.js';

// -- what it costs

export function costs(found) {
  const { currency, prices, hours, machine_s: machine, resolved, ...sums } = found.costs;
  const say = (value) => (value == null ? h('span', { class: 'unset' }, 'not set') : money(value, currency));
  const elsewhere = h('output', {}, say(sums.elsewhere));
  const price = h('input', {
    id: 'per-resolution', type: 'number', min: '0', step: '0.01', inputmode: 'decimal', value: prices.per_resolution ?? '',
    oninput: () => elsewhere.replaceChildren(price.value === '' ? say(null) : money(Number(price.value) * resolved, currency)),
  });
  const line = (name, text, value, look) => [h('dt', { class: look }, h('strong', {}, name), h('span', { class: 'hint' }, text)), h('dd', { class: look }, value)];
  return h('section', { class: 'card', 'aria-label': 'What it costs' },
    h('h3', {}, 'What it costs'), h('p', { class: 'muted' }, 'This machine, beside a provider who is paid for each resolution.'),
    h('dl', { class: 'sum' },
      line('Machine', prices.machine_per_hour == null
        ? 'Set FRONTDESK_MACHINE_PRICE_PER_HOUR, or FRONTDESK_MACHINE_PRICE if it was bought.'
        : `${count(Math.round(hours))} hours that it stood there, busy or not, at ${money(prices.machine_per_hour, currency)} an hour.`, say(sums.machine)),
      line('Electricity', sums.electricity == null
        ? 'Set FRONTDESK_MACHINE_WATTS and FRONTDESK_ELECTRICITY_PRICE.'
        : `${minutes(machine)} in which replies were being made, at ${count(prices.machine_watts)} W and ${money(prices.electricity_per_kwh, currency)} a kWh.`, say(sums.electricity)),
      line('A conversation', `Both together, shared by ${count(found.conversations)} conversations.`, say(sums.per_conversation), 'total'),
      line('A resolved conversation', `Both together, shared by ${count(resolved)} that are confirmed or assumed.`, sums.total != null && !resolved ? '–' : say(sums.per_resolved)),
      [h('dt', { class: 'total' }, h('label', { htmlFor: 'per-resolution' }, h('strong', {}, 'Paid by resolution')),
        h('span', { class: 'hint' }, `The same ${count(resolved)} at this price each, in ${currency}. Providers count more than we do: silence of a day is a resolution to them.`)),
      h('dd', { class: 'total' }, price)],
      line('It would be', 'What you try here is not kept; FRONTDESK_PRICE_PER_RESOLUTION is.', elsewhere)),
    h('p', { class: 'small muted' }, 'The time of people is not in it, nor what the machine does behind conversations (reading policies, cards, reviews).'));
}

// -- the quality review

const SCORES = { correct: 'Held by its sources', resolved: 'Answered in whole', tone: 'Polite and clear' };

export function quality(found) {
  const { reviewed, worst, agreement, ...scores } = found.quality;
  return h('section', { class: 'card', 'aria-label': 'Quality review' },
    h('h3', {}, 'Quality review'),
    h('p', { class: 'muted' }, 'Conversations that are over are read when nobody waits for the model: how much of the last reply its sources hold, and the model’s own yes or no to two questions.'),
    reviewed === 0
      ? h('p', {}, 'None was reviewed yet: a conversation is read once it is resolved, or silent for a day.')
      : [h('dl', { class: 'scores' }, Object.entries(SCORES).map(([name, label]) => h('div', {},
        h('dt', {}, label), h('dd', {}, scores[name] == null ? '–' : share(scores[name], 1)), h('dd', {}, bar(['line', scores[name] ?? 0]))))),
      h('p', { class: 'small' }, `Over ${count(reviewed)} conversations: the first is the mean share of a reply’s words that its sources have, the others the mean chance of the model’s yes.`)],
    h('p', { class: 'small muted' }, agrees(agreement)),
    worst.length > 0 && [h('h4', {}, 'To look at first'), h('ul', { class: 'rows' }, worst.map((one) => h('li', {},
      h('a', { href: `/console#${one.conversation_id}` }, one.question || 'A conversation'),
      h('span', { class: 'hint' }, Object.entries(SCORES).filter(([name]) => one[name] != null && one[name] < 0.5).map(([name, label]) => `${label}: ${share(one[name], 1)}`).join(' · ')))))]);
}

/** How far the scores can be believed. */
function agrees({ measured, customers }) {
  const said = customers.compared
    ? ` Here “Answered in whole” is what the customers themselves said in ${count(customers.agreed)} of ${count(customers.compared)} conversations.` : '';
  return `${measured.text}${said} Use it to find conversations to read, not to rank people.`;
}
