/**
 * Owns the chat in which an admin asks as a customer: the answer as it is written, and what decided.
 * Refuses to store anything. Invariant: an answer says over which documents and which day it is.
 */

import { h } from '../shared/dom.js';
import { ask, button, field } from '../shared/staff/dialogs.js';
import { passages } from './found.js';
import { head } from './parts.js';

export const id = 'try';
export const title = 'Ask as a customer';
export const group = 'Knowledge';

const PREVIEW = '/api/v1/admin/preview';
const REMEMBERED = 10;
const HOW = {
  no_policy_needed: 'No policy is needed for this.',
  remembered: 'An answer that staff approved or customers liked is given again.',
  stands_out: 'One passage stands out: it is answered from at once.',
  judged: 'The model judged that this passage answers.',
  asked_back: 'The policy depends on something that was not said.',
  none_answers: 'The model judged that no passage answers.',
  nothing_near: 'Nothing in the documents is near.',
  not_supported: 'What the model wrote had no source and was left out.',
  unsure: 'The answer is too unsure to stand alone.',
  false_premise: 'The question takes for granted what the policy contradicts.',
  went_on: 'It goes on with the policy that was asked about.',
};
const OUTCOMES = { answered: ['Answered', 'good'], clarify: ['Asks back', 'wait'], refused: ['Not answered', 'off'], handed_off: ['Goes to a person', 'wait'] };

export async function open(panel, page) {
  const question = h('textarea', { id: 'try-question', rows: 2, maxlength: 4000, required: true, placeholder: 'Ask what a customer would ask',
    onkeydown: (event) => { if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); } } });
  const drafts = h('input', { type: 'checkbox' });
  const compare = h('input', { type: 'checkbox' });
  const at = h('input', { id: 'try-at', type: 'date' });
  const chat = h('div', { class: 'tried' });
  const send = h('button', { type: 'submit', class: 'strong' }, 'Ask');
  const stop = button('Stop', () => running?.abort(), 'plain-text', { hidden: true });
  const said = [];
  let running = null;

  async function askIt() {
    const text = question.value.trim();
    if (!text || running) return;
    running = new AbortController();
    const asked = { question: text, history: said.slice(-REMEMBERED) };
    const over = { include_drafts: drafts.checked, ...(at.value ? { at: at.value } : {}) };
    const changed = drafts.checked || at.value;
    const columns = [new Answer(page, changed ? name(over) : 'As published', { ...asked, ...over })];
    if (compare.checked && changed) columns.unshift(new Answer(page, 'As published', asked));
    const turn = h('article', { class: 'tried-turn', 'aria-label': text },
      h('p', { class: 'asked' }, text), h('div', { class: columns.length > 1 ? 'tried-sides two' : 'tried-sides' }, columns.map((one) => one.element)));
    chat.append(turn);
    question.value = '';
    send.disabled = true;
    stop.hidden = false;
    turn.scrollIntoView({ block: 'nearest' });
    try {
      for (const one of columns) await one.run(running.signal);
    } finally {
      running = null;
      send.disabled = false;
      stop.hidden = true;
    }
    const last = columns.at(-1).message;
    if (last) {
      said.push({ role: 'customer', content: text }, { role: 'ai_agent', content: last.content.slice(0, 4000) });
      page.say(`Answer: ${last.content}`);
    }
    question.focus();
  }

  const form = h('form', { class: 'trial ask', onsubmit: (event) => { event.preventDefault(); askIt(); } },
    h('label', { class: 'unseen', htmlFor: 'try-question' }, 'Question'), question,
    h('div', { class: 'trial-options' },
      h('label', {}, drafts, ' With drafts'),
      h('span', {}, h('label', { htmlFor: 'try-at' }, 'On the day '), at),
      h('label', {}, compare, ' Beside what is published'),
      h('span', { class: 'space' }), stop, send));
  panel.replaceChildren(
    head('Ask as a customer', 'The answer that a customer would get, and what decided. Nothing of it is kept.',
      button('Start again', () => { running?.abort(); said.length = 0; chat.replaceChildren(); question.focus(); })),
    chat, form,
  );
  question.focus();
}

