/**
 * Owns how the console begins, where its address leads, and what keys do.
 * Refuses to know how a conversation looks.
 * Invariant: without a session nothing but the sign-in is shown.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { account } from '../shared/staff/account.js';
import { Session } from '../shared/staff/session.js';
import { SignIn } from '../shared/staff/sign-in.js';
import { Alerts } from './alerts.js';
import { Backstage } from './backstage.js';
import { CannedDialog } from './canned.js';
import { Composer } from './composer.js';
import { Context } from './context.js';
import { Desk } from './desk.js';
import { Dialogs } from './dialogs.js';
import { List } from './list.js';
import { Overview } from './overview.js';
import { Presence } from './presence.js';
import { Thread, showPane } from './thread.js';
import { SHORTCUTS } from './words.js';

const find = (id) => document.getElementById(id);
const session = new Session();
const desk = new Desk(session);
const backstage = new Backstage(session);
const presence = new Presence(session, desk);
const composer = new Composer(desk, backstage, presence);
const dialogs = new Dialogs(desk);
const list = new List(desk, backstage, choose);
new Thread({ desk, backstage, composer, dialogs, back });
new Context({ desk, backstage, composer, choose });
const overview = new Overview(desk, backstage, choose, () => { location.hash = ''; });
const canned = new CannedDialog(backstage);
new Alerts(desk, choose);

/** The address names what is shown, so that the browser's own Back works, on a phone above all. */
function choose(id) {
  if (!id) return;
  if (location.hash === `#${id}`) route();
  else location.hash = id;
}

async function route() {
  const id = location.hash.slice(1);
  if (!session.me) return;
  const watches = id === 'overview' && backstage.supervises;
  overview.show(watches);
  find('overview-button').setAttribute('aria-pressed', String(watches));
  if (watches) return showPane('overview');
  if (!/^c_[\w-]+$/.test(id)) return showPane('list');
  try {
    await desk.show(id);
    showPane('thread');
  } catch (error) {
    say(error.message);
    showPane('list');
  }
}

function back() {
  showPane('list');
  overview.show(false);
  find('overview-button').setAttribute('aria-pressed', 'false');
  find('rows').querySelector('[aria-current]')?.focus();
}

function say(text) {
  find('announcer').textContent = text;
}

const signIn = new SignIn(session, {
  title: 'Sign in to the console', purpose: 'Conversations with customers, and who needs a person.', page: 'console',
});

function show() {
  find('desk').hidden = session.me == null;
  find('to-admin').hidden = !['admin', 'supervisor'].includes(session.me?.role);
  find('to-admin').textContent = session.me?.role === 'supervisor' ? 'Outcomes' : 'Admin';
  for (const id of ['overview-button', 'canned-button']) find(id).hidden = !backstage.supervises;
  if (session.me) route();
}

function watch() {
  if (!backstage.supervises) return;
  location.hash = location.hash === '#overview' ? desk.open?.id ?? '' : 'overview';
}

session.addEventListener('entered', show);
session.addEventListener('left', show);
globalThis.addEventListener('hashchange', route);
find('sign-out').addEventListener('click', () => session.signOut());
account(find('me'), session);
find('overview-button').addEventListener('click', watch);
find('canned-button').addEventListener('click', () => canned.show());
desk.addEventListener('connection', () => {
  find('connection').textContent = { open: '', connecting: '', waiting: 'No connection. Trying again …' }[desk.connection];
});
desk.addEventListener('arrived', () => say('A customer waits for a person.'));

for (const mark of document.querySelectorAll('#bar .mark')) mark.append(icon(ICONS.spark));
find('notify').append(icon(ICONS.bell));
find('overview-button').prepend(icon(ICONS.bars));
find('canned-button').prepend(icon(ICONS.text));

const help = find('help');
help.append(
  h('h2', { id: 'help-title' }, 'Keyboard shortcuts'),
  h('dl', {}, SHORTCUTS.map(([keys, what]) => [h('dt', {}, keys.split(' ').map((key) => h('kbd', {}, key))), h('dd', {}, what)])),
  h('form', { method: 'dialog', class: 'row' }, h('button', { class: 'strong' }, 'Close')),
);
find('help-button').addEventListener('click', () => help.showModal());

/** Goes to a control of the right pane, which may be out of sight. */
function goTo(id) {
  if (!desk.open) return;
  showPane('context');
  find(id)?.focus();
}

const does = (verb) => desk.open && composer.does(verb);
const KEYS = {
  j: () => choose(list.beside(1)),
  k: () => choose(list.beside(-1)),
  r: () => composer.write('messages'),
  n: () => composer.write('notes'),
  d: () => composer.draft(),
  t: () => does('take_over'),
  i: () => goTo('assignee'),
  p: () => goTo('priority'),
  l: () => goTo('new-label'),
  f: () => goTo('policy-query'),
  s: () => dialogs.snooze(),
  a: () => does('return_to_ai'),
  e: () => does('resolve'),
  o: watch,
  '/': () => { showPane('list'); find('search').focus(); },
  '?': () => help.showModal(),
};

document.addEventListener('keydown', (event) => {
  if (!session.me || document.querySelector('dialog[open]') || event.ctrlKey || event.metaKey || event.altKey) return;
  const writes = event.target.closest('input, textarea, select');
  if (event.key === 'Escape') {
    composer.stop();
    if (writes) writes.blur();
    else back();
  } else if (!writes && Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

await signIn.begin();
