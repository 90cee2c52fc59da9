/**
 * Owns the golden questions: what must be answered right whatever is published.
 * Refuses to ask them: the gate does.
 * Invariant: what is exported here can be taken in again.
 */

import { h } from '../shared/dom.js';
import { ask, button, field } from '../shared/staff/dialogs.js';
import { empty, everything, head, table } from './parts.js';

export const id = 'golden';
export const title = 'Golden questions';
export const group = 'Knowledge';

const GOLDEN = '/api/v1/admin/golden';

export async function open(panel, page) {
  const [golden, { items: liked }] = await Promise.all([
    everything(page.session, GOLDEN), page.session.get(`${GOLDEN}/suggestions`),
  ]);
  const again = () => open(panel, page);
  const add = (look) => button('Add a question', () => edit(page, again), look);
  panel.replaceChildren(...[
    head('Golden questions', 'Asked at every gate. An answer that loses what is expected is worse, however well it reads.',
      button('From a file', () => take(page, again), 'plain-text'),
      golden.length > 0 && h('a', { class: 'plain-text', href: `${GOLDEN}/export`, download: 'golden.jsonl' }, 'Export'), add('strong')),
    golden.length > 0
      ? table('Golden questions', ['Question', 'Has to have', 'By', ''], golden.map((one) => [
        h('strong', {}, one.question),
        one.answerable ? clipped(one.expected) : h('span', { class: 'tag' }, 'No answer at all'),
        h('span', { class: 'muted' }, one.created_by),
        h('span', { class: 'row-actions' },
          button('Change', () => edit(page, again, one), 'plain-text', { 'aria-label': `Change ${one.question}` }),
          button('Delete', () => remove(page, again, one), 'quiet', { 'aria-label': `Delete ${one.question}` })),
      ]))
      : empty('No golden questions yet', 'Write down what customers must always be told right: fees, deadlines, what is not allowed. '
        + 'Or take over answers that were found right.', add('plain-text')),
    liked.length > 0 && h('section', { class: 'suggested' },
      h('h3', {}, 'Answers that were found right'),
      table('Answers that were found right', ['Question', 'Answer', ''], liked.map((one) => [
        h('strong', {}, one.question),
        clipped(one.answer),
        button('Make golden', async () => {
          await page.session.post(GOLDEN, { message_id: one.message_id });
          page.say('It is a golden question now.');
          await again();
        }, 'plain-text', { 'aria-label': `Make golden: ${one.question}` }),
      ]))),
  ].filter(Boolean));
}

function clipped(text) {
  return text ? h('span', { class: 'clipped' }, text.replace(/ ?\[\d+\]/g, '')) : h('span', { class: 'muted' }, 'Any answer');
}

function edit(page, again, one = null) {
  ask(one ? 'Change a golden question' : 'Add a golden question', {
    fields: [
      field('Question', h('textarea', { id: 'golden-question', name: 'question', rows: '2', maxlength: '4000', value: one?.question ?? '' })),
      field('What an answer has to have', h('textarea', { id: 'golden-expected', name: 'expected', rows: '3', maxlength: '4000', value: one?.expected ?? '' }),
        'Facts, or a whole answer. Amounts, dates, limits, names, links and a yes or no are compared.'),
      h('label', { class: 'choice' },
        h('input', { type: 'checkbox', name: 'silent', checked: one ? !one.answerable : false }),
        h('span', {}, h('strong', {}, 'It must not be answered'), h('span', { class: 'hint' }, 'The policies say nothing of it: a person is to be asked.'))),
    ],
    verb: one ? 'Save' : 'Add',
    send: async (data) => {
      const body = { question: data.get('question'), expected: data.get('expected'), answerable: !data.has('silent') };
      if (one) await page.session.patch(`${GOLDEN}/${one.id}`, body);
      else await page.session.post(GOLDEN, body);
      await again();
    },
  });
}

function remove(page, again, one) {
  ask('Delete this golden question?', {
    text: one.question,
    verb: 'Delete',
    danger: true,
    send: async () => {
      await page.session.delete(`${GOLDEN}/${one.id}`);
      page.say('It is deleted.');
      await again();
    },
  });
}

function take(page, again) {
  ask('Take questions in from a file', {
    text: 'An evaluation file: one JSON object a line with a question, and an answer if there is one.',
    fields: [field('File', h('input', { id: 'golden-file', name: 'file', type: 'file', accept: '.jsonl,.ndjson,application/x-ndjson' }))],
    verb: 'Take them in',
    send: async (data) => {
      const jsonl = await data.get('file').text();
      if (!jsonl.trim()) throw new Error('Choose a file first.');
      const { added, read } = await page.session.post(`${GOLDEN}/import`, { jsonl });
      await again();
      return h('p', {}, `${added} of ${read} questions are new.`);
    },
  });
}
