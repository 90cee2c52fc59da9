/**
 * Owns how one passage of a policy looks, and what it stood in.
 * Refuses to know who found it.
 * Invariant: a revision that was cited is shown as it was, and says since when it is another's turn.
 */

import { h } from '../shared/dom.js';
import { date } from '../shared/format.js';
import { showMarkdown } from '../shared/markdown.js';

/** Its title, and its words behind it; `insert`, if given, puts a quote of it into the reply, `read(id, revision)` asks the server. */
export function source({ n, title, section, quote, revision, audience, document_id: id }, insert, read) {
  const name = section && section !== title ? `${title} — ${section}` : title;
  const words = quote.replace(/^#+ .*\n+/, ''); // its heading is its name already
  const able = typeof insert === 'function';
  const standing = h('span', {}, `Revision ${revision}`);
  const open = read && h('button', { type: 'button', class: 'plain-text', onclick: async () => {
    try {
      whole(await read(id, revision));
    } catch (problem) {
      standing.textContent = problem.message;
    }
  } }, 'Read the revision');
  const box = h('details', { class: 'source' },
    h('summary', {}, n != null && h('span', { class: 'n' }, String(n)), name, audience === 'staff' && h('span', { class: 'tag' }, 'staff only')),
    h('blockquote', {}, words),
    h('p', { class: 'muted' }, standing),
    able && h('button', { type: 'button', class: 'plain-text', onclick: () => insert(`“${words}” (${name})`) }, 'Quote in the reply'),
    open);
  if (read) box.addEventListener('toggle', async () => {
    try {
      standing.textContent = `Revision ${revision}${told(await read(id, revision))}`;
    } catch {
      // The passage stands for itself.
    }
  }, { once: true });
  return box;
}

function told({ status, replaced_at: replaced }) {
  if (status === 'published') return ', as it is published';
  return replaced ? `, replaced on ${date(replaced, navigator.language)}` : '';
}

function whole(found) {
  const text = h('div', { class: 'markdown', tabindex: '0' });
  showMarkdown(text, found.text);
  const dialog = h('dialog', { class: 'wide revision', 'aria-labelledby': 'revision-title', onclose: () => dialog.remove() },
    h('div', { class: 'row' }, h('h2', { id: 'revision-title' }, found.title),
      h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => dialog.close() }, '×')),
    h('p', { class: 'muted' }, `Revision ${found.number}${told(found)}`), text);
  document.body.append(dialog);
  dialog.showModal();
}
