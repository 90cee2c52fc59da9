/**
 * Owns how the admin page begins and which section is open; the address says which (#people).
 * Refuses to know what is in a section.
 * Invariant: without an admin's session no section is asked for anything.
 *
 * A section is a module with an `id` (what stands behind the #), a `title`, and `open(panel, page)`,
 * which fills the empty panel; `page` has the `session` for its calls and `say(text)` for screen readers.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { account } from '../shared/staff/account.js';
import { Session } from '../shared/staff/session.js';
import { SignIn } from '../shared/staff/sign-in.js';
import * as audit from './audit.js';
import * as drafts from './drafts.js';
import * as golden from './golden.js';
import * as keys from './keys.js';
import * as people from './people.js';
import * as widget from './widget.js';
import * as words from './words.js';

const SECTIONS = [widget, words, drafts, golden, people, keys, audit];

const find = (id) => document.getElementById(id);
const session = new Session();
const signIn = new SignIn(session, {
  title: 'Sign in to the admin page', purpose: 'Who may do what, and who did what.', page: 'admin',
});
const page = { session, say: (text) => { find('announcer').textContent = text; } };

const links = SECTIONS.map(({ id, title }) => h('a', { href: `#${id}` }, title));
find('tabs').append(...links);
find('bar').querySelector('.mark').append(icon(ICONS.spark));

/** Each opening has a panel of its own, so that a late answer fills none but its own. */
async function open() {
  if (session.me?.role !== 'admin') return;
  const at = Math.max(0, SECTIONS.findIndex(({ id }) => `#${id}` === location.hash));
  links.forEach((link, n) => {
    if (n === at) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  });
  document.title = `${SECTIONS[at].title} · Admin`;
  const panel = h('section', { 'aria-label': SECTIONS[at].title });
  find('panel').replaceChildren(panel);
  try {
    await SECTIONS[at].open(panel, page);
  } catch (error) {
    panel.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
  }
}

function show() {
  const { me } = session;
  find('admin').hidden = me == null;
  find('tabs').hidden = me?.role !== 'admin';
  find('panel').replaceChildren();
  if (me && me.role !== 'admin') {
    find('panel').append(h('div', { class: 'nothing' },
      h('h2', {}, 'This page is for admins'),
      h('p', { class: 'muted' }, 'You are signed in, but your role does not open it. Ask an admin, or go to the console.'),
      h('a', { class: 'strong', href: '/console' }, 'Open the console')));
  }
  open();
}

session.addEventListener('entered', show);
session.addEventListener('left', show);
addEventListener('hashchange', async () => {
  await open();
  find('panel').focus();
});
find('sign-out').addEventListener('click', () => session.signOut());
account(find('me'), session);
await signIn.begin();
