/**
 * Owns what the list of documents and a document's own page say alike: its standing, its days, its steps to
 * customers and back.
 * Refuses to know how a page is laid out.
 * Invariant: what customers see changes after a confirmation only, and can be taken back.
 */

import { h } from '../shared/dom.js';
import { date } from '../shared/format.js';
import { ask } from '../shared/staff/dialogs.js';
import { toast } from './toast.js';

export const DOCUMENTS = '/api/v1/admin/documents';
const PATIENT = { timeoutMs: 300_000 }; // a long document's passages are embedded when it is published

const day = (value) => date(value, navigator.language);
const tag = (text, look = '') => h('span', { class: `tag ${look}` }, text);

/** Tags that say where a document or a revision stands. */
export function standing(one) {
  const { status, waiting, audience } = one;
  const shown = status === 'published' ? tag(...inForce(one)) : status === 'retired' ? tag('Retired', 'off') : tag('Draft');
  return h('span', { class: 'tags' }, shown, waiting && status === 'published' && tag('Draft waiting', 'wait'), audience === 'staff' && tag('Staff only'));
}

function inForce({ in_force: now, effective_from: from, effective_to: to }) {
  if (now !== false) return ['Published', 'good'];
  const ended = to && to <= new Date().toISOString().slice(0, 10);
  return ended || !from ? [`Ended ${day(to)}`, 'off'] : [`From ${day(from)}`, 'wait'];
}

/** "From 1 Feb 2026 until 1 Mar 2026", or nothing. */
export function days({ effective_from: from, effective_to: to }) {
  if (!from && !to) return null;
  return [from && `from ${day(from)}`, to && `until ${day(to)}`].filter(Boolean).join(' ');
}

/** The name a file had, without what keeps it apart from others of its name. */
export function fileName({ source, key }) {
  return source === 'upload' ? key.replace(/^[0-9a-f]+\//, '') : key;
}

export function times(count, one, many = `${one}s`) {
  return `${new Intl.NumberFormat(navigator.language).format(count)} ${count === 1 ? one : many}`;
}

/** The steps of a document; each asks first, then `done()` shows it anew, and so does taking it back. */
export function steps(page, one, done) {
  const path = `${DOCUMENTS}/${one.id}`;
  const { session } = page;
  const post = (verb, body) => session.post(`${path}/${verb}`, body, PATIENT);
  const backToBefore = () => {
    if (one.status === 'published') return post('publish', { revision: one.revision });
    return one.status === 'retired' ? session.delete(path) : post('unpublish');
  };
  function step(title, text, verb, act, said, undo, { danger = false, fields = [] } = {}) {
    let acted = false;
    const dialog = ask(title, {
      text, verb, danger, fields,
      send: async (data) => {
        await act(data);
        acted = true;
      },
    });
    // While the dialog stands, nothing behind it can be reached.
    dialog.addEventListener('close', async () => {
      if (!acted) return;
      await done();
      toast(said, async () => {
        await undo();
        await done();
      });
    });
  }
  return {
    publish: (revision) => step(`Publish revision ${revision}?`,
      one.status === 'published'
        ? `Customers are answered from it from now on, in place of revision ${one.revision}.`
        : `Customers are answered from “${one.title}” from now on.`,
      'Publish', () => post('publish', { revision }), `Revision ${revision} is published.`, backToBefore),
    rollBack: (revision) => step(`Roll back to revision ${revision}?`,
      'A new revision with its content is published at once. Nothing is lost: every revision stays.',
      'Roll back', (data) => post('rollback', { revision, note: data.get('note') || null }), `Rolled back to revision ${revision}.`, backToBefore,
      { fields: [h('div', { class: 'field' }, h('label', { htmlFor: 'rollback-note' }, 'Why (optional)'), h('input', { id: 'rollback-note', name: 'note', maxlength: '500', autocomplete: 'off' }))] }),
    retire: () => step(`Retire “${one.title}”?`,
      one.status === 'published'
        ? 'Customers are not answered from it any more. Its revisions stay, and you can bring it back at any time.'
        : 'It goes out of your drafts. Its revisions stay, and you can bring it back at any time.',
      'Retire', () => session.delete(path), `“${one.title}” is retired.`, () => post('restore'), { danger: true }),
    restore: () => step(`Bring “${one.title}” back?`,
      'It is as before it was retired: published again if customers were answered from it, else a draft.',
      'Bring it back', () => post('restore'), `“${one.title}” is back.`, () => session.delete(path)),
  };
}

/** What may be said beside a document, as fields of a form; `one` fills them. */
export function saidFields(one = {}, prefix = 'said') {
  const input = (name, label, properties, hint) => {
    const control = h('input', { id: `${prefix}-${name}`, name, autocomplete: 'off', value: one[name] ?? '', ...properties });
    if (hint) control.setAttribute('aria-describedby', `${control.id}-hint`);
    return h('div', { class: 'field' }, h('label', { htmlFor: control.id }, label), control, hint && h('p', { class: 'hint', id: `${control.id}-hint` }, hint));
  };
  const audience = h('select', { id: `${prefix}-audience`, name: 'audience' },
    [['public', 'Customers and staff'], ['staff', 'Staff only']].map(([value, name]) => h('option', { value }, name)));
  audience.value = one.audience ?? 'public';
  return [
    input('title', 'Title', { maxlength: '200' }),
    h('div', { class: 'field' }, h('label', { htmlFor: audience.id }, 'For'), audience),
    h('div', { class: 'two' },
      input('effective_from', 'From', { type: 'date' }, 'First day. Empty: at once.'),
      input('effective_to', 'Until', { type: 'date' }, 'First day without it. Empty: no end.')),
    input('note', 'Note', { maxlength: '500', value: '' }, 'For colleagues: what changed, and why.'),
  ];
}
