/**
 * Owns the supervisors' view: who waits, why, and what each person has.
 * Refuses to count anything itself.
 * Invariant: while it is shown it follows the feed, and never asks more than once a second.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { REASONS, STATUS, since } from './words.js';

const PAUSE_MS = 1000;

export class Overview {
  #backstage;
  #choose;
  #back;
  #root = document.getElementById('overview');
  #timer = null;

  constructor(desk, backstage, choose, back) {
    this.#back = back;
    this.#backstage = backstage;
    this.#choose = choose;
    desk.addEventListener('list', () => this.#soon());
    setInterval(() => this.#soon(), 30_000); // waiting times
  }

  get isShown() {
    return !this.#root.hidden;
  }

  show(shown) {
    this.#root.hidden = !shown;
    if (shown) return this.#read();
  }

  #soon() {
    if (!this.isShown) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#read();
    }, PAUSE_MS);
  }

  async #read() {
    try {
      this.#draw(await this.#backstage.overview());
    } catch (problem) {
      this.#root.replaceChildren(h('p', { class: 'error' }, problem.message));
    }
  }

  #draw({ waiting, overdue, unassigned, oldest, statuses, reasons, people }) {
    const fact = (name, value, look = '', more = null) => h('div', { class: `fact ${look}` }, h('dt', {}, name), h('dd', {}, look && icon(ICONS.alert), value, more));
    const go = oldest && h('button', { type: 'button', class: 'small', onclick: () => this.#choose(oldest.id) }, 'Open it');
    const focused = this.#root.contains(document.activeElement) && document.activeElement.localName;
    this.#root.replaceChildren(
      h('div', { class: 'overview-head' },
        h('button', { type: 'button', class: 'plain back', 'aria-label': 'Back to the list', onclick: this.#back }, icon(ICONS.previous)),
        h('h2', { tabindex: '-1' }, 'Overview')),
      h('dl', { class: 'facts' },
        fact('Waiting', String(waiting)),
        fact('Longest wait', oldest ? since(oldest.since) : '—', '', go),
        fact('Answer is late', String(overdue), overdue ? 'overdue' : ''),
        fact('Waiting, nobody has them', String(unassigned))),
      h('div', { class: 'tables' },
        table('Why they wait', ['Reason', 'Waiting'], reasons.map((one) => [
          REASONS[one.reason] ?? 'Taken over by staff', [h('meter', { min: '0', max: String(waiting), value: String(one.waiting), 'aria-hidden': 'true' }), String(one.waiting)]]),
        'Nobody waits.'),
        table('All conversations', ['Status', 'Now'], Object.entries(STATUS).map(([status, name]) => [name, String(statuses[status] ?? 0)])),
        table('People', ['Name', 'Open', 'Waiting', 'Answered today'], people.map((one) =>
          [one.name, String(one.open), String(one.waiting), String(one.answered_today)]), '', 'wide')));
    if (focused) this.#root.querySelector(focused)?.focus({ preventScroll: true });
  }
}

function table(title, heads, rows, nothing = '', look = '') {
  return h('section', { class: look }, h('h3', {}, title),
    rows.length
      ? h('table', {}, h('thead', {}, h('tr', {}, heads.map((one) => h('th', { scope: 'col' }, one)))),
        h('tbody', {}, rows.map(([first, ...rest]) => h('tr', {}, h('th', { scope: 'row' }, first), rest.map((one) => h('td', {}, one))))))
      : h('p', { class: 'muted' }, nothing));
}
