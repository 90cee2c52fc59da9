/**
 * Owns the list of API keys: making and revoking them.
 * Refuses to keep a key: it is shown once and forgotten with its dialog.
 * Invariant: a key opens what was ticked and nothing else.
 */

import { h } from '../shared/dom.js';
import { ask, button, choice, field, moment, shownOnce } from '../shared/staff/dialogs.js';
import { empty, everything, head, table } from './parts.js';

export const id = 'keys';
export const title = 'API keys';
export const group = 'Settings';

const KEYS = '/api/v1/admin/keys';
const PROGRAMS = [
  ['v1', 'Answers and the model', 'The OpenAI-compatible API under /v1.'],
  ['metrics', 'Numbers', '/metrics and /openapi.json from other machines.'],
];
const ROLES = [
  ['', 'Nothing more', 'No customer’s conversation can be read with it.'],
  ['staff', 'As staff', 'Reads and answers customers’ conversations.'],
  ['supervisor', 'As supervisor', 'Staff, and what supervisors see.'],
  ['admin', 'As admin', 'Everything, this page’s calls too.'],
];
const NAME = Object.fromEntries([...PROGRAMS, ...ROLES].map(([value, name]) => [value, name]));

export async function open(panel, page) {
  const keys = await everything(page.session, KEYS);
  const again = () => open(panel, page);
  const make = (look) => button('Make a key', () => add(page, again), look);
  panel.replaceChildren(
    head('API keys', 'For programs that ask Frontdesk, each with no more rights than it needs.', make('strong')),
    keys.length > 0
      ? table('API keys', ['Name', 'Opens', 'Made', 'Last used', ''], keys.map((key) => [
        h('strong', {}, key.name),
        h('span', { class: 'tags' }, key.scopes.map((scope) => h('span', { class: 'tag' }, NAME[scope] ?? scope))),
        moment(key.created_at),
        moment(key.used_at) ?? h('span', { class: 'muted' }, 'Never'),
        button('Revoke', () => revoke(key, page, again), 'plain-text', { 'aria-label': `Revoke ${key.name}` }),
      ]))
      : empty('No keys yet', 'A key lets another program ask questions as the OpenAI client does, read numbers, or work through '
        + 'conversations. Make one for each program: then you can take one away without stopping the others.', make('plain-text')),
  );
}

function add(page, again) {
  ask('Make an API key', {
    fields: [
      field('Name', h('input', { id: 'key-name', name: 'name', autocomplete: 'off', maxlength: '100' }), 'The program that will use it.'),
      choice('scope', 'It opens', PROGRAMS, ['v1'], 'checkbox'),
      choice('role', 'And customers’ conversations', ROLES, ''),
    ],
    verb: 'Make the key',
    send: async (data) => {
      const scopes = [...data.getAll('scope'), data.get('role')].filter(Boolean);
      if (!data.get('name').trim()) throw Object.assign(new Error('Give it a name, so that you know it again.'), { field: 'name' });
      if (!scopes.length) throw new Error('Tick at least one thing that it opens.');
      const made = await page.session.post(KEYS, { name: data.get('name'), scopes });
      await again();
      return [
        h('p', {}, 'Copy the key now: it is shown only this once. A program sends it as “Authorization: Bearer …”.'),
        shownOnce('API key', made.key),
      ];
    },
  });
}

function revoke(key, page, again) {
  ask(`Revoke ${key.name}?`, {
    text: 'Programs that use it are refused from now on. This cannot be undone.',
    verb: 'Revoke',
    danger: true,
    send: async () => {
      await page.session.delete(`${KEYS}/${key.id}`);
      page.say(`${key.name} is revoked.`);
      await again();
    },
  });
}
