/**
 * Owns what is being written: replies and private notes, drafts of the model, canned replies.
 * Refuses to know what was said before.
 * Invariant: what somebody has written is never lost to an event, an error, a draft or another
 * conversation; nothing is sent that nobody sent.
 */

import { h } from '../shared/dom.js';
import { CannedMenu } from './canned.js';
import { source } from './source.js';

const MARK = /\s?\[\d+\]/g;
const HALF_MARK = /\s?\[\d*$/;

export class Composer {
  #desk;
  #presence;
  #kept = new Map();
  #shown = null;
  #mode = 'messages';
  #drafting = null;
  #answeredAt = 0;

  constructor(desk, backstage, presence) {
    this.#desk = desk;
    this.#presence = presence;
    this.#make();
    this.canned = new CannedMenu(this.text, backstage, () => desk.open?.customer?.name);
    this.form.insertBefore(this.canned.root, this.text);
    presence.addEventListener('change', () => this.#drawOthers());
  }

  #make() {
    this.text = h('textarea', {
      id: 'say', rows: '3', maxlength: '4000', 'aria-describedby': 'say-error',
      placeholder: 'Write a reply. Type / for canned replies.',
    });
    this.error = h('p', { id: 'say-error', class: 'error', role: 'alert' });
    this.based = h('div', { class: 'based', role: 'status' });
    this.others = h('p', { class: 'others', role: 'status' });
    this.send = h('button', { type: 'submit', class: 'strong' }, 'Send');
    this.draftButton = h('button', {
      type: 'button', class: 'plain-text', onclick: () => (this.#drafting ? this.stop() : this.draft()),
    }, 'Draft a reply');
    this.modes = h('div', { class: 'modes', role: 'group', 'aria-label': 'What to write' },
      ['messages', 'notes'].map((mode) => h('button', {
        type: 'button', dataset: { mode }, 'aria-pressed': String(mode === 'messages'), onclick: () => this.write(mode),
      }, mode === 'messages' ? 'Reply' : 'Private note')));
    this.form = h('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); this.#send(); } },
      h('div', { class: 'row' }, this.modes, this.others),
      h('label', { class: 'unseen', htmlFor: 'say' }, 'Text'), this.text, this.based,
      h('div', { class: 'row' }, this.error, this.draftButton, this.send));
    this.text.addEventListener('input', () => {
      if (this.text.value) this.#presence.types(this.#mode === 'notes');
    });
    this.text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !this.canned.isOpen) this.form.requestSubmit();
    });
  }

  /** Turns to another conversation; what was written for this one is kept. */
  turnTo(open) {
    this.stop();
    if (this.#shown) this.#kept.set(this.#shown, { value: this.text.value, mode: this.#mode, based: [...this.based.childNodes] });
    const { value = '', mode = 'messages', based = [] } = this.#kept.get(open.id) ?? {};
    this.#shown = open.id;
    this.text.value = value;
    this.based.replaceChildren(...based);
    this.error.textContent = '';
    this.#answeredAt = open.messages.length;
    this.canned.close();
    this.#turn(mode);
  }

  /** A colleague's answer that came while we write: ours may be one too many. */
  warn({ messages }, me) {
    const others = messages.slice(this.#answeredAt).filter((one) => one.role === 'human_agent' && one.author !== me);
    this.#answeredAt = messages.length;
    if (others.length && this.#mode === 'messages' && this.text.value.trim()) {
      this.error.textContent = `${others.at(-1).author} has answered meanwhile. Read it before you send.`;
    }
  }

  /** Turns to replying or to private notes, and to the text. */
  write(mode) {
    if (!this.#desk.open) return;
    this.#turn(mode);
    this.text.focus();
  }

  #turn(mode) {
    const notes = mode === 'notes';
    this.#mode = mode;
    for (const one of this.modes.children) one.setAttribute('aria-pressed', String(one.dataset.mode === mode));
    this.form.classList.toggle('private', notes);
    this.send.textContent = notes ? 'Add note' : 'Send';
    this.text.placeholder = notes ? 'Write a note that only colleagues see.' : 'Write a reply. Type / for canned replies.';
    this.draftButton.hidden = notes;
  }

  /** Puts words where the caret is; the conversation's customer does not see them yet. */
  insert(words) {
    if (!this.#desk.open) return;
    if (this.#mode === 'notes') this.#turn('messages');
    const { value, selectionStart: at, selectionEnd: to } = this.text;
    const gap = at > 0 && !/\s$/.test(value.slice(0, at)) ? '\n\n' : '';
    this.text.setRangeText(`${gap}${words}`, at, to, 'end');
    this.text.focus();
  }

  #drawOthers() {
    const others = this.#presence.others;
    const types = others.filter((one) => one.types).map((one) => one.name);
    const looks = others.filter((one) => !one.types).map((one) => one.name);
    const text = types.length ? `${listed(types)} typing a reply` : looks.length ? `${listed(looks)} looking at this` : '';
    if (this.others.textContent !== text) this.others.textContent = text;
    this.others.classList.toggle('clash', types.length > 0);
  }

  async #send() {
    const content = this.text.value.trim();
    const id = this.#shown;
    if (!content || this.send.disabled || this.#drafting) return;
    this.send.disabled = true;
    const done = await this.does(this.#mode, { content });
    this.send.disabled = false;
    if (!done) return;
    if (this.#shown !== id) this.#kept.delete(id);
    else if (this.text.value.trim() === content) {
      this.text.value = '';
      this.based.replaceChildren();
    }
  }

  /** True if it was done; else the composer says why not. */
  async does(verb, body) {
    this.error.textContent = '';
    try {
      await this.#desk.does(verb, body);
      return true;
    } catch (problem) {
      this.error.textContent = problem.message;
      return false;
    }
  }

  stop() {
    this.#drafting?.abort();
  }

  /** Lets the model write a reply into the text, word by word; it can be stopped, and is not sent. */
  async draft() {
    const { open } = this.#desk;
    if (!open || this.#drafting) return;
    this.write('messages');
    this.error.textContent = '';
    const abort = new AbortController();
    const before = this.text.value.trim();
    let said = '';
    const show = (words) => {
      this.text.value = before && words ? `${before}\n\n${words}` : before || words;
      this.text.scrollTop = this.text.scrollHeight;
    };
    this.#begin(abort);
    try {
      const draft = await this.#desk.draft({
        signal: abort.signal,
        onText: (text) => {
          if (!said && this.#drafting === abort) this.based.firstChild?.replaceChildren('Writing …');
          said += text;
          if (this.#shown === open.id) show(said.replace(MARK, '').replace(HALF_MARK, ''));
        },
      });
      if (this.#shown !== open.id) return;
      const { content, citations, outcome, question } = draft;
      show(outcome === 'answered' ? content.replace(MARK, '') : '');
      if (outcome !== 'answered') this.error.textContent = 'The policies have no answer to this: nothing was drafted.';
      else this.#drawBased(question, citations ?? []);
    } catch (problem) {
      if (!abort.signal.aborted) this.error.textContent = problem.message;
    } finally {
      if (this.#drafting === abort) this.#end();
    }
  }

  #begin(abort) {
    this.#drafting = abort;
    this.text.readOnly = true;
    this.draftButton.textContent = 'Stop';
    this.send.disabled = true;
    this.based.replaceChildren(h('p', { class: 'muted' }, 'Reading the policies …'));
    abort.signal.addEventListener('abort', () => { if (this.#drafting === abort) this.#end(); });
  }

  #end() {
    this.#drafting = null;
    this.text.readOnly = false;
    this.draftButton.textContent = 'Draft a reply';
    this.send.disabled = false;
    if (!this.based.querySelector('.source')) this.based.replaceChildren();
  }

  #drawBased(question, citations) {
    this.based.replaceChildren(
      h('p', { class: 'muted' }, 'Drafted for “', question.length > 140 ? `${question.slice(0, 140)}…` : question, '”, based on:'),
      ...citations.map(source));
  }
}

function listed(names) {
  return `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'}`;
}
