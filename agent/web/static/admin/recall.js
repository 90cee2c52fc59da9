/**
 * Owns the panel of a document with those who were answered from an older revision of it.
 * Refuses to compare answers with documents: the server does; and it sends nothing that nobody has read.
 * Invariant: what was seen to is shown as such and cannot be sent twice.
 */

import { h } from '../shared/dom.js';
import { ask, button, field, moment } from '../shared/staff/dialogs.js';

const VERDICT = {
  changed: ['Wrong now', 'off'], gone: ['Not said any more', 'wait'],
  reworded: ['Reads differently', 'wait'], same: ['Still right', 'good'],
};

/** Fills `panel`, a page at a time, wrong answers first; with nothing if there are none. Gives whether there are. */
export async function recallPanel(panel, page, { documentId }) {
  const path = `/api/v1/admin/documents/${encodeURIComponent(documentId)}/recall`;
  const list = h('div', { class: 'recalls' });
  panel.classList.add('recall');
  try {
    return await more(null);
  } catch (error) {
    panel.replaceChildren(h('p', { class: 'error', role: 'alert' }, error.message));
    return true;
  }

  async function more(cursor) {
    const query = new URLSearchParams({ limit: '25', ...(cursor && { cursor }) });
    const { items, next, counts } = await page.session.get(`${path}?${query}`);
    list.append(...items.map((item) => answer(item, page)));
    panel.replaceChildren(...(list.childElementCount > 0 ? [heading(counts), list] : []));
    if (next) panel.append(button('Show more', () => more(next), 'plain-text more'));
    return list.childElementCount > 0;
  }
}

function heading(counts) {
  const found = Object.entries(VERDICT).filter(([verdict]) => counts[verdict] > 0);
  return h('div', { class: 'recall-head' },
    h('h3', {}, 'Answered from older revisions'),
    h('div', { class: 'tags' }, found.map(([verdict, [name, look]]) => h('span', { class: `tag ${look}` }, `${name}: ${counts[verdict]}`))));
}

function answer(item, page) {
  const [verdict, look] = VERDICT[item.verdict];
  const footer = h('footer', {});
  const article = h('article', { class: 'gap', 'aria-label': item.question },
    h('header', {}, h('div', {},
      h('h4', {}, item.question),
      h('div', { class: 'tags' }, h('span', { class: `tag ${look}` }, verdict), h('span', { class: 'tag' }, `Revision ${item.revision}`)),
      h('p', { class: 'muted gap-times' }, moment(item.at), ' · ',
        h('a', { href: `/console#${item.conversation_id}`, 'aria-label': `Conversation: ${item.question}` }, 'Conversation')))),
    h('p', { class: 'told' }, item.answer),
    item.differences.map(({ was, now }) => h('dl', { class: 'was-now' },
      h('div', {}, h('dt', {}, 'Was'), h('dd', {}, h('del', {}, was))),
      h('div', {}, h('dt', {}, 'Now'), h('dd', {}, now ? h('ins', {}, now) : h('span', { class: 'muted' }, 'Nothing'))))),
    footer);
  show(item.mark);
  return article;

  function show(mark) {
    if (mark?.state === 'sent') return footer.replaceChildren(h('p', { class: 'hint' }, `${mark.author} wrote to the customer `, moment(mark.at)));
    const send = button('Write to the customer', () => correct(item, page, show), item.verdict === 'same' ? 'plain-text' : 'strong', { 'aria-label': `Write to the customer: ${item.question}` });
    if (mark) return footer.replaceChildren(h('p', { class: 'hint' }, `${mark.author} skipped this `, moment(mark.at)), h('div', { class: 'row-actions' }, send));
    const skip = button('Skip', async () => {
      try {
        await page.session.post(`/api/v1/admin/recall/${item.message_id}/skip`);
        page.say('Skipped.');
        show({ state: 'skipped', author: 'You', at: new Date().toISOString() });
      } catch (error) {
        page.say(error.message);
        said.textContent = error.message;
      }
    }, 'quiet', { 'aria-label': `Skip: ${item.question}` });
    const said = h('p', { class: 'error', role: 'alert' });
    return footer.replaceChildren(said, h('div', { class: 'row-actions' }, item.verdict !== 'same' && skip, send));
  }
}

function correct(item, page, show) {
  const words = h('textarea', { id: 'correction', name: 'content', rows: '8', maxlength: '4000', value: item.draft.content });
  ask('Write to the customer', {
    text: 'It goes into their conversation as your message, and the conversation is yours then.',
    fields: [field('Message', words, item.draft.citations.length > 0 ? 'A number in square brackets becomes a link to the source: leave it in.' : undefined)],
    verb: 'Send',
    send: async (data) => {
      await page.session.post(`/api/v1/admin/recall/${item.message_id}/send`, { content: data.get('content') });
      page.say('Sent.');
      show({ state: 'sent', author: 'You', at: new Date().toISOString() });
    },
  });
}
