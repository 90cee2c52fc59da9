/**
 * Owns one's own account, in a dialog: the password, and where one is signed in.
 * Refuses to know what one may do.
 * Invariant: a changed password ends every session but the one that changed it.
 */

import { h, icon } from '../dom.js';
import { ICONS } from '../icons.js';
import { ask, button, field, moment } from './dialogs.js';

/** `opener` says who is signed in, and opens it. */
export function account(opener, session) {
  const email = h('span');
  opener.append(icon(ICONS.person), email);
  session.addEventListener('entered', () => { email.textContent = session.me.email; });
  opener.addEventListener('click', () => show(session));
}

async function show(session) {
  const sessions = h('ul', { class: 'sessions' }, h('li', { class: 'muted' }, 'Reading where you are signed in …'));
  const signedIn = h('section', {}, h('h3', {}, 'Where you are signed in'), sessions);
  const password = h('section', { class: 'group' }, h('h3', {}, 'Change your password'),
    field('Old password', h('input', { id: 'old-password', name: 'old', type: 'password', autocomplete: 'current-password' })),
    field('New password', h('input', { id: 'new-password', name: 'password', type: 'password', autocomplete: 'new-password' }),
      'At least 8 characters. You are signed out everywhere else.'));
  const dialog = ask('Your account', session.ways.password ? {
    text: session.me.email,
    fields: [signedIn, password],
    verb: 'Change the password',
    send: async (data) => {
      await session.changePassword(data.get('old'), data.get('password'));
      return h('p', {}, 'Your password is changed, and you are signed out everywhere else.');
    },
  } : { text: session.me.email, fields: [signedIn], verb: 'Done', send: async () => null });
  list(session, sessions).catch((error) => {
    if (dialog.open) sessions.replaceChildren(h('li', { class: 'error' }, error.message));
  });
}

async function list(session, place) {
  const { items } = await session.get('/api/v1/sessions');
  const end = (path) => async (event) => {
    event.currentTarget.disabled = true;
    await session.delete(path);
    await list(session, place);
  };
  place.replaceChildren(...items.map((one) => h('li', {},
    h('span', {}, browser(one.agent), h('span', { class: 'hint' }, 'Since ', moment(one.created_at), one.address ? ` from ${one.address}` : '')),
    one.current
      ? h('span', { class: 'tag good' }, 'This one')
      : button('Sign out', end(`/api/v1/sessions/${one.id}`), 'plain-text', { 'aria-label': `Sign out ${browser(one.agent)}` }))),
  items.length > 2 ? h('li', {}, h('span'), button('Sign out all others', end('/api/v1/sessions'))) : '');
}

const BROWSERS = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
const SYSTEMS = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'macOS'], ['Linux', 'Linux']];

/** "Firefox on Linux", as well as a browser's own words tell. */
function browser(agent) {
  const name = (known) => known.find(([mark]) => agent?.includes(mark))?.[1];
  const [program, system] = [name(BROWSERS), name(SYSTEMS)];
  if (!program) return agent ? 'Another program' : 'Unknown browser';
  return system ? `${program} on ${system}` : program;
}
