/**
 * Owns the page of outcomes: which period, what is shown of it and in which words.
 * Refuses to count: every number is the server's, but what a price typed here makes of one.
 * Invariant: each number that could be misread says beside it what it counts.
 */

import { h } from '../shared/dom.js';
import { bar, chart, swatch, TIMES } from './charts.js';
import { costs, quality } from './outcomes-parts.js';
import { empty, head } from './parts.js';
import { change, count, KINDS, minutes, points, REASONS, seconds, share } from './outcomes-words.js';

export const id = 'outcomes';
export const title = 'Outcomes';
export const group = 'Customers';
export const role = 'supervisor';

const CALL = '/api/v1/admin/analytics';
const PERIODS = [['7', 'Last 7 days'], ['30', 'Last 30 days'], ['90', 'Last 90 days'], ['365', 'Last 12 months'], ['own', 'Days of your choice …']];

export async function open(panel, page) {
  if (!document.querySelector('link[href$="/outcomes.css"]')) {
    document.head.append(h('link', { rel: 'stylesheet', href: '/static/admin/outcomes.css' }));
  }
  const place = h('div', { class: 'outcomes' });
  let asked = 0;
  const show = async (query, chosen) => {
    const mine = ++asked;
    const found = await page.session.get(CALL + query);
    if (mine !== asked) return; // other days were asked for meanwhile
    place.replaceChildren(...drawn(found, period(found, chosen, show)));
    page.say(`${count(found.conversations)} conversations from ${found.from} to ${dayBefore(found.to)}.`);
  };
  panel.replaceChildren(place);
  await show('', '30');
}

function drawn(found, picker) {
  const top = h('div', {}, head('Outcomes', h('span', {}, 'What became of customers’ conversations, what it cost, and what to look at. Who waits right now is in the ',
    h('a', { href: '/console#overview' }, 'console’s overview'), '.')), picker);
  if (!found.conversations) {
    return [top, empty('No conversation began on these days',
      'Each conversation is counted once it is over: as confirmed if the customer said that it helped, as assumed if they left after an answer '
      + 'and stayed away for seven days, as come back if they did not, or as handed to a person. Ask something on the demo page to see the first one here.',
      h('a', { class: 'strong', href: '/demo' }, 'Open the demo page'))];
  }
  return [top, headline(found), resolutions(found), h('div', { class: 'card' }, byDay(found)),
    h('div', { class: 'two' }, h('div', { class: 'card' }, wordTimes(found)), h('div', { class: 'card' }, peopleTimes(found))),
    h('div', { class: 'two' }, handoffs(found), ratings(found)),
    h('div', { class: 'two' }, documents(found), languages(found)),
    h('div', { class: 'two' }, costs(found), quality(found))];
}

// -- which days

function period(found, chosen, show) {
  const error = h('span', { class: 'error', role: 'alert' });
  const go = (query, choice) => show(query, choice).catch((problem) => { error.textContent = problem.message; });
  const from = h('input', { type: 'date', value: found.from, required: true });
  const to = h('input', { type: 'date', value: dayBefore(found.to), required: true });
  const days = h('form', { class: 'period', hidden: chosen !== 'own', onsubmit: (event) => {
    event.preventDefault();
    go(query(from.value, after(to.value)), 'own');
  } }, h('label', {}, 'From', from), h('label', {}, 'Until, included', to), h('button', { type: 'submit', class: 'strong' }, 'Show'));
  const select = h('select', { onchange: () => {
    days.hidden = select.value !== 'own';
    if (select.value === 'own') from.focus();
    else again(select.value);
  } }, PERIODS.map(([value, name]) => h('option', { value, selected: value === chosen }, name)));
  // Today is the server's, whatever zone this browser is in.
  const again = async (length) => {
    const end = after(found.at ? today(found) : dayBefore(found.to));
    await go(query(before(end, Number(length)), end), length);
  };
  return h('div', { class: 'period' }, h('label', {}, 'Period', select), days,
    h('a', { class: 'plain-text download', href: `${CALL}${query(found.from, found.to)}&format=csv`, download: '' }, 'Download CSV'), error);
}

