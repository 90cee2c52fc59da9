/**
 * Owns the text field: growing, counting, Enter, and a draft that survives a reload.
 * Refuses to know what sending means. Invariant: nothing over the limit and nothing empty is sent.
 */

import { number } from '../shared/format.js';
import { keep, recall } from './storage.js';

const LIMIT = 4000;
const COUNT_FROM = 3600;
const TALLEST_PX = 148;
const DRAFT = 'frontdesk.draft';

export class Composer {
  #ui;
  #parts;

  /** `parts`: {form, text, send, counter}; `submit(text)` gets a text that may be sent. */
  constructor(ui, parts, submit) {
    this.#ui = ui;
    this.#parts = parts;
    const { form, text } = parts;
    const pressedEnter = text.value.endsWith('\n'); // before anybody listened to the key
    text.value ||= recall('tab', DRAFT) ?? ''; // it may have been written in already
    text.addEventListener('input', () => this.#changed());
    text.addEventListener('keydown', (event) => {
      // Enter also ends the choice of a character in an input method; that is no sending.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.#valid) return;
      const content = text.value;
      this.clear();
      submit(content);
      text.focus();
    });
    this.#changed();
    if (pressedEnter) form.requestSubmit();
  }

  clear() {
    this.#parts.text.value = '';
    this.#changed();
  }

  focus() {
    this.#parts.text.focus();
  }

  get #length() {
    return [...this.#parts.text.value.trim()].length; // characters as the server counts them
  }

  get #valid() {
    return this.#length > 0 && this.#length <= LIMIT;
  }

  #changed() {
    const { text, send, counter } = this.#parts;
    keep('tab', DRAFT, text.value || null);
    send.disabled = !this.#valid;
    text.style.height = 'auto';
    text.style.height = `${Math.min(text.scrollHeight, TALLEST_PX)}px`;
    const left = LIMIT - this.#length;
    counter.hidden = this.#length < COUNT_FROM;
    counter.classList.toggle('over', left < 0);
    text.toggleAttribute('aria-invalid', left < 0);
    const { t, locale } = this.#ui;
    counter.textContent = counter.hidden ? '' : t(left < 0 ? 'over' : 'left', { n: number(Math.abs(left), locale) });
  }
}
