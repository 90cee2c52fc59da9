/**
 * Owns canned replies: the list that opens with / in the text, and the dialog in which supervisors
 * write them.
 * Refuses to send anything.
 * Invariant: only the word that begins with / is replaced; the rest of the text stays as it is.
 */

import { h } from '../shared/dom.js';

const MOST = 8;

export class CannedMenu {
  #text;
  #backstage;
  #nameOf;
  #found = [];
  #at = 0;

  constructor(text, backstage, nameOf) {
    this.#text = text;
    this.#backstage = backstage;
    this.#nameOf = nameOf;
    this.root = h('ul', { id: 'canned-menu', class: 'canned-menu', role: 'listbox', 'aria-label': 'Canned replies', hidden: true });
    text.setAttribute('aria-autocomplete', 'list');
    text.setAttribute('aria-controls', 'canned-menu');
    text.addEventListener('input', () => this.#look());
    text.addEventListener('click', () => this.#look());
    text.addEventListener('blur', () => setTimeout(() => this.close(), 150)); // after a click on the list
    text.addEventListener('keydown', (event) => this.#key(event));
  }

  get isOpen() {
    return !this.root.hidden;
  }

  close() {
    this.root.hidden = true;
    this.#text.removeAttribute('aria-activedescendant');
  }

  /** {from, word} of the /word that ends at the caret. */
  #asked() {
    const { value, selectionStart: at } = this.#text;
    const found = /(?:^|\s)\/([^\s/]*)$/.exec(value.slice(0, at));
    return found && { from: at - found[1].length - 1, to: at, word: found[1].toLocaleLowerCase() };
  }

  #look() {
    const asked = this.#asked();
    if (!asked || this.#text.readOnly) return this.close();
    const { canned } = this.#backstage;
    const starts = canned.filter(({ name }) => name.toLocaleLowerCase().startsWith(asked.word));
    const holds = canned.filter((one) => !starts.includes(one) && `${one.name} ${one.content}`.toLocaleLowerCase().includes(asked.word));
    this.#found = [...starts, ...holds].slice(0, MOST);
    this.#at = 0;
    if (canned.length && !this.#found.length) return this.close();
    this.root.hidden = false;
    this.#draw();
  }

  #draw() {
    if (!this.#found.length) {
      this.root.replaceChildren(h('li', { role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false', class: 'muted' },
        'There are no canned replies yet. A supervisor can write some.'));
      return;
    }
    this.root.replaceChildren(...this.#found.map((one, at) => h('li', {
      id: `canned-${at}`, role: 'option', 'aria-selected': String(at === this.#at),
      onmousedown: (event) => { event.preventDefault(); this.#choose(one); },
    }, h('b', {}, `/${one.name}`), ' ', h('span', {}, one.content))));
    this.#text.setAttribute('aria-activedescendant', `canned-${this.#at}`);
    this.root.children[this.#at].scrollIntoView({ block: 'nearest' });
  }

  #key(event) {
    if (!this.isOpen) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#found.length) {
      event.preventDefault();
      this.#at = (this.#at + step + this.#found.length) % this.#found.length;
      this.#draw();
    } else if ((event.key === 'Enter' || event.key === 'Tab') && this.#found.length) {
      event.preventDefault();
      event.stopImmediatePropagation(); // Ctrl and Enter would send
      this.#choose(this.#found[this.#at]);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation(); // the page would leave the text
      this.close();
    }
  }

  #choose({ content }) {
    const asked = this.#asked();
    if (!asked) return this.close();
    const name = this.#nameOf();
    const words = name ? content.replaceAll('{name}', name) : content.replace(/\s?\{name\}/g, '');
    this.#text.setRangeText(words, asked.from, asked.to, 'end');
    this.close();
    this.#text.focus();
  }
}

/** The dialog in which supervisors keep the canned replies. */
export class CannedDialog {
  #backstage;
  #root = h('dialog', { id: 'canned', class: 'wide', 'aria-labelledby': 'canned-title' });
  #list = h('ul', { class: 'kept' });
  #id = null;

  constructor(backstage) {
    this.#backstage = backstage;
    this.name = h('input', { id: 'canned-name', maxlength: '60', required: true, pattern: '[^\\s/]+', autocomplete: 'off', 'aria-describedby': 'canned-hint' });
    this.content = h('textarea', { id: 'canned-content', rows: '4', maxlength: '4000', required: true });
    this.error = h('p', { class: 'error', role: 'alert' });
    this.keep = h('button', { type: 'submit', class: 'strong' }, 'Add');
    this.cancel = h('button', { type: 'button', class: 'quiet', hidden: true, onclick: () => this.#edit(null) }, 'Cancel');
    this.#root.append(
      h('div', { class: 'row' }, h('h2', { id: 'canned-title' }, 'Canned replies'),
        h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => this.#root.close() }, '×')),
      h('p', { class: 'muted' }, 'Everybody gets them by typing / and the name. They are texts to begin with: whoever uses one can change it before it is sent.'),
      this.#list,
      h('form', { class: 'fields', onsubmit: (event) => { event.preventDefault(); this.#submit(); } },
        h('label', { htmlFor: 'canned-name' }, 'Name'), this.name,
        h('p', { id: 'canned-hint', class: 'muted' }, 'One word. {name} in the text becomes the customer’s name.'),
        h('label', { htmlFor: 'canned-content' }, 'Text'), this.content, this.error,
        h('div', { class: 'row' }, this.cancel, this.keep)));
    document.body.append(this.#root);
    backstage.addEventListener('canned', () => this.#draw());
  }

  async show() {
    this.#edit(null);
    this.#draw();
    this.#root.showModal();
    await this.#try(() => this.#backstage.readCanned());
  }

  #draw() {
    this.#list.replaceChildren(...this.#backstage.canned.map((one) => h('li', {},
      h('div', {}, h('b', {}, `/${one.name}`), h('p', { class: 'muted' }, one.content)),
      h('button', { type: 'button', class: 'quiet', 'aria-label': `Change ${one.name}`, onclick: () => this.#edit(one) }, 'Change'),
      h('button', { type: 'button', class: 'quiet', 'aria-label': `Delete ${one.name}`, onclick: () => this.#try(() => this.#backstage.dropCanned(one.id)) }, 'Delete'))));
  }

  #edit(one) {
    this.#id = one?.id ?? null;
    this.name.value = one?.name ?? '';
    this.content.value = one?.content ?? '';
    this.keep.textContent = one ? 'Save' : 'Add';
    this.cancel.hidden = !one;
    this.error.textContent = '';
    if (this.#root.open) this.name.focus();
  }

  async #submit() {
    const reply = { name: this.name.value.trim(), content: this.content.value };
    if (await this.#try(() => this.#backstage.keepCanned(this.#id, reply))) this.#edit(null);
  }

  async #try(act) {
    this.error.textContent = '';
    try {
      await act();
      return true;
    } catch (problem) {
      this.error.textContent = problem.message;
      return false;
    }
  }
}
