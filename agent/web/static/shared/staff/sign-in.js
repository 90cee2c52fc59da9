/**
 * Owns the form by which staff and admins come in, with a password or by a link that was sent to them.
 * Refuses to know what they come in to.
 * Invariant: a token that stands behind the # is taken out of the address before anything else happens.
 */

import { h, icon } from '../dom.js';
import { ICONS } from '../icons.js';

const PROBLEMS = {
  unavailable: 'The identity provider does not answer. Try again in a minute.',
  unknown: 'Nobody here knows you yet, or your account is deactivated. Ask an admin.',
  refused: 'The sign-in did not hold. Please begin it again.',
  busy: 'Too many failed sign-ins from here. Wait a while, then try again.',
};

export class SignIn {
  #session;
  #token = null;
  #form;
  #root = document.getElementById('sign-in');

  /** `title` is what the form says, `purpose` the line below it, `page` where it stands: console or admin. */
  constructor(session, { title, purpose, page }) {
    this.#session = session;
    this.#form = { title, purpose, page, verb: 'Sign in', email: true, password: 'Password' };
    // No server and no log ever sees what stands behind the #; it does not stay there either.
    const behind = new URLSearchParams(location.hash.slice(1));
    const [setup, invitation] = [behind.get('setup'), behind.get('invitation')];
    const problem = behind.get('problem');
    this.#token = setup ?? invitation;
    if (this.#token || problem) history.replaceState(null, '', location.pathname);
    if (setup) this.#draw({ ...this.#form, title: 'Create the first admin', purpose: 'With this you invite everybody else.', verb: 'Create and sign in' });
    else if (invitation) {
      this.#draw({
        title: 'Choose your password', purpose: 'At least 8 characters. The link works once.', verb: 'Save and sign in', email: false, password: 'New password',
      });
    } else this.#draw(this.#form);
    if (problem) this.error.textContent = PROBLEMS[problem] ?? PROBLEMS.refused;
    session.addEventListener('entered', () => this.#show());
    session.addEventListener('left', () => this.#show());
  }

  async begin() {
    if (!this.#token) {
      try {
        await this.#session.resume();
        const said = this.error.textContent;
        this.#draw(this.#form);
        this.error.textContent = said;
      } catch (error) {
        this.error.textContent = error.message;
      }
    }
    this.#show();
  }

  #show() {
    const isIn = this.#session.me != null;
    this.#root.hidden = isIn;
    if (isIn) {
      this.#root.replaceChildren(); // what was typed goes with the form
      return;
    }
    if (!this.#root.hasChildNodes()) this.#draw(this.#form);
    for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
    (this.#root.querySelector('input') ?? this.#root.querySelector('.provider')).focus();
  }

  #draw({ title, purpose, verb, email, password }) {
    this.email = email
      ? h('input', { id: 'email', type: 'email', name: 'email', autocomplete: 'username', required: true })
      : null;
    this.password = h('input', {
      id: 'password', type: 'password', name: 'password', required: true,
      autocomplete: this.#token ? 'new-password' : 'current-password',
    });
    this.error = h('p', { id: 'sign-in-error', class: 'error', role: 'alert' });
    this.button = h('button', { type: 'submit', class: 'strong' }, verb);
    const { provider, password: allowed } = this.#session.ways;
    const passwords = this.#token || allowed;
    this.#root.replaceChildren(h('form', {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        this.#enter();
      },
    },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, icon(ICONS.spark)),
    h('h1', {}, title),
    h('p', { class: 'muted' }, purpose),
    provider && !this.#token && [
      h('a', { class: 'provider', href: `/api/v1/oidc/start?page=${this.#form.page}` }, `Sign in with ${provider}`),
      passwords && h('p', { class: 'or', 'aria-hidden': 'true' }, 'or'),
    ],
    passwords && [
      this.email && [h('label', { htmlFor: 'email' }, 'E-mail address'), this.email],
      h('label', { htmlFor: 'password' }, password), this.password,
    ],
    this.error, passwords && this.button));
  }

  async #enter() {
    this.button.disabled = true;
    this.error.textContent = '';
    try {
      if (this.#token) await this.#session.setUp(this.#token, this.email?.value ?? '', this.password.value);
      else await this.#session.signIn(this.email.value, this.password.value);
      this.#token = null;
    } catch (error) {
      this.error.textContent = error.message;
      this.password.focus();
    } finally {
      this.button.disabled = false;
    }
  }
}
