/**
 * Owns the record of who did what, as it is read.
 * Refuses to change it.
 * Invariant: an action that has no sentence here is shown by its own name, never left out.
 */

import { h } from '../shared/dom.js';
import { button, moment } from '../shared/staff/dialogs.js';
import { empty, head, table } from './parts.js';

export const id = 'audit';
export const title = 'Audit';
export const group = 'Settings';

const GROUPS = [['', 'Everything'], ['account.', 'Sign-ins'], ['admin.', 'Admin changes'], ['staff.', 'Conversations']];
const WORDS = {
  'account.login': 'Signed in',
  'account.oidc_callback': 'Signed in through the identity provider',
  'account.logout': 'Signed out',
  'account.setup': 'Chose a password by a link',
  'account.change_password': 'Changed their password',
  'account.end_session': 'Ended one of their sessions',
  'account.end_other_sessions': 'Signed out their other sessions',
  'admin.change_words': 'Changed what the AI says, or its style',
  'admin.add_user': 'Added a person',
  'admin.change_user': 'Changed a person',
  'admin.make_link': 'Made a password link',
  'admin.sign_out_everywhere': 'Signed a person out everywhere',
  'admin.add_key': 'Made an API key',
  'admin.revoke_key': 'Revoked an API key',
  'staff.take_over': 'Took a conversation over',
  'staff.reply': 'Replied to a customer',
  'staff.note': 'Wrote a private note',
  'staff.return_to_ai': 'Returned a conversation to the AI',
  'staff.resolve': 'Resolved a conversation',
  'staff.snooze': 'Snoozed a conversation',
  'staff.assign': 'Assigned a conversation',
  'staff.labels': 'Changed labels',
  'staff.priority': 'Changed a priority',
  'staff.approve': 'Approved an answer of the AI',
  'staff.report': 'Reported an answer of the AI',
  'staff.suggest': 'Had a reply drafted',
  'staff.add_canned_reply': 'Added a canned reply',
  'staff.change_canned_reply': 'Changed a canned reply',
  'staff.delete_canned_reply': 'Deleted a canned reply',
  'admin.try_change': 'Tried a change at the gate',
  'admin.cancel_try': 'Cancelled a gate run',
  'admin.publish_tried': 'Published what was tried',
  'admin.add_golden': 'Added a golden question',
  'admin.change_golden': 'Changed a golden question',
  'admin.delete_golden': 'Deleted a golden question',
  'admin.import_golden': 'Took golden questions in from a file',
  'admin.draft_from_gap': 'Had a document drafted from a gap',
  'admin.check_gap': 'Asked a gap’s questions again',
  'admin.dismiss_gap': 'Dismissed a gap',
  'admin.reopen_gap': 'Reopened a gap',
  'admin.send_correction': 'Sent a customer a correction',
  'admin.skip_correction': 'Skipped a correction',
  'admin.change_widget': 'Changed the widget’s settings',
  'admin.upload_document': 'Took a document in',
  'admin.revise_document': 'Wrote a revision of a document',
  'admin.publish_document': 'Published a document',
  'admin.roll_back_document': 'Rolled a document back',
  'admin.unpublish_document': 'Made a published document a draft again',
  'admin.retire_document': 'Retired a document',
  'admin.restore_document': 'Brought a retired document back',
};
const FAILED = { 'account.login': 'Failed to sign in', 'account.oidc_callback': 'Failed to sign in through the identity provider' };

export async function open(panel, page) {
  const filter = { action: '', actor: '' };
  const list = h('div', { 'aria-live': 'polite' });
  const group = h('select', { id: 'audit-action', onchange: () => { filter.action = group.value; read(); } },
    GROUPS.map(([value, name]) => h('option', { value }, name)));
  const who = h('input', {
    id: 'audit-actor', type: 'search', placeholder: 'E-mail address or key’s name', autocomplete: 'off',
    onchange: () => { filter.actor = who.value.trim(); read(); },
  });
  panel.replaceChildren(
    head('Audit', 'Who did what, and from where. Entries cannot be changed; they go with their age.'),
    h('form', { class: 'filter', onsubmit: (event) => event.preventDefault() },
      h('label', { htmlFor: 'audit-action' }, 'What'), group,
      h('label', { htmlFor: 'audit-actor' }, 'Who'), who),
    list,
  );

  let asked = 0;
  async function read() {
    const mine = ++asked;
    const entries = [];
    await more(entries, null, mine);
  }
  async function more(entries, cursor, mine) {
    const query = new URLSearchParams({ limit: '50' });
    for (const [name, value] of Object.entries({ ...filter, cursor })) if (value) query.set(name, value);
    const { items, next } = await page.session.get(`/api/v1/admin/audit?${query}`);
    if (mine !== asked) return;
    entries.push(...items);
    list.replaceChildren(...[
      entries.length > 0 ? rows(entries) : nothing(filter),
      next && button('Show more', () => more(entries, next, mine), 'plain-text more'),
    ].filter(Boolean));
  }
  await read();
}

function rows(entries) {
  return table('Audit log', ['When', 'Who', 'What', 'Details', 'From'], entries.map((entry) => [
    moment(entry.at),
    h('span', { class: 'person' }, h('span', {}, entry.actor.name), entry.actor.kind === 'key' && h('span', { class: 'tag' }, 'API key')),
    h('span', {}, sentence(entry), entry.status >= 400 && h('span', { class: 'tag off' }, `refused (${entry.status})`)),
    details(entry),
    entry.address ? h('span', { class: 'muted address' }, entry.address) : null,
  ]));
}

/** A conversation is a way to it; the ids of people and keys help nobody who reads their names. */
function details({ detail, subject }) {
  const conversation = subject?.match(/^c_[\w-]+/)?.[0];
  if (conversation) {
    return h('span', { class: 'muted' }, detail ? `${detail} · ` : '', h('a', { href: `/console#${conversation}` }, `Conversation ${conversation.slice(2, 7)}`));
  }
  return muted(detail ?? subject);
}

/** Nothing at all where there is nothing to say: a phone leaves the line out. */
function muted(text) {
  return text ? h('span', { class: 'muted' }, text) : null;
}

function sentence({ action, status }) {
  return (status >= 400 && FAILED[action]) || WORDS[action] || action;
}

function nothing({ action, actor }) {
  return action || actor
    ? empty('Nothing found', 'Nobody did this. Choose “Everything” and take the name out to see all.')
    : empty('Nothing recorded yet', 'Every sign-in and every change that staff, admins and their programs make is written here.');
}
