/**
 * Owns the form by which staff and admins come in, with a password or by a link that was sent to them.
 * Refuses to know what they come in to.
 * Invariant: a token that stands behind the # is taken out of the address before anything else happens.
 */

import { h, icon } from '../dom.js';
import { ICONS } from '../icons.js';

export class SignIn {
  #session;
  #title;
  #setup;
  #root = document.getElementById('sign-in');

  /** `title` is what the form says, `purpose` the line below it. */
  constructor(session, { title, purpose }) {
    this.#session = session;
    this.#title = title;
    // No server and no log ever sees what stands behind the #; it does not stay there either.
    this.#setup = new URLSearchParams(location.hash.slice(1)).get('setup');
    if (this.#setup) history.replaceState(null, '', location.pathname);
    this.#draw(purpose);
    session.addEventListener('entered', () => this.#show());
    session.addEventListener('left', () => this.#show());
  }

  async begin() {
    try {
      await this.#session.resume();
    } catch (error) {
      this.error.textContent = error.message;
    }
    this.#show();
  }

  #show() {
    const isIn = this.#session.me != null;
    this.#root.hidden = isIn;
    if (!isIn) this.email.focus();
  }

  #draw(purpose) {
    this.email = h('input', { id: 'email', type: 'email', name: 'email', autocomplete: 'username', required: true });
    this.password = h('input', {
      id: 'password', type: 'password', name: 'password', required: true,
      autocomplete: this.#setup ? 'new-password' : 'current-password',
    });
    this.error = h('p', { id: 'sign-in-error', class: 'error', role: 'alert' });
    this.button = h('button', { type: 'submit', class: 'strong' }, this.#setup ? 'Create and sign in' : 'Sign in');
    this.#root.replaceChildren(h('form', {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        this.#enter();
      },
    },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, icon(ICONS.spark)),
    h('h1', {}, this.#setup ? 'Create the first admin' : this.#title),
    h('p', { class: 'muted' }, purpose),
    h('label', { htmlFor: 'email' }, 'E-mail address'), this.email,
    h('label', { htmlFor: 'password' }, 'Password'), this.password,
    this.error, this.button));
  }

  async #enter() {
    this.button.disabled = true;
    this.error.textContent = '';
    try {
      if (this.#setup) await this.#session.setUp(this.#setup, this.email.value, this.password.value);
      else await this.#session.signIn(this.email.value, this.password.value);
      if (this.#setup) {
        this.#setup = null;
        this.#draw('');
      }
      this.password.value = '';
    } catch (error) {
      this.error.textContent = error.message;
      this.password.focus();
    } finally {
      this.button.disabled = false;
    }
  }
}
