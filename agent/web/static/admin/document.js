/**
 * Owns one document's page: its text as customers could read it, its passages as the AI sees them, its
 * revisions, and the steps to customers and back. The address names the view:
 * ID, ID/3, ID/3/passages, ID/edit, ID/compare/1/3.
 * Refuses to know how differences are found and what an editor is made of.
 * Invariant: which revision is looked at, and what customers are answered from, is said on every view.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { showMarkdown } from '../shared/markdown.js';
import { button, moment } from '../shared/staff/dialogs.js';
import { compare } from './compare.js';
import { DOCUMENTS, days, fileName, standing, steps, times } from './document-parts.js';
import { edit } from './editor.js';
import { conflictsPanel } from './conflicts.js';
import { gatePanel } from './gate.js';
import { everything } from './parts.js';
import { passages } from './passages.js';
import { recallPanel } from './recall.js';
import { dropping, formOf, understood } from './uploads.js';

/**
 * What others say of a document, in this order; each fills a panel of its own:
 * (panel, page, {documentId, revision, onPublished}). The first list stands beside a revision that
 * customers are not answered from, the second below every revision.
 */
const BEFORE_PUBLISHING = [conflictsPanel, gatePanel];
const BELOW = [recallPanel];

const SHOWN = 200_000; // characters: more would stop the page

export async function open(panel, page, [id, ...path]) {
  const base = `${DOCUMENTS}/${encodeURIComponent(id)}`;
  const [document_, history] = await Promise.all([page.session.get(base), everything(page.session, `${base}/revisions`)]);
  const again = async () => {
    if (panel.isConnected) await open(panel, page, [id, ...path]);
  };
  const view = viewOf(path, document_);
  document.title = `${document_.title} · Admin`;
  const does = steps(page, document_, again);
  const revision = history.find(({ number }) => number === view.revision);
  if (!revision) throw new Error(`This document has no revision ${view.revision}.`);
  const main = h('div', { class: 'document-main' });
  const intake = h('div');
  const revise = (file, path_ = file.name) => understood(intake, page, { file, path: path_ }, {
    verb: 'Keep as a draft revision',
    take: async (said) => {
      const made = await page.session.upload(`${base}/revisions`, formOf(file, path_, said));
      go(id, made.revision);
    },
  });
  panel.replaceChildren(
    h('p', { class: 'crumbs' }, h('a', { href: '#documents' }, icon(ICONS.previous), 'Documents')),
    h('header', { class: 'section-head' },
      h('div', {}, h('h2', {}, document_.title), h('p', { class: 'muted' }, fileName(document_), ' · ', standing(document_))),
      h('div', { class: 'section-actions' }, actions(document_, view, does, revise))),
    intake,
    h('div', { class: 'document' }, main, aside(document_, history, view, does)));
  dropping(panel, (chosen) => revise(chosen[0].file, chosen[0].path));
  await show(main, page, { base, document: document_, history, revision, view, again });
}

/** Which revision is looked at, and how. */
function viewOf(path, { revision, latest, status }) {
  const [first, second, third] = path;
  if (first === 'edit') return { name: 'edit', revision: latest };
  if (first === 'compare') return { name: 'compare', from: Number(second), to: Number(third), revision: Number(third) };
  return { name: second === 'passages' ? 'passages' : 'text', revision: Number(first) || (status === 'published' ? revision : latest) };
}

function go(id, ...path) {
  location.hash = `#${['documents', id, ...path].join('/')}`;
}

function actions(one, view, does, revise) {
  if (view.name === 'edit') return [];
  const file = h('input', { type: 'file', class: 'unseen', tabindex: '-1', 'aria-label': 'File of the new revision', onchange: () => {
    const [chosen] = file.files;
    if (chosen) revise(chosen);
    file.value = '';
  } });
  const shown = one.status === 'published' && one.revision === view.revision;
  const next = one.waiting || one.status !== 'published' ? one.latest : null;
  return [
    one.status === 'retired' ? button('Bring it back', does.restore) : button('Retire', does.retire, 'quiet'),
    file, button('Upload a revision', () => file.click()),
    button('Edit', () => go(one.id, 'edit'), shown && next == null ? 'strong' : 'plain-text'),
    next != null && button(`Publish revision ${next}`, () => does.publish(next), 'strong'),
  ];
}