const query = (from, to) => `?from=${from}&to=${to}`;
const shifted = (day, by) => new Date(Date.parse(day) + by * 86_400_000).toISOString().slice(0, 10);
const after = (day) => shifted(day, 1);
const before = (day, by) => shifted(day, -by);
const dayBefore = (day) => shifted(day, -1);

function today(found) {
  return new Intl.DateTimeFormat('en-CA', { timeZone: found.time_zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(found.at));
}

// -- the figures

function headline(found) {
  const was = found.before;
  const stars = mean(found.ratings.csat);
  const rated = Object.values(found.ratings.csat).reduce((sum, n) => sum + n, 0);
  const cards = [
    ['Conversations', count(found.conversations), change(found.conversations, was.conversations)],
    ['AI involved', share(found.involved, found.conversations), points(found.involved, found.conversations, was.involved, was.conversations)],
    ['Answered with sources', share(found.answered, found.conversations), points(found.answered, found.conversations, was.answered, was.conversations)],
    ['Satisfaction', stars == null ? '–' : `${stars.toFixed(1)} of 5`, stars == null ? 'Nobody has given stars yet' : `${count(rated)} rated, ${mean(was.csat ?? was.ratings.csat)?.toFixed(1) ?? 'none'} before`],
  ];
  return h('div', { class: 'headline' }, cards.map(([name, value, text]) => h('div', { class: 'card' },
    h('span', { class: 'name' }, name), h('span', { class: 'value' }, value), h('span', { class: 'change' }, text))));
}

function resolutions(found) {
  const { outcomes, conversations } = found;
  const told = {
    confirmed: 'The AI answered, no person was called, and the customer said that it helped: a thumb up, four or five stars, or thanks.',
    assumed: 'They left after an answer, no person was called, and they were not back within seven days. Silence is no proof.',
    recontacted: 'They left after an answer and wrote again within seven days, whatever about: perhaps it had not helped.',
  };
  const back = found.recontacted_after_confirming;
  return h('section', { class: 'card', 'aria-label': 'Resolved by the AI' },
    h('h3', {}, 'Resolved by the AI'),
    h('p', { class: 'muted' }, 'Three things that are often counted as one, as shares of all conversations.'),
    h('dl', { class: 'side-by-side' }, Object.entries(told).map(([kind, text]) => h('div', {},
      h('dt', {}, swatch(kind), KINDS[kind]),
      h('dd', { class: 'value' }, share(outcomes[kind], conversations), ' ', h('small', {}, count(outcomes[kind]))),
      h('dd', { class: 'muted' }, text, kind === 'confirmed' && back > 0 && ` ${count(back)} of them wrote again within seven days.`)))),
    bar(...Object.keys(KINDS).map((kind) => [kind, outcomes[kind] / conversations])),
    h('ul', { class: 'legend' }, Object.entries(KINDS).map(([kind, name]) => h('li', {}, swatch(kind), name, ' ', h('b', {}, count(outcomes[kind]))))),
    h('p', { class: 'small muted' }, 'What is resolved, or silent for a day, and goes on later counts as another conversation. '
      + 'A customer is known again by their verified identity, else only in the same browser.'));
}

function byDay(found) {
  return chart({
    title: 'Conversations a day', text: 'By the day on which they began, and what became of them.', stacked: true, say: count,
    days: found.days.map(({ date }) => date),
    series: Object.entries(KINDS).map(([kind, label]) => ({ kind, label, values: found.days.map((day) => day[kind]) })),
  });
}

const spreadOf = (found, name, say, who) => (found[name].n
  ? `${who}: ${say(found[name].median)} in the middle, ${say(found[name].p95)} for the slowest one in twenty.` : `${who}: none in this period.`);

function lines(found, name, labels) {
  return labels.map(([part, label, kind]) => ({ kind, label, values: found.days.map((day) => day[name][part]) }));
}

function wordTimes(found) {
  return chart({
    title: 'Until the AI’s first word', text: spreadOf(found, 'first_token_s', seconds, 'Over the period'), say: seconds, steps: TIMES,
    days: found.days.map(({ date }) => date),
    series: lines(found, 'first_token_s', [['median', 'Median', 'line'], ['p95', '95 % within', 'second']]),
  });
}

function peopleTimes(found) {
  return chart({
    title: 'Until a person’s answer',
    text: `${spreadOf(found, 'human_first_s', minutes, 'First answers')} ${spreadOf(found, 'human_next_s', minutes, 'Later ones')}`, say: minutes, steps: TIMES,
    days: found.days.map(({ date }) => date),
    series: [...lines(found, 'human_first_s', [['median', 'First answer, median', 'line']]), ...lines(found, 'human_next_s', [['median', 'Later answers, median', 'second']])],
  });
}

// -- lists

function card(title, text, ...content) {
  return h('section', { class: 'card', 'aria-label': title }, h('h3', {}, title), h('p', { class: 'muted' }, text), content);
}

/** Lines of [name, number, hint] with a bar each, beside the largest. */
function rows(entries, kind) {
  const most = Math.max(1, ...entries.map(([, number]) => number));
  return h('ul', { class: 'rows' }, entries.map(([name, number, hint]) => h('li', {},
    h('span', {}, name), h('b', {}, count(number)), bar([kind, number / most]), hint && h('span', { class: 'hint' }, hint))));
}

function handoffs(found) {
  const { conversations, reasons } = found.handoffs;
  const text = `${share(conversations, found.conversations)} of the conversations went to a person; `
    + `${share(found.before.handoffs.conversations, found.before.conversations)} in the period before. One may go there for several reasons.`;
  return card('Why people were called', text, reasons.length
    ? rows(reasons.map(({ reason, times }) => [REASONS[reason] ?? reason, times]), 'handed_off')
    : h('p', {}, 'Nobody was called.'),
  found.gaps > 0 && h('p', { class: 'small muted' }, `${count(found.gaps)} ${found.gaps === 1 ? 'gap is' : 'gaps are'} open now: matters that customers asked about and the policies do not answer.`));
}

function ratings(found) {
  const { up, down, csat } = found.ratings;
  const stars = ['5', '4', '3', '2', '1'].map((score) => [`${score} ${score === '1' ? 'star' : 'stars'}`, csat[score]]);
  return card('What customers said', `${count(up)} thumbs up and ${count(down)} down on answers, and the stars at the end.`, rows(stars, 'confirmed'));
}

function documents(found) {
  const items = found.top_documents.map((one) => [one.title ?? 'A document that was deleted', one.answers,
    [one.examples.map((text) => `“${text}”`).join(' '), one.disliked ? ` ${count(one.disliked)} disliked.` : '']]);
  return card('What was asked most', 'The documents that most answers came from, with the newest questions to each.', items.length
    ? rows(items, 'line') : h('p', {}, 'No answer had a source in this period.'));
}

function languages(found) {
  const names = new Intl.DisplayNames([navigator.language], { type: 'language' });
  const named = ({ language, questions }) => [language === 'unknown' ? 'Not recognized' : names.of(language), questions];
  const { prompt_tokens: read, cached_tokens: known, completion_tokens: written } = found.tokens;
  return card('Languages and tokens', `Of ${count(read)} tokens read, ${share(known, read)} were known already; ${count(written)} were written, in ${minutes(found.machine_s)} of machine time.`,
    found.languages.length ? rows(found.languages.map(named), 'line') : h('p', {}, 'No question was looked up.'));
}

function mean(csat) {
  const given = Object.entries(csat ?? {}).filter(([, n]) => n > 0);
  const n = given.reduce((sum, [, times]) => sum + times, 0);
  return n ? given.reduce((sum, [score, times]) => sum + Number(score) * times, 0) / n : null;
}
