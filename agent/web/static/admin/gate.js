/**
 * Owns the panel in which a change is tried before it goes live: the run, its answers side by side, publishing.
 * Refuses to judge: verdicts come from the server; and it never publishes what was not shown, unless asked twice.
 * Invariant: a panel that left the page follows nothing any more.
 */

import { h } from '../shared/dom.js';
import { EventStream } from '../shared/events.js';
import { ask, button, field } from '../shared/staff/dialogs.js';
import { comparison } from './comparison.js';

const GATE = '/api/v1/admin/gate';
export const VERDICTS = [
  ['worse', 'Worse', 'off'],
  ['lost_support', 'Lost support', 'off'],
  ['changed', 'Changed', 'wait'],
  ['better', 'Better', 'good'],
  ['same', 'Same', ''],
];

/**
 * Fills `panel`. Either a document's `revision` (null: it is to be shown no more), or several `changes`
 * ({document_id, revision}) that go live together. `onPublished()` is called once they are live.
 */
export async function gatePanel(panel, page, { documentId, revision, changes, onPublished = () => {} }) {
  const wanted = changes ?? [{ document_id: documentId, revision }];
  const view = new Panel(panel, page, wanted, onPublished);
  try {
    await view.begin();
  } catch (error) {
    panel.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
  }
}

class Panel {
  #panel;
  #page;
  #changes;
  #onPublished;
  #stream = null;
  #run = null;
  #items = new Map();
  #warmth = null;
  #filter = null;
  #list = h('div', { class: 'gate-items' });
  #head = h('div', { class: 'gate-head' });