async function show(main, page, { base, document: one, history, revision, view, again }) {
  if (view.name === 'edit') {
    const newest = await page.session.get(`${base}/revisions/${one.latest}`);
    edit(main, page, newest, { save: async (body) => {
      const made = await page.session.post(`${base}/revisions`, body, { timeoutMs: 120_000 });
      page.say(`Saved as revision ${made.revision}, a draft.`);
      go(one.id, made.revision);
    }, leave: () => go(one.id) });
    return;
  }
  if (view.name === 'compare') {
    await compare(main, page, { base, history, from: view.from, to: view.to, onChosen: (from, to) => go(one.id, 'compare', from, to) });
    return;
  }
  const full = await page.session.get(`${base}/revisions/${revision.number}`);
  const tab = (name, text, ...path) => h('a', { href: `#${['documents', one.id, ...path].join('/')}`, 'aria-current': view.name === name ? 'true' : null }, text);
  main.append(
    h('div', { class: 'looked-at' }, about(one, full),
      h('nav', { class: 'views', 'aria-label': 'Views' },
        tab('text', 'Text', full.number), tab('passages', `Passages (${full.passages.length})`, full.number, 'passages'))));
  const body = h('div', { class: 'sheet' });
  if (view.name === 'passages') body.append(...passages(full.passages.slice(0, 300), full.passages.length).filter(Boolean));
  else {
    const text = h('div', { class: 'markdown' });
    showMarkdown(text, full.text.slice(0, SHOWN));
    body.append(text, full.text.length > SHOWN ? h('p', { class: 'muted' }, 'The rest is too long for this page; its passages are all searched.') : '');
  }
  main.append(body);
  const what = { documentId: one.id, revision: full.number, onPublished: again };
  const waits = !(one.status === 'published' && one.revision === full.number);
  await Promise.all([...(waits ? BEFORE_PUBLISHING : []), ...BELOW].map((fill) => {
    const panel = h('section', { class: 'beside' });
    main.append(panel);
    return fill(panel, page, what);
  }));
}

function about(one, { number, replaced_at: replaced, status, audience }) {
  const who = audience === 'staff' ? 'staff' : 'customers';
  if (status === 'published') return h('p', {}, `Revision ${number}: ${who} are answered from it.`);
  if (replaced) return h('p', {}, `Revision ${number}: ${who} were answered from it until `, moment(replaced), '.');
  return h('p', {}, `Revision ${number}, a draft: ${who} do not see it${one.status === 'published' ? ` and are answered from revision ${one.revision}` : ''}.`);
}

function aside(one, history, view, does) {
  const facts = [
    ['Cited', one.uses > 0 ? `in ${times(one.uses, 'answer')}` : 'not yet'],
    ['For', one.audience === 'staff' ? 'Staff only' : 'Customers and staff'],
    ['In force', days(one) ?? 'without an end'],
    ['Comes from', one.source === 'upload' ? 'An upload' : one.source],
    one.url && ['Link', one.url],
  ].filter(Boolean);
  return h('aside', { class: 'document-aside', 'aria-label': 'About this document' },
    h('dl', {}, facts.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
    h('h3', {}, 'Revisions'),
    h('ol', { class: 'timeline' }, history.map((each, at) => entry(one, each, history[at + 1], view, does))));
}

/** One revision of the timeline, newest first; `before` is the one it followed. */
function entry(one, each, before, view, does) {
  const { number, status } = each;
  const current = number === view.revision && view.name !== 'edit' && view.name !== 'compare';
  const word = { published: ['Published', 'good'], retired: [number === one.latest && one.status === 'retired' ? 'Retired' : 'Replaced', ''], draft: ['Draft', 'wait'] }[status];
  return h('li', { class: `entry ${status}` },
    h('p', { class: 'entry-head' },
      h('a', { href: `#documents/${one.id}/${number}`, 'aria-current': current ? 'true' : null }, `Revision ${number}`),
      h('span', { class: `tag ${word[1]}` }, word[0])),
    h('p', { class: 'muted' }, moment(each.created_at), each.author && ` by ${each.author}`),
    each.note && h('p', { class: 'entry-note' }, each.note),
    each.uses > 0 && h('p', { class: 'muted' }, `Cited in ${times(each.uses, 'answer')}`),
    days(each) && h('p', { class: 'muted' }, days(each)),
    h('p', { class: 'entry-does' },
      before && h('a', { href: `#documents/${one.id}/compare/${before.number}/${number}` }, 'What changed'),
      status === 'retired' && h('button', { type: 'button', class: 'as-link', 'aria-label': `Roll back to revision ${number}`, onclick: () => does.rollBack(number) }, 'Roll back to it'),
      status === 'draft' && number !== one.latest && h('button', { type: 'button', class: 'as-link', 'aria-label': `Publish revision ${number}`, onclick: () => does.publish(number) }, 'Publish it')));
}
