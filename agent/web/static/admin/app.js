/**
 * Owns how the admin page begins and which section is open; the address says which (#people), and a
 * section's own part of it follows after a slash (#documents/ID).
 * Refuses to know what is in a section.
 * Invariant: without the session of somebody who may see it no section is asked for anything.
 *
 * A section is a module with an `id` (what stands behind the #), a `title`, the `group` of the side bar
 * that it stands in, and `open(panel, page, path)`, which fills the empty panel; `page` has the `session`
 * for its calls and `say(text)` for screen readers; `path` is what follows in the address, in parts. A
 * section with the `role` supervisor is open to supervisors too.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { account } from '../shared/staff/account.js';
import { Session } from '../shared/staff/session.js';
import { SignIn } from '../shared/staff/sign-in.js';
import * as audit from './audit.js';
import * as documents from './documents.js';
import * as drafts from './drafts.js';
import * as gaps from './gaps.js';
import * as golden from './golden.js';
import * as keys from './keys.js';
import * as outcomes from './outcomes.js';
import * as people from './people.js';
import * as search from './search.js';
import * as trying from './try.js';
import * as widget from './widget.js';
import * as words from './words.js';

const SECTIONS = [
  documents, drafts, golden, gaps, search, trying,
  outcomes, widget, words, people, keys, audit,
];
const GROUPS = ['Knowledge', 'Customers', 'Settings'];

const find = (id) => document.getElementById(id);
const session = new Session();
const signIn = new SignIn(session, {
  title: 'Sign in to the admin page', purpose: 'What the AI knows, and who may do what.', page: 'admin',
});
const page = { session, say: (text) => { find('announcer').textContent = text; } };

const links = new Map(SECTIONS.map((section) => [section, h('a', { href: `#${section.id}` }, section.title)]));
find('sections').append(...GROUPS.map((name) => {
  const own = SECTIONS.filter(({ group }) => group === name);
  return own.length > 0 && h('div', { class: 'sections' },
    h('p', { id: `group-${name}` }, name),
    h('ul', { 'aria-labelledby': `group-${name}` }, own.map((section) => h('li', {}, links.get(section)))));
}).filter(Boolean));
find('bar').querySelector('.mark').append(icon(ICONS.spark));

/** Each opening has a panel of its own, so that a late answer fills none but its own. */
async function open() {
  const own = sections();
  if (own.length === 0) return;
  const [id, ...path] = location.hash.slice(1).split('/');
  const section = own.find((one) => one.id === id) ?? own[0];
  for (const [one, link] of links) {
    link.closest('li').hidden = !own.includes(one);
    if (one === section) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  links.get(section).scrollIntoView({ block: 'nearest', inline: 'center' });
  document.title = `${section.title} · Admin`;
  const panel = h('section', { 'aria-label': section.title });
  find('panel').replaceChildren(panel);
  try {
    await section.open(panel, page, section.id === id ? path : []);
  } catch (error) {
    panel.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
  }
}

/** What the person may open: a supervisor the sections that say so (`role`). */
function sections() {
  const { me } = session;
  return SECTIONS.filter(({ role = 'admin' }) => me?.role === 'admin' || me?.role === role);
}

function show() {
  const { me } = session;
  const own = sections();
  find('admin').hidden = me == null;
  find('sections').hidden = own.length === 0;
  for (const group of find('sections').children) group.hidden = !own.some((one) => group.contains(links.get(one)));
  find('panel').replaceChildren();
  if (me && own.length === 0) {
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
  scrollTo(0, 0);
  find('panel').focus({ preventScroll: true });
});
find('sign-out').addEventListener('click', () => session.signOut());
account(find('me'), session);
await signIn.begin();