  constructor(panel, page, changes, onPublished) {
    this.#panel = panel;
    this.#page = page;
    this.#changes = changes;
    this.#onPublished = onPublished;
    panel.classList.add('gate');
    panel.replaceChildren(this.#head, this.#list);
  }

  /** Goes on with a run of just these changes that still counts or is under way. */
  async begin() {
    const id = encodeURIComponent(this.#changes[0].document_id);
    const { items } = await this.#page.session.get(`${GATE}?document_id=${id}&limit=10`);
    const mine = items.find((run) => sameChanges(run.changes, this.#changes) && !run.published_at
      && (!run.over || (run.state === 'done' && !run.stale)));
    if (mine) this.#follow(mine.id);
    else this.#draw();
  }

  async #start() {
    const { id } = await this.#page.session.post(GATE, { changes: this.#changes });
    this.#run = null;
    this.#items.clear();
    this.#filter = null;
    this.#page.say('The change is being tried.');
    this.#follow(id);
  }

  #follow(id) {
    this.#stream?.stop();
    this.#stream = new EventStream({
      url: `${GATE}/${id}/events`,
      onEvent: (event) => this.#take(event),
      onDenied: (error) => this.#fail(error),
    }).start();
  }

  #take({ type, ...data }) {
    if (!this.#panel.isConnected) {
      this.#stream.stop();
      return;
    }
    if (type === 'end') this.#stream.stop();
    if (type === 'warmth') this.#warmth = data;
    if (type === 'run') {
      const was = this.#run;
      this.#run = data;
      for (const item of data.items) this.#items.set(item.n, item);
      if (was && !was.over && data.over) this.#page.say(ended(data));
      this.#drawItems();
    }
    this.#draw();
  }

  #fail(error) {
    this.#head.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
  }

  /** A button whose call may fail: what went wrong is said beside it. */
  #does(text, act, look) {
    const one = button(text, async () => {
      one.disabled = true;
      try {
        await act();
      } catch (error) {
        this.#head.append(h('p', { class: 'error', role: 'alert' }, error.message));
      } finally {
        one.disabled = false;
      }
    }, look);
    return one;
  }

  #draw() {
    const run = this.#run;
    const had = this.#head.contains(document.activeElement) ? named(document.activeElement) : null;
    if (!run) this.#head.replaceChildren(...this.#untried());
    else if (run.published_at) this.#head.replaceChildren(...this.#published());
    else if (!run.over) this.#head.replaceChildren(...this.#underWay());
    else this.#head.replaceChildren(...this.#tried());
    if (had) [...this.#head.querySelectorAll('button')].find((one) => named(one) === had)?.focus();
  }

  #untried() {
    return [
      h('h3', {}, 'Try it on past questions'),
      h('p', { class: 'muted' }, 'Questions that customers asked, and golden ones, are answered as things stand and with the change. '
        + 'You see which answers change before any customer does.'),
      h('div', { class: 'gate-actions' }, this.#does('Try it', () => this.#start(), 'strong')),
    ];
  }

  #underWay() {
    const { done, total, state, chosen } = this.#run;
    const text = state === 'waiting' ? 'Waits for another run to end.'
      : !chosen ? 'Looking for the questions …'
        : `${done} of ${total} questions answered twice. Customers go first.`;
    return [
      h('h3', {}, 'Being tried'),
      h('progress', { max: String(Math.max(total, 1)), value: done, 'aria-label': 'Questions answered' }),
      h('p', { class: 'muted' }, text),
      this.#counts(),
      h('div', { class: 'gate-actions' }, this.#does('Cancel', () => this.#page.session.delete(`${GATE}/${this.#run.id}`), 'plain-text')),
    ];
  }

  #tried() {
    const run = this.#run;
    const again = (look) => this.#does('Run it again', () => this.#start(), look);
    const counts = run.may_publish;
    return [
      h('h3', {}, counts ? 'Tried' : 'Does not count'),
      h('p', { class: counts ? 'muted' : 'gate-note' }, sentence(run)),
      this.#counts(),
      h('div', { class: 'gate-actions' },
        counts ? button('Publish', () => this.#confirm(), 'strong') : again('strong'),
        counts ? button('Not now', () => this.#leave(), 'plain-text') : button('Publish anyway', () => this.#confirm(true), 'quiet'),
        counts && again('quiet')),
    ];
  }

  #published() {
    const { done = 0, total = 0 } = this.#warmth ?? {};
    return [
      h('h3', {}, 'Published'),
      h('p', {}, 'Customers are answered from it now.'),
      this.#warmth && total > 0 && h('progress', { max: String(total), value: done, 'aria-label': 'Passages read' }),
      this.#warmth && h('p', { class: 'muted' }, `The AI has read ${done} of ${total} passages.`),
      this.#counts(),
    ].filter(Boolean);
  }

  #counts() {
    const { counts } = this.#run;
    const all = [...this.#items.values()].filter((one) => one.verdict).length;
    const chip = (value, text, look, number) => h('button', {
      type: 'button', class: `chip ${look}`, dataset: { verdict: value ?? 'all' }, 'aria-pressed': String(this.#filter === value),
      disabled: number === 0, onclick: () => { this.#filter = value; this.#drawItems(); this.#draw(); },
    }, h('strong', {}, String(number)), ` ${text}`);
    return h('div', { class: 'chips', role: 'group', 'aria-label': 'Which answers are shown' },
      chip(null, 'All', '', all), VERDICTS.map(([value, text, look]) => chip(value, text, look, counts[value] ?? 0)));
  }

  #drawItems() {
    const order = VERDICTS.map(([value]) => value);
    const shown = [...this.#items.values()]
      .filter((one) => one.verdict && (!this.#filter || one.verdict === this.#filter))
      .sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || a.n - b.n);
    this.#list.replaceChildren(...shown.map((one) => comparison(one, this.#changes, () => this.#keep(one))));
    if (this.#run.over && this.#items.size === 0) {
      this.#list.replaceChildren(h('p', { class: 'muted' }, 'No past question touched it and no golden question is kept: nothing could be tried. '
        + 'Add golden questions for what must stay true.'));
    }
  }

  #leave() {
    this.#stream?.stop();
    this.#run = null;
    this.#list.replaceChildren();
    this.#draw();
    this.#head.querySelector('button')?.focus();
  }

  #confirm(anyway = false) {
    const { counts, id } = this.#run;
    const bad = (counts.worse ?? 0) + (counts.lost_support ?? 0);
    ask('Publish the change?', {
      text: anyway ? 'What was seen here does not count: customers may be answered differently. The audit log keeps that it was published all the same.'
        : bad > 0 ? `${plural(bad, 'answer gets', 'answers get')} worse or rest on nothing any more. Customers are answered so from now on.`
          : 'Customers are answered from it from now on.',
      verb: anyway ? 'Publish anyway' : 'Publish',
      danger: anyway || bad > 0,
      send: async () => {
        await this.#page.session.post(`${GATE}/${id}/publish`, { anyway });
        this.#page.say('Published.');
        this.#follow(id);
        this.#onPublished();
      },
    });
  }

  #keep(item) {
    const given = item.new.outcome === 'answered' ? item.new.text : item.old.text;
    ask('Keep as a golden question', {
      text: item.question,
      fields: [field('What an answer has to have', h('textarea', { id: 'golden-expected', name: 'expected', rows: '4', maxlength: '4000', value: given.replace(/ ?\[\d+\]/g, '') }),
        'Amounts, dates, limits, names and links are compared; a word or two is enough.')],
      verb: 'Keep it',
      send: async (data) => {
        await this.#page.session.post('/api/v1/admin/golden', { message_id: item.message_id, expected: data.get('expected') });
        this.#page.say('It is asked at every gate from now on.');
      },
    });
  }
}

export function sameChanges(some, others) {
  const text = (changes) => changes.map(({ document_id: id, revision }) => `${id} ${revision}`).sort().join();
  return text(some) === text(others);
}

/** What a button is, however its number changes. */
function named(one) {
  return one.dataset.verdict ?? one.textContent;
}

function plural(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

function ended({ state, counts }) {
  if (state !== 'done') return 'The run has ended early.';
  return `Tried. ${VERDICTS.map(([value, text]) => `${counts[value] ?? 0} ${text.toLowerCase()}`).join(', ')}.`;
}

function sentence({ state, stale, error, total, day }) {
  if (state === 'cancelled') return 'It was cancelled before every question was answered.';
  if (state === 'failed') return error ?? 'It ended early.';
  if (stale) return 'Something else was published meanwhile: run it again.';
  return `${plural(total, 'question was', 'questions were')} answered as things stand and with the change${day ? `, as of ${day}` : ''}.`;
}
