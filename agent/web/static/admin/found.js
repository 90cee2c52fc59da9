/**
 * Owns how a found passage is read: why it was found, its words marked, what the AI does with it.
 * Refuses to search. Invariant: what stands in a document becomes text and nothing else.
 */

import { h } from '../shared/dom.js';

const FATES = {
  stands_out: ['Stands out', 'good', 'Answered from at once: found well, and well before the next.'],
  judged: ['Would be judged', 'wait', 'The model is asked whether this passage answers.'],
  unused: ['Not looked at', '', 'Used only for a part that the chosen passage leaves out.'],
  too_far: ['Too far', 'off', 'Nothing in the documents is near: the customer hears that the policies do not answer this.'],
};

/** A list of passages, best first. */
export function passages(items) {
  return h('ol', { class: 'found' }, items.map((one) => h('li', {}, passage(one))));
}

function passage(one) {
  const [name, look, meaning] = FATES[one.fate];
  const where = [one.title, one.section].filter(Boolean).join(' — ');
  return h('article', { 'aria-label': where },
    h('header', {},
      h('h3', {}, where),
      h('p', { class: 'tags' },
        h('span', { class: `tag ${look}`, title: meaning }, name),
        h('span', { class: 'tag' }, `Revision ${one.revision}`),
        one.audience === 'staff' && h('span', { class: 'tag wait' }, 'Staff only'))),
    h('dl', { class: 'why' },
      bar('Score', one.score, one.score.toFixed(3)),
      bar('Meaning', one.dense.part, `cosine ${one.dense.cosine.toFixed(3)}${rank(one.dense.rank)}`),
      bar('Words', one.lexical.part, `BM25 ${one.lexical.bm25.toFixed(2)}${rank(one.lexical.rank)}`),
      one.subject.part > 0 && bar('Subject', one.subject.part, `named before (${one.subject.weight.toFixed(2)})`)),
    h('p', { class: 'passage' }, marked(one.text, one.lexical.words)),
    h('p', { class: 'hint' }, meaning));
}

function bar(name, part, text) {
  return h('div', {}, h('dt', {}, name),
    h('dd', {}, h('meter', { min: 0, max: 1, value: Math.min(1, part), 'aria-label': `${name}: ${part.toFixed(3)} of the score` }), h('span', {}, text)));
}

function rank(place) {
  return place ? `, place ${place}` : ', not among the first';
}

/** The text with the words by which it was found marked. */
function marked(text, words) {
  if (words.length === 0) return text;
  const any = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  const parts = text.split(new RegExp(`(?<![\\p{L}\\p{N}])(${any})(?![\\p{L}\\p{N}])`, 'giu'));
  return parts.map((part, at) => (at % 2 ? h('mark', {}, part) : part));
}
