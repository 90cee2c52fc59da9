/**
 * Owns forms in dialogs, and what is shown once in them.
 * Refuses to know what is asked, and never calls the server.
 * Invariant: a dialog that fails says why and keeps what was typed.
 */

import { h } from '../dom.js';

export function button(text, onclick, look = 'plain-text', properties = {}) {
  return h('button', { type: 'button', class: look, onclick, ...properties }, text);
}

export function field(label, control, hint) {
  const hintId = hint && `${control.id}-hint`;
  if (hint) control.setAttribute('aria-describedby', hintId);
  return h('div', { class: 'field' }, h('label', { htmlFor: control.id }, label), control,
    hint && h('p', { class: 'hint', id: hintId }, hint));
}

/** One of several, each with what it means; `choices` are [value, name, meaning]. */
export function choice(name, legend, choices, chosen, type = 'radio') {
  return h('fieldset', { class: 'choices' }, h('legend', {}, legend), choices.map(([value, title, meaning]) =>
    h('label', { class: 'choice' },
      h('input', { type, name, value, checked: [chosen].flat().includes(value) }),
      h('span', {}, h('strong', {}, title), h('span', { class: 'hint' }, meaning)))));
}

/** A modal form. `send(form data)` may answer with nodes to show in the form's place. */
export function ask(title, { text, fields = [], verb, danger = false, send, more = [] }) {
  const error = h('p', { class: 'error', role: 'alert' });
  const strong = h('button', { type: 'submit', class: danger ? 'strong danger' : 'strong' }, verb);
  const close = button('Cancel', () => dialog.close(), 'quiet');
  const form = h('form', {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      strong.disabled = true;
      error.textContent = '';
      try {
        const shown = await send(new FormData(form));
        if (shown) {
          const done = button('Done', () => dialog.close(), 'strong');
          form.replaceChildren(h('h2', { id: 'dialog-title' }, title), ...[shown].flat(), h('div', { class: 'dialog-actions' }, done));
          done.focus();
        } else dialog.close();
      } catch (problem) {
        error.textContent = problem.message;
        form.elements[problem.field]?.focus?.();
      } finally {
        strong.disabled = false;
      }
    },
  },
  h('h2', { id: 'dialog-title' }, title), text && h('p', { class: 'muted' }, text), fields, error,
  h('div', { class: 'dialog-actions' }, close, strong), more.length > 0 && h('div', { class: 'dialog-more' }, more));
  const opener = document.activeElement;
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => {
    dialog.remove();
    if (!opener?.isConnected) again(opener)?.focus();
  } }, form);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A link or a key that is shown this once, with a button that copies it. */
export function shownOnce(label, value) {
  const input = h('input', { id: 'shown-once', class: 'secret', value, readonly: true, onfocus: () => input.select() });
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(value);
      copy.textContent = 'Copied';
    } catch {
      input.focus(); // marked, so that the keyboard can copy it
    }
  });
  return h('div', { class: 'field' }, h('label', { htmlFor: 'shown-once' }, label), h('div', { class: 'secret-row' }, input, copy));
}

/** "26 Nov 2026, 21:05", with the exact moment behind it. */
export function moment(value) {
  if (!value) return null;
  const text = new Intl.DateTimeFormat(navigator.language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(value));
  return h('time', { datetime: value }, text);
}

/** What stands where the opener stood before its list was drawn anew. */
function again(opener) {
  const name = opener?.getAttribute('aria-label');
  return [...document.querySelectorAll('button[aria-label]')].find((one) => one.getAttribute('aria-label') === name)
    ?? document.getElementById('panel');
}
