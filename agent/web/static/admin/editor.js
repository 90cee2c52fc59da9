/**
 * Owns writing a document's text: the words as Markdown, beside them how they read.
 * Refuses to publish: what is saved is a draft.
 * Invariant: what was typed is there again until it is saved or thrown away, wherever one went meanwhile.
 */

import { h } from '../shared/dom.js';
import { showMarkdown } from '../shared/markdown.js';
import { button } from '../shared/staff/dialogs.js';
import { saidFields } from './document-parts.js';

const PREVIEW_MS = 120;
/** What was typed and not saved, by document. */
const unsaved = new Map();
addEventListener('beforeunload', (event) => {
  if (unsaved.size > 0) event.preventDefault();
});

export function edit(main, page, newest, { save, leave }) {
  const { document_id: id, number } = newest;
  const kept = unsaved.get(id);
  const start = kept ?? { ...newest, note: '' };
  const error = h('p', { class: 'error', role: 'alert' });
  const strong = h('button', { type: 'submit', class: 'strong' }, 'Save as a draft');
  const text = h('textarea', { id: 'edit-text', name: 'text', rows: 24, spellcheck: 'true', value: start.text, 'aria-describedby': 'edit-hint' });
  const seen = h('div', { class: 'markdown' });
  let timer = null;
  const form = h('form', {
    class: 'editor', novalidate: true,
    oninput: () => {
      unsaved.set(id, said());
      clearTimeout(timer);
      timer = setTimeout(() => showMarkdown(seen, text.value), PREVIEW_MS);
    },
    onkeydown: (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === 's') {
        event.preventDefault();
        form.requestSubmit();
      }
    },
    onsubmit: async (event) => {
      event.preventDefault();
      strong.disabled = true;
      error.textContent = '';
      const wanted = said();
      try {
        unsaved.delete(id);
        await save({ ...wanted, effective_from: wanted.effective_from || null, effective_to: wanted.effective_to || null, note: wanted.note || null });
      } catch (problem) {
        unsaved.set(id, wanted);
        error.textContent = problem.message;
        form.elements[problem.field]?.focus?.();
      } finally {
        strong.disabled = false;
      }
    },
  },
  h('div', { class: 'looked-at' }, h('p', {}, kept ? 'What you had not saved is here again.' : `You begin with revision ${number}; saving makes a new draft.`)),
  h('div', { class: 'editor-text' },
    h('div', { class: 'field' }, h('label', { htmlFor: 'edit-text' }, 'Text'), text,
      h('p', { class: 'hint', id: 'edit-hint' }, 'Markdown: # for headings, - for lists, | for tables. Ctrl+S saves.')),
    h('section', { class: 'field', 'aria-label': 'How it reads' }, h('p', { class: 'label' }, 'How it reads'), h('div', { class: 'sheet seen', tabindex: '0' }, seen))),
  h('div', { class: 'editor-said' }, saidFields(start, 'edit')),
  error,
  h('div', { class: 'dialog-actions' }, button('Throw away', () => {
    unsaved.delete(id);
    leave();
  }, 'quiet'), strong));
  function said() {
    return Object.fromEntries(new FormData(form));
  }
  form.elements.note.value = start.note ?? '';
  showMarkdown(seen, start.text);
  main.append(form);
}