function name({ include_drafts: drafts, at }) {
  return [drafts && 'With drafts', at && `On ${at}`].filter(Boolean).join(', ');
}

class Answer {
  message = null;
  #page; #body; #text; #more;

  constructor(page, label, body) {
    this.#page = page;
    this.#body = body;
    this.#text = h('p', { class: 'answer-text' }, h('span', { class: 'muted' }, 'Waiting …'));
    this.#more = h('div', {});
    this.element = h('section', { class: 'answer', 'aria-label': label }, h('h3', {}, label), this.#text, this.#more);
  }

  async run(signal) {
    let text = '';
    let failed = 'The answer was not finished. Ask again.';
    try {
      await this.#page.session.stream(PREVIEW, this.#body, { signal, onEvent: (event, data) => {
        if (event === 'preview.delta') this.#text.textContent = (text += data.text);
        if (event === 'preview.completed') this.#done(data);
        if (event === 'preview.failed') failed = data.detail;
      } });
      if (!this.message) throw new Error(failed);
    } catch (error) {
      const why = signal.aborted ? 'Stopped.' : error.message;
      this.#more.replaceChildren(h('p', { class: 'error', role: 'alert' }, why));
      if (!text) this.#text.replaceChildren();
    }
  }

  #done(message) {
    this.message = message;
    const { decided } = message;
    const [outcome, look] = OUTCOMES[message.outcome] ?? [message.outcome, ''];
    this.#text.textContent = message.content;
    this.#more.replaceChildren(
      h('p', { class: 'tags' }, h('span', { class: `tag ${look}` }, outcome),
        message.confidence != null && h('span', { class: 'tag' }, `${Math.round(message.confidence * 100)} % sure`),
        message.replaced && h('span', { class: 'tag wait' }, 'Corrected after a check')),
      h('p', { class: 'muted' }, HOW[decided.how] ?? decided.how, ' ', numbers(decided)),
      (message.citations ?? []).length > 0 && h('ul', { class: 'sources' }, message.citations.map((one) => h('li', {}, h('details', {},
        h('summary', {}, `[${one.n}] ${[one.title, one.section].filter(Boolean).join(' — ')}, revision ${one.revision}`), h('blockquote', {}, one.quote))))),
      message.passages.length > 0 && h('details', { class: 'all-found' }, h('summary', {}, `All ${message.passages.length} passages that were found`), passages(message.passages)),
      button('Make it a golden question', () => this.#golden(), 'quiet'));
  }

  #golden() {
    const expected = h('textarea', { id: 'golden-expected', name: 'expected', rows: 3, maxlength: 2000, value: this.message.outcome === 'answered' ? this.message.content.replace(/\s*\[\d+\]/g, '') : '' });
    const answerable = h('input', { type: 'checkbox', name: 'answerable', checked: this.message.outcome === 'answered' });
    ask('Make it a golden question', {
      text: this.#body.question,
      fields: [field('What the answer has to say', expected, 'A whole answer or its facts.'), h('label', {}, answerable, ' The documents should answer it')],
      verb: 'Keep it',
      send: async (data) => {
        const body = { question: this.#body.question, answerable: data.has('answerable') };
        if (body.answerable && data.get('expected').trim()) body.expected = data.get('expected').trim();
        await this.#page.session.post('/api/v1/admin/golden', body);
        this.#page.say('Kept as a golden question.');
      },
    });
  }
}

function numbers({ score, lead, judge, support }) {
  return [
    score != null && `Score ${score.toFixed(2)}`, lead != null && `${lead.toFixed(2)} before the next`,
    judge != null && `judge ${Math.round(judge * 100)} %`, support != null && `${Math.round(support * 100)} % of its words are the policy’s`,
  ].filter(Boolean).join(' · ');
}
