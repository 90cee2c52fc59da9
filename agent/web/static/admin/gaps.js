/**
 * Owns the list of gaps: what customers ask and are not answered, and what is done about it.
 * Refuses to judge what belongs together and when a gap is closed: the server says so.
 * Invariant: a document is drafted here and never published.
 */

import { h } from '../shared/dom.js';
import { ask, button, field, moment } from '../shared/staff/dialogs.js';
import { empty, everything, head } from './parts.js';
import { recallPanel } from './recall.js';

export const id = 'gaps';
export const title = 'Gaps';
export const group = 'Knowledge';

const GAPS = '/api/v1/admin/gaps';
const VIEWS = [['open', 'Open', ['open', 'drafted']], ['answered', 'Answered', ['answered']], ['dismissed', 'Dismissed', ['dismissed']]];
const REASON = {
  refused: 'Not answered', handed_off: 'Went to a person', low_confidence: 'Not sure',
  thumbs_down: 'Thumbs down', reported: 'Reported by staff',
};
const STATE = { open: ['Open', 'wait'], drafted: ['Drafted', ''], answered: ['Answered', 'good'], dismissed: ['Dismissed', 'off'] };
const LONG = { timeoutMs: 120_000 }; // the model reads and writes
let chosen = 'open';

export async function open(panel, page) {
  const gaps = await everything(page.session, GAPS);
  const list = h('div', { class: 'gaps' });
  const chips = h('div', { class: 'chips gap-views', role: 'group', 'aria-label': 'Which gaps' });
  const again = () => panel.isConnected && open(panel, page);
  panel.replaceChildren(
    head('Gaps', 'What customers ask and are not answered. What most of them ask comes first; a gap closes by itself when a publication answers it.'),
    chips, list,
  );
  show();

  function show() {
    const counted = (states) => gaps.filter(({ state }) => states.includes(state));
    chips.replaceChildren(
      ...VIEWS.map(([view, name, states]) => chip(view, name, counted(states).length)),
      chip('corrections', 'Corrections'));
    if (chosen === 'corrections') corrections(list, page);
    else {
      const shown = counted(VIEWS.find(([view]) => view === chosen)[2]);
      list.replaceChildren(...(shown.length > 0 ? shown.map((gap) => card(gap, page, again)) : [nothing(chosen, gaps.length)]));
    }
  }
  function chip(view, name, count) {
    return h('button', {
      type: 'button', class: 'chip', 'aria-pressed': String(chosen === view),
      onclick: () => { chosen = view; show(); chips.querySelector('[aria-pressed="true"]').focus(); },
    }, name, count != null && [' ', h('strong', {}, String(count))]);
  }
}

function nothing(view, known) {
  if (view === 'answered') return empty('Nothing answered yet', 'When a publication answers most of a gap’s questions, it moves here, with each question’s new answer as the proof.');
  if (view === 'dismissed') return empty('Nothing dismissed', 'Dismiss what is none of your business: it stays away, however often it is asked.');
  return known > 0
    ? empty('No gaps are open', 'Everything that customers asked in vain in the last 90 days is answered by now, or dismissed.')
    : empty('No gaps yet', 'A question that is refused, answered without much certainty, disliked, reported by staff or handed to a person for '
      + 'want of knowledge appears here, together with others that ask the same. Draft a document from it, publish it, and see the gap close.');
}

function card(gap, page, again) {
  const [state, look] = STATE[gap.state];
  const said = h('p', { class: 'hint', role: 'status' });
  return h('article', { class: 'gap', 'aria-labelledby': `gap-${gap.id}` },
    h('header', {},
      h('p', { class: 'gap-count' }, h('strong', {}, String(gap.customers)), h('span', { class: 'muted' }, gap.customers === 1 ? 'customer' : 'customers')),
      h('div', {},
        h('h3', { id: `gap-${gap.id}` }, gap.name),
        h('div', { class: 'tags' },
          h('span', { class: `tag ${look}` }, state),
          Object.entries(gap.reasons).map(([reason, count]) => h('span', { class: 'tag' }, `${REASON[reason]} ${count}×`)),
          Object.keys(gap.languages).length > 1 && Object.keys(gap.languages).map((one) => h('span', { class: 'tag' }, one))),
        h('p', { class: 'muted gap-times' }, 'Asked ', gap.questions === 1 ? 'once, ' : `${gap.questions} times, the last `, moment(gap.last_at)))),
    why(gap),
    gap.state === 'answered' ? proof(gap, page) : examples(gap, page),
    h('footer', {}, said, h('div', { class: 'row-actions' }, actions(gap, page, again, said))));
}

function why(gap) {
  if (!gap.why) return null;
  const by = gap.changed_by ? `${gap.changed_by}: ` : '';
  return h('p', { class: 'gap-why' }, `${by}${gap.why} `, moment(gap.changed_at));
}

