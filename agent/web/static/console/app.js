/**
 * Owns how the console begins, what keys do, and what the page's title says.
 * Refuses to know how a conversation looks.
 * Invariant: without a session nothing but the sign-in is shown.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { account } from '../shared/staff/account.js';
import { Session } from '../shared/staff/session.js';
import { SignIn } from '../shared/staff/sign-in.js';
import { Context } from './context.js';
import { Desk } from './desk.js';
import { List } from './list.js';
import { Thread, showPane } from './thread.js';
import { SHORTCUTS } from './words.js';

const find = (id) => document.getElementById(id);
const session = new Session();
const desk = new Desk(session);
const list = new List(desk, choose);
const thread = new Thread(desk, back);
new Context(desk, thread);

async function choose(id) {
  if (!id) return;
  try {
    await desk.show(id);
    showPane('thread');
  } catch (error) {
    say(error.message);
  }
}

function back() {
  showPane('list');
  find('rows').querySelector('[aria-current]')?.focus();
}

function say(text) {
  find('announcer').textContent = text;
}

const signIn = new SignIn(session, {
  title: 'Sign in to the console', purpose: 'Conversations with customers, and who needs a person.',
});

function show() {
  find('desk').hidden = session.me == null;
  find('to-admin').hidden = session.me?.role !== 'admin';
}

session.addEventListener('entered', show);
session.addEventListener('left', show);
find('sign-out').addEventListener('click', () => session.signOut());
account(find('me'), session);
desk.addEventListener('connection', () => {
  find('connection').textContent = { open: '', connecting: '', waiting: 'No connection. Trying again …' }[desk.connection];
});
desk.addEventListener('arrived', () => say('A customer waits for a person.'));
desk.addEventListener('list', () => {
  const waiting = desk.items.filter((item) => item.status === 'open' && item.waiting_since).length;
  document.title = waiting ? `(${waiting}) Console` : 'Console';
});

for (const mark of document.querySelectorAll('#bar .mark')) mark.append(icon(ICONS.spark));

const help = find('help');
help.append(
  h('h2', { id: 'help-title' }, 'Keyboard shortcuts'),
  h('dl', {}, SHORTCUTS.map(([keys, what]) => [h('dt', {}, h('kbd', {}, keys)), h('dd', {}, what)])),
  h('form', { method: 'dialog' }, h('button', { class: 'strong' }, 'Close')),
);
find('help-button').addEventListener('click', () => help.showModal());

const KEYS = {
  j: () => choose(list.beside(1)),
  k: () => choose(list.beside(-1)),
  r: () => thread.write('messages'),
  n: () => thread.write('notes'),
  d: () => thread.draft(),
  t: () => desk.open && thread.does('take_over'),
  a: () => desk.open && thread.does('return_to_ai'),
  e: () => desk.open && thread.does('resolve'),
  '/': () => find('search').focus(),
  '?': () => help.showModal(),
};

document.addEventListener('keydown', (event) => {
  if (!session.me || document.querySelector('dialog[open]') || event.ctrlKey || event.metaKey || event.altKey) return;
  const writes = event.target.closest('input, textarea, select');
  if (event.key === 'Escape') {
    if (writes) writes.blur();
    else back();
  } else if (!writes && KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

await signIn.begin();
