/**
 * Owns one question of a gate run as it is read: both answers side by side, what differs marked.
 * Refuses to know runs. What customers and documents say becomes text and nothing else.
 * Invariant: each answer stands with its outcome and its sources.
 */

import { h } from '../shared/dom.js';
import { button } from '../shared/staff/dialogs.js';
import { difference } from './difference.js';

const NAMES = { same: 'Same', changed: 'Changed', better: 'Better', worse: 'Worse', lost_support: 'Lost support' };
const LOOKS = { changed: 'wait', better: 'good', worse: 'off', lost_support: 'off' };
const OUTCOMES = { refused: 'Not answered', handed_off: 'Goes to a person', clarify: 'Asks back', failed: 'Failed' };
const KINDS = { golden: 'Golden', unanswered: 'Not answered until now' };

/** `changes` are what is tried; `keep` makes a golden question of it. */
export function comparison(item, changes, keep) {
  const changed = new Set(changes.map((one) => one.document_id));
  const parts = item.reused ? null : difference(item.old.text, item.new.text);
  const name = `gate-q-${item.n}`;
  return h('article', { class: 'comparison', 'aria-labelledby': name, dataset: { verdict: item.verdict } },
    h('header', {},
      h('h4', { id: name }, item.question),
      h('p', { class: 'tags' },
        h('span', { class: `tag ${LOOKS[item.verdict] ?? ''}` }, NAMES[item.verdict] ?? item.verdict),
        KINDS[item.kind] && h('span', { class: 'tag' }, KINDS[item.kind]),
        item.times > 1 && h('span', { class: 'tag' }, `Asked ${item.times} times`),
        h('span', { class: 'muted' }, item.why)),
      item.before.length > 0 && h('details', {}, h('summary', {}, 'What was said before'),
        item.before.map((said) => h('p', { class: 'muted' }, `${said.role === 'customer' ? 'Customer' : 'Answer'}: ${said.content}`))),
      item.expected && h('p', { class: 'muted' }, `Expected: ${item.expected}`)),
    h('div', { class: 'sides' },
      side('Now', item.old, parts?.old, 'del', item.lost, changed),
      item.reused ? h('section', { class: 'side' }, h('h5', {}, 'With the change'), h('p', { class: 'muted' }, 'The same passages are found: the same answer.'))
        : side('With the change', item.new, parts.new, 'ins', item.gained, changed)),
    item.kind !== 'golden' && item.message_id
      && h('footer', {}, button('Keep as golden question', keep, 'quiet', { 'aria-label': `Keep as golden question: ${item.question}` })));
}

function side(title, answer, parts, mark, facts, changed) {
  return h('section', { class: 'side' },
    h('h5', {}, title,
      OUTCOMES[answer.outcome] && h('span', { class: 'tag off' }, OUTCOMES[answer.outcome]),
      answer.outcome === 'answered' && answer.confidence != null && h('span', { class: 'muted sure' }, `${Math.round(answer.confidence * 100)} % sure`)),
    h('p', { class: 'said' }, (parts ?? [{ text: answer.text, changed: false }]).map((part) =>
      part.changed ? [h(mark, {}, withFacts(part.text.trimEnd(), facts)), /\s*$/.exec(part.text)[0]] : part.text)),
    answer.citations.length > 0 && h('ul', { class: 'sources' }, answer.citations.map((one) =>
      h('li', {}, h('details', {},
        h('summary', {}, `[${one.n}] ${[one.title, one.section].filter(Boolean).join(' — ')}, revision ${one.revision}`,
          changed.has(one.document_id) && h('span', { class: 'tag' }, 'changes')),
        h('blockquote', {}, one.quote))))));
}

/** The facts that the other side lacks stand out among the words that differ. */
function withFacts(text, facts) {
  if (facts.length === 0) return text;
  const wanted = new RegExp(`(${facts.map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`, 'i');
  return text.split(wanted).map((part, at) => (at % 2 ? h('strong', { class: 'fact' }, part) : part));
}