/** A few at once; all of them when they are wanted. */
function examples(gap, page) {
  const list = h('ul', { class: 'gap-examples' }, gap.examples.map(example));
  const more = gap.questions > gap.examples.length && button(`Show all ${Math.min(gap.questions, 100)}`, async () => {
    const whole = await page.session.get(`${GAPS}/${gap.id}`);
    list.replaceChildren(...whole.examples.map(example));
    more.remove();
  }, 'quiet', { 'aria-label': `Show all questions of ${gap.name}` });
  return h('div', {}, list, more);
}

function example({ question, at, reasons, conversation_id }) {
  return h('li', {}, h('span', { class: 'gap-question' }, question),
    h('span', { class: 'muted' }, reasons.map((one) => REASON[one]).join(', '), ' · ', moment(at), ' · ',
      h('a', { href: `/console#${conversation_id}`, 'aria-label': `Conversation: ${question}` }, 'Conversation')));
}

function proof(gap, page) {
  const list = h('div', { class: 'gap-proof' });
  page.session.get(`${GAPS}/${gap.id}`).then((whole) => list.replaceChildren(...whole.proof.map(answer)), (error) => {
    list.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
  });
  return list;
}

function answer(one) {
  return h('div', { class: 'proof' },
    h('p', { class: 'gap-question' }, one.question),
    h('p', {}, one.holds ? null : h('span', { class: 'tag off' }, 'Still not answered'), ' ', one.answer),
    one.holds && one.citations.map(({ title: name, section, quote, document_id }) =>
      h('blockquote', {}, quote, h('cite', {}, h('a', { href: `#documents/${document_id}` }, [name, section].filter(Boolean).join(' › '))))));
}

function actions(gap, page, again, said) {
  const named = (verb) => ({ 'aria-label': `${verb}: ${gap.name}` });
  const busy = (words, verb, done) => async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    said.textContent = words;
    try {
      done(await page.session.post(`${GAPS}/${gap.id}/${verb}`, {}, LONG));
    } catch (error) {
      said.textContent = error.message;
      pressed.disabled = false;
    }
  };
  const drafted = (whole) => { page.say('The draft is ready.'); location.hash = `#documents/${whole.document_id}`; };
  const asked = (whole) => {
    const right = whole.proof.filter(({ holds }) => holds).length;
    page.say(`${right} of ${whole.proof.length} questions are answered now.`);
    if (whole.state !== gap.state) again();
    else {
      said.closest('.gap').querySelector('.gap-examples')?.parentElement.replaceWith(h('div', { class: 'gap-proof' }, whole.proof.map(answer)));
      said.textContent = `Asked again: ${right} of ${whole.proof.length} answered.`;
      said.closest('footer').querySelectorAll('button').forEach((one) => { one.disabled = false; });
    }
  };
  const again_ = button('Ask again', busy('Asking again…', 'check', asked), 'plain-text', named('Ask again'));
  const reopen = button('Reopen', busy('Reopening…', 'reopen', again), 'plain-text', named('Reopen'));
  if (gap.state === 'dismissed') return [reopen];
  if (gap.state === 'answered') return [reopen, again_];
  return [
    button('Dismiss', () => dismiss(gap, page, again), 'quiet', named('Dismiss')),
    again_,
    gap.document_id
      ? h('a', { class: 'strong', href: `#documents/${gap.document_id}`, ...named('Open the draft') }, 'Open the draft')
      : button('Draft a document', busy('Writing a draft from what staff answered…', 'draft', drafted), 'strong', named('Draft a document')),
  ];
}

function dismiss(gap, page, again) {
  ask(`Dismiss “${gap.name}”?`, {
    text: 'It stays away, however often it is asked. You can reopen it.',
    fields: [field('Why', h('input', { id: 'dismiss-reason', name: 'reason', maxlength: '300', autocomplete: 'off' }), 'Colleagues who look for it will read this.')],
    verb: 'Dismiss',
    send: async (data) => {
      if (!data.get('reason').trim()) throw Object.assign(new Error('Say why, so that colleagues understand.'), { field: 'reason' });
      await page.session.post(`${GAPS}/${gap.id}/dismiss`, { reason: data.get('reason') });
      page.say('Dismissed.');
      await again();
    },
  });
}

/** A document that was corrected, and who was answered from it before. */
async function corrections(list, page) {
  const found = await everything(page.session, '/api/v1/admin/documents');
  const documents = found.filter(({ revision, latest, status }) => status !== 'draft' && (revision > 1 || latest > 1 || status === 'retired'));
  if (documents.length === 0) {
    list.replaceChildren(empty('No document was corrected yet', 'When a new revision is published, the customers who were answered from the old one are '
      + 'found here: what they were told, what it says now, and a message to put it right.'));
    return;
  }
  const below = h('div', {});
  const read = async () => {
    const panel = h('div', {});
    below.replaceChildren(panel);
    if (!await recallPanel(panel, page, { documentId: select.value })) {
      panel.replaceChildren(empty('Nobody to write to', 'No customer was answered from a revision of this document that is not published any more.'));
    }
  };
  const select = h('select', { id: 'recall-document', onchange: read },
    documents.map((one) => h('option', { value: one.id }, one.title)));
  list.replaceChildren(h('div', { class: 'filter' }, h('label', { htmlFor: 'recall-document' }, 'Document'), select), below);
  await read();
}
