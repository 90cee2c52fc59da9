/**
 * Owns the dialogs of the open conversation: until when to snooze it, what is wrong with an answer.
 * Refuses to call the server itself.
 * Invariant: a dialog that could not do its work stays open and says why.
 */

import { h } from '../shared/dom.js';
import { date, time } from '../shared/format.js';
import { FAULTS } from './words.js';

const LOCALE = navigator.language;

export class Dialogs {
  #desk;
  #root = h('dialog', { id: 'ask', 'aria-labelledby': 'ask-title' });
  #error = h('p', { class: 'error', role: 'alert' });

  constructor(desk) {
    this.#desk = desk;
    document.body.append(this.#root);
  }

  snooze() {
    const { open } = this.#desk;
    if (open?.status !== 'open' && open?.status !== 'snoozed') return;
    const own = h('input', { id: 'until', type: 'datetime-local', required: true, min: local(new Date()), value: local(tomorrow(9)) });
    this.#show('Snooze until', [
      h('div', { class: 'moments' }, moments().map(([text, moment]) => h('button', {
        type: 'button', class: 'plain-text', onclick: () => this.#does('snooze', { until: moment.toISOString() }),
      }, h('span', {}, text), h('span', { class: 'muted' }, `${date(moment, LOCALE)}, ${time(moment, LOCALE)}`)))),
      h('form', { class: 'fields', onsubmit: (event) => {
        event.preventDefault();
        this.#does('snooze', { until: new Date(own.value).toISOString() });
      } },
      h('label', { htmlFor: 'until' }, 'Another time'),
      h('div', { class: 'row' }, own, h('button', { type: 'submit', class: 'strong' }, 'Snooze'))),
      h('p', { class: 'muted' }, 'It comes back then, or as soon as the customer writes.'),
    ]);
  }

  report({ id, content }) {
    const comment = h('textarea', { id: 'fault-comment', rows: '2', maxlength: '2000' });
    const right = h('textarea', { id: 'fault-right', rows: '3', maxlength: '4000' });
    this.#show('Report this answer', [
      h('blockquote', {}, content.length > 240 ? `${content.slice(0, 240)}…` : content),
      h('form', { class: 'fields', onsubmit: (event) => {
        event.preventDefault();
        const reason = new FormData(event.target).get('reason');
        this.#does(`messages/${id}/report`, { reason, comment: comment.value, right_answer: right.value });
      } },
      h('fieldset', {}, h('legend', {}, 'What is wrong with it?'), Object.entries(FAULTS).map(([value, text], at) =>
        h('label', { class: 'option' }, h('input', { type: 'radio', name: 'reason', value, checked: at === 0 }), text))),
      h('label', { htmlFor: 'fault-comment' }, 'In your words (optional)'), comment,
      h('label', { htmlFor: 'fault-right' }, 'The right answer, if you know it (optional)'), right,
      h('p', { class: 'muted' }, 'The AI will not give this answer again by itself. The customer is not told.'),
      h('div', { class: 'row' }, h('button', { type: 'submit', class: 'strong' }, 'Report'))),
    ]);
  }

  #show(title, content) {
    this.#error.textContent = '';
    this.#root.replaceChildren(
      h('div', { class: 'row' }, h('h2', { id: 'ask-title' }, title),
        h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => this.#root.close() }, '×')),
      ...content, this.#error);
    this.#root.showModal();
  }

  async #does(verb, body) {
    this.#error.textContent = '';
    try {
      await this.#desk.does(verb, body);
      this.#root.close();
    } catch (problem) {
      this.#error.textContent = problem.message;
    }
  }
}

function moments(now = new Date()) {
  const evening = at(now, 0, 18);
  const days = (8 - now.getDay()) % 7 || 7; // to the next Monday
  return [
    ['In one hour', new Date(now.getTime() + 3_600_000)],
    ['In four hours', new Date(now.getTime() + 4 * 3_600_000)],
    evening > now && ['This evening', evening],
    ['Tomorrow morning', tomorrow(9)],
    ['Next Monday', at(now, days, 9)],
  ].filter(Boolean);
}

function at(day, days, hour) {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days, hour);
}

function tomorrow(hour) {
  return at(new Date(), 1, hour);
}

/** As an input of this kind wants it: the clock on the wall, without a zone. */
function local(moment) {
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
