/**
 * Owns the list of staff and admins: inviting, changing, letting go.
 * Refuses to know what a role may do beyond its one line.
 * Invariant: what is listed is what the server last said.
 */

import { h } from '../shared/dom.js';
import { ask, button, choice, field, moment, shownOnce } from '../shared/staff/dialogs.js';
import { everything, head, table } from './parts.js';

export const id = 'people';
export const title = 'People';
export const group = 'Settings';

const USERS = '/api/v1/admin/users';
const ROLES = [
  ['staff', 'Staff', 'Answers customers in the console.'],
  ['supervisor', 'Supervisor', 'Staff, and sees how all conversations are going.'],
  ['admin', 'Admin', 'Everything, and this page.'],
];
const NAME = Object.fromEntries(ROLES.map(([value, name]) => [value, name]));

export async function open(panel, page) {
  const users = await everything(page.session, USERS);
  const again = () => open(panel, page);
  panel.replaceChildren(
    head('People', 'Who may sign in to the console, and who may change how it works.',
      button('Invite somebody', () => invite(page, again), 'strong')),
    table('People', ['Person', 'Role', 'Status', 'Last signed in', ''], users.map((user) => [
      h('span', { class: 'person' }, h('strong', {}, user.name || user.email), user.name && h('span', { class: 'muted' }, user.email)),
      NAME[user.role],
      standing(user),
      moment(user.signed_in_at) ?? h('span', { class: 'muted' }, 'Never'),
      button('Change', () => change(user, page, again), 'plain-text', { 'aria-label': `Change ${user.email}` }),
    ])),
    ...(users.length === 1 ? [h('p', { class: 'teach' },
      'You are alone here. Invite the colleagues who answer customers: each gets a link by which they choose their own password.')] : []),
  );
}

function standing({ active, invited }) {
  if (!active) return h('span', { class: 'tag off' }, 'Deactivated');
  return invited ? h('span', { class: 'tag wait' }, 'Invited') : h('span', { class: 'tag good' }, 'Active');
}

function invite(page, again) {
  ask('Invite somebody', {
    text: page.session.ways.password
      ? 'They choose their own password by a link that you send them.'
      : 'They come in through the identity provider, by this e-mail address.',
    fields: [
      field('E-mail address', h('input', { id: 'invite-email', name: 'email', type: 'email', autocomplete: 'off', required: true })),
      field('Name', h('input', { id: 'invite-name', name: 'name', autocomplete: 'off', maxlength: '100' }), 'Customers read it beside what this person writes.'),
      choice('role', 'Role', ROLES, 'staff'),
    ],
    verb: 'Invite',
    send: async (data) => {
      const body = { email: data.get('email'), name: data.get('name') || null, role: data.get('role') };
      const made = await page.session.post(USERS, body);
      await again();
      return made.link ? letter(made.user.email, made)
        : h('p', {}, `${made.user.email} comes in by “Sign in with ${page.session.ways.provider}”.`);
    },
  });
}

function letter(email, { link, expires_at: until }) {
  return [
    h('p', {}, `Send this link to ${email}. It works once, until `, moment(until), ', and is shown only now.'),
    shownOnce('Link', new URL(link, location.origin).href),
  ];
}

function change(user, page, again) {
  const { session, say } = page;
  const path = `${USERS}/${user.id}`;
  const who = user.name || user.email;
  const does = (text, next) => button(text, () => {
    dialog.close();
    next();
  });
  const sure = (question, text, verb, danger, send, said) => ask(question, {
    text, verb, danger,
    send: async () => {
      await send();
      say(said);
      await again();
    },
  });
  const dialog = ask(`Change ${who}`, {
    text: user.name && user.email,
    fields: [
      field('Name', h('input', { id: 'change-name', name: 'name', autocomplete: 'off', maxlength: '100', value: user.name ?? '' })),
      choice('role', 'Role', ROLES, user.role),
    ],
    verb: 'Save',
    send: async (data) => {
      await session.patch(path, { name: data.get('name'), role: data.get('role') });
      say(`${who} is changed.`);
      await again();
    },
    more: [
      user.active && session.ways.password && does(user.invited ? 'New invitation link' : 'Password reset link', () => ask('Make a link', {
        text: `A link by which ${who} chooses a new password. Earlier links of theirs end.`,
        verb: 'Make the link',
        send: async () => letter(user.email, await session.post(`${path}/link`)),
      })),
      user.active && !user.invited && does('Sign out everywhere', () => sure(`Sign ${who} out everywhere?`,
        'They can sign in again at once. Use it when a device is lost.', 'Sign out', false,
        () => session.post(`${path}/sign_out`), `${who} is signed out everywhere.`)),
      user.active
        ? does('Deactivate', () => sure(`Deactivate ${who}?`,
          'They are signed out everywhere and cannot come back until you activate them. What they wrote stays.', 'Deactivate', true,
          () => session.patch(path, { active: false }), `${who} is deactivated.`))
        : does('Activate', () => sure(`Activate ${who}?`, 'They may sign in again.', 'Activate', false,
          () => session.patch(path, { active: true }), `${who} is active.`)),
    ].filter(Boolean),
  });
}
