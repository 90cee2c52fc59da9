/**
 * Owns the list of documents: finding one, and taking new ones in.
 * Refuses to know what is in a document: its own page does.
 * Invariant: what is listed is what the server last said, and nothing that is taken in reaches customers by itself.
 */

import { h } from '../shared/dom.js';
import { ask, button, moment } from '../shared/staff/dialogs.js';
import * as one from './document.js';
import { DOCUMENTS, days, fileName, standing, times } from './document-parts.js';
import { empty, head, table } from './parts.js';
import { choosers, dropping, formOf, understood, uploadAll } from './uploads.js';

export const id = 'documents';
export const title = 'Documents';
export const group = 'Knowledge';

const STATES = [['', 'All'], ['published', 'Published'], ['waiting', 'With a draft waiting'], ['draft', 'Drafts'], ['retired', 'Retired']];

/** The last filter stays while the page does. */
const filter = { q: '', status: '' };

export async function open(panel, page, path = []) {
  if (path.length > 0) {
    await one.open(panel, page, path);
    return;
  }
  const intake = h('div');
  const list = h('div', { 'aria-live': 'polite' });
  const take = async (chosen) => {
    if (chosen.length === 1) await understoodFirst(intake, page, chosen[0]);
    else await uploadAll(intake, page, chosen, read);
  };
  const search = h('input', {
    id: 'documents-q', type: 'search', placeholder: 'Title or file', autocomplete: 'off', value: filter.q,
    oninput: () => { filter.q = search.value.trim(); soon(); },
  });
  const state = h('select', { id: 'documents-status', onchange: () => { filter.status = state.value; read(); } },
    STATES.map(([value, name]) => h('option', { value }, name)));
  state.value = filter.status;
  panel.replaceChildren(
    head('Documents', 'What the AI answers from. A change is a draft until you publish it.',
      button('Write one', () => write(page)), ...choosers(take)),
    intake,
    h('form', { class: 'filter', onsubmit: (event) => event.preventDefault() },
      h('label', { htmlFor: 'documents-q' }, 'Find'), search,
      h('label', { htmlFor: 'documents-status' }, 'State'), state),
    list,
  );
  dropping(panel, take);

  let timer = null;
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(read, 200);
  }
  let asked = 0;
  async function read() {
    const mine = ++asked;
    await more([], null, mine);
  }
  async function more(found, cursor, mine) {
    const query = new URLSearchParams({ limit: '50' });
    for (const [name, value] of Object.entries({ ...filter, cursor })) if (value) query.set(name, value);
    const { items, next } = await page.session.get(`${DOCUMENTS}?${query}`);
    if (mine !== asked) return;
    found.push(...items);
    list.replaceChildren(...[
      found.length > 0 ? rows(found) : nothing(take),
      next && button('Show more', () => more(found, next, mine), 'plain-text more'),
    ].filter(Boolean));
  }
  await read();
}

function rows(documents) {
  return table('Documents', ['Document', 'State', 'Revision', 'Passages', 'Cited', 'Last change'], documents.map((document) => [
    h('div', { class: 'named' }, h('a', { href: `#documents/${document.id}` }, document.title), h('span', { class: 'muted' }, fileName(document))),
    h('div', {}, standing(document), document.in_force && days(document) && h('span', { class: 'muted days' }, days(document))),
    h('span', { class: 'count' }, document.waiting ? `${document.revision} → ${document.latest}` : String(document.revision)),
    h('span', { class: 'count' }, String(document.passages)),
    document.uses > 0 ? h('span', { class: 'count', title: times(document.uses, 'question was', 'questions were') + ' answered from it' }, times(document.uses, 'time')) : h('span', { class: 'muted count' }, 'Not yet'),
    h('span', { class: 'named' }, moment(document.changed_at), document.changed_by && h('span', { class: 'muted' }, document.changed_by)),
  ]));
}

function nothing(take) {
  if (filter.q || filter.status) return empty('Nothing found', 'No document is like that. Choose “All” and empty the search to see every one.');
  return empty('No documents yet',
    'Drop files or whole folders here: PDF, Word, Excel, CSV, Markdown, HTML or text. Each is cut into passages that the AI '
    + 'finds, answers from and cites. Begin with what customers ask most: prices, deadlines, how to cancel. Headings help.',
    h('div', { class: 'tags centred' }, choosers(take)));
}

/** One file is looked at before it is kept. */
async function understoodFirst(place, page, chosen) {
  await understood(place, page, chosen, {
    verb: 'Keep as a draft',
    take: async (said) => {
      const made = await page.session.upload(DOCUMENTS, formOf(chosen.file, chosen.path, said));
      page.say('It is kept as a draft.');
      location.hash = `#documents/${made.id}`;
    },
  });
}

function write(page) {
  ask('Write a document', {
    text: 'It begins as a draft; on its page you write the text.',
    fields: [h('div', { class: 'field' }, h('label', { htmlFor: 'write-title' }, 'Title'), h('input', { id: 'write-title', name: 'title', maxlength: '200', autocomplete: 'off' }))],
    verb: 'Begin',
    send: async (data) => {
      const name = data.get('title').trim();
      if (!name) throw Object.assign(new Error('Give it a title: customers see it beside answers.'), { field: 'title' });
      const file = new Blob([`# ${name}\n`], { type: 'text/markdown' });
      const made = await page.session.upload(DOCUMENTS, formOf(file, `${name.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60)}.md`, { title: name }));
      location.hash = `#documents/${made.id}/edit`;
    },
  });
}
