/**
 * Owns files on their way in: choosing and dropping them, how far each is, what became of it, and what one
 * file was understood as before it is kept.
 * Refuses to know the list of documents.
 * Invariant: a file that fails says why beside its own name, and stops none of the others.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { button } from '../shared/staff/dialogs.js';
import { DOCUMENTS, saidFields, times } from './document-parts.js';
import { passages } from './passages.js';

const AT_ONCE = 2;
const MOST = 500;

/** Buttons that choose files, or a folder; `take(files)` gets a list of {file, path}. */
export function choosers(take) {
  const chooser = (label, properties) => h('input', {
    type: 'file', class: 'unseen', 'aria-label': label, tabindex: '-1', multiple: true, ...properties,
    onchange: ({ target }) => {
      take([...target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
      target.value = '';
    },
  });
  const files = chooser('Files to upload', {});
  const folder = chooser('Folder to upload', { webkitdirectory: true });
  return [folder, button('Upload a folder', () => folder.click()), files, button('Upload files', () => files.click(), 'strong')];
}

/** Takes files and folders that are dropped anywhere on the page, while `panel` is on it. */
export function dropping(panel, take) {
  const veil = h('div', { class: 'veil', hidden: true }, h('div', {}, icon(ICONS.download), h('strong', {}, 'Drop files or folders'), h('span', {}, 'They become drafts; customers see nothing yet.')));
  panel.append(veil);
  const withFiles = (event) => [...event.dataTransfer?.types ?? []].includes('Files');
  const ends = new AbortController();
  const on = (name, does) => addEventListener(name, (event) => {
    if (!panel.isConnected) return ends.abort();
    if (withFiles(event)) {
      event.preventDefault();
      does(event);
    }
    return undefined;
  }, { signal: ends.signal });
  on('dragenter', () => { veil.hidden = false; });
  on('dragover', () => { veil.hidden = false; });
  on('dragleave', (event) => { veil.hidden = event.relatedTarget == null; });
  on('drop', async (event) => {
    veil.hidden = true;
    take(await dropped(event.dataTransfer));
  });
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, '', found);
  return found;
}

async function walk(entry, folder, found) {
  if (found.length > MOST || entry.name.startsWith('.')) return;
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await walk(one, path, found);
  }
}

export function formOf(file, path, said = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(said)) if (value) form.append(name, value);
  form.append('file', file, path);
  return form;
}

/** Uploads all of them, a few at a time, and shows each; `done(ids)` when nothing is on its way. */
export async function uploadAll(place, page, chosen, done) {
  const files = chosen.filter(({ file }) => !file.name.startsWith('.')).slice(0, MOST);
  if (!files.length) return;
  const said = h('p', { role: 'status' });
  const rows = files.map(({ file, path }) => {
    const bar = h('progress', { max: '1', value: 0, 'aria-label': `Upload of ${path}` });
    const state = h('span', { class: 'muted' }, 'Waiting');
    return { file, path, bar, state, node: h('li', {}, h('span', { class: 'file' }, path), bar, state) };
  });
  const list = h('ul', {}, rows.map(({ node }) => node));
  const box = h('section', { class: 'queue', 'aria-label': 'Uploads' }, h('header', {}, said), list);
  place.prepend(box);
  const ids = [];
  let failed = 0;
  const waiting = [...rows];
  const tell = () => {
    const left = rows.length - ids.length - failed;
    said.textContent = [left > 0 ? `Taking in ${times(rows.length, 'file')} …` : `${times(ids.length, 'draft')} taken in`, failed > 0 && `${failed} refused`].filter(Boolean).join(', ') + (left > 0 ? '' : '.');
  };
  async function work() {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      try {
        const made = await send(page, row);
        ids.push(made.id);
        row.state.replaceChildren(h('a', { href: `#documents/${made.id}` }, 'Open the draft'));
        row.state.className = '';
      } catch (error) {
        failed += 1;
        row.state.textContent = error.message;
        row.state.className = 'error';
      }
      row.bar.remove();
      tell();
    }
  }
  tell();
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (chosen.length > MOST) said.textContent += ` At most ${MOST} are taken at once: drop the others again.`;
  box.querySelector('header').append(...[
    ids.length > 0 && button(`Publish ${ids.length === 1 ? 'it' : `all ${ids.length}`}`, (event) => publishAll(page, ids, event.currentTarget, said, done)),
    button('Close', () => box.remove(), 'quiet'),
  ].filter(Boolean));
  await done(ids);
}

function send(page, { file, path, bar, state }) {
  state.textContent = 'Uploading';
  return page.session.upload(DOCUMENTS, formOf(file, path), { onProgress: (part) => {
    bar.value = part;
    if (part === 1) {
      state.textContent = 'Reading';
      bar.removeAttribute('value'); // how long reading takes, nobody knows
    }
  } });
}

async function publishAll(page, ids, opener, said, done) {
  opener.disabled = true;
  let count = 0;
  try {
    for (const id of ids) {
      said.textContent = `Publishing ${count + 1} of ${ids.length} …`;
      await page.session.post(`${DOCUMENTS}/${id}/publish`, { revision: 1 }, { timeoutMs: 300_000 });
      count += 1;
    }
    opener.remove();
    said.textContent = `${times(count, 'document')} published.`;
  } catch (error) {
    said.textContent = `${count} published. ${error.message}`;
    opener.disabled = false;
  }
  await done(ids);
}

/** One file, as it was understood; `take(said)` keeps it. */
export async function understood(place, page, { file, path }, { verb, take }) {
  const box = h('section', { class: 'intake', 'aria-label': `Preview of ${path}` }, h('p', { class: 'muted', role: 'status' }, `Reading ${path} …`));
  place.replaceChildren(box);
  const close = button('Cancel', () => box.remove(), 'quiet');
  let found;
  try {
    found = await page.session.upload(`${DOCUMENTS}/preview`, formOf(file, path));
  } catch (problem) {
    box.replaceChildren(h('h3', {}, path), h('p', { class: 'error', role: 'alert' }, problem.message), h('div', { class: 'dialog-actions' }, button('Close', () => box.remove())));
    return;
  }
  const error = h('p', { class: 'error', role: 'alert' });
  const strong = h('button', { type: 'submit', class: 'strong' }, verb);
  const form = h('form', {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      strong.disabled = true;
      error.textContent = '';
      try {
        await take(Object.fromEntries(new FormData(form)));
        box.remove();
      } catch (problem) {
        error.textContent = problem.message;
        form.elements[problem.field]?.focus?.();
      } finally {
        strong.disabled = false;
      }
    },
  }, saidFields(found, 'intake'), error, h('div', { class: 'dialog-actions' }, close, strong));
  box.replaceChildren(...[
    h('header', {}, h('h3', {}, 'This is what was understood'), h('p', { class: 'muted' }, `${path}: ${times(found.count, 'passage')}. Nothing is kept yet.`)),
    found.warnings.length > 0 && h('ul', { class: 'warnings' }, found.warnings.map((text) => h('li', {}, icon(ICONS.alert), text))),
    h('div', { class: 'intake-parts' }, form, h('div', { class: 'seen', tabindex: '0', 'aria-label': 'Passages' }, passages(found.passages, found.count))),
  ].filter(Boolean));
  form.elements.title.focus();
}
