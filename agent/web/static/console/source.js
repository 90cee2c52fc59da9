/** Owns how one passage of a policy looks. Refuses to know who found it. */

import { h } from '../shared/dom.js';

/** Its title, and its words behind it; `insert`, if given, puts a quote of it into the reply. */
export function source({ n, title, section, quote, revision, audience }, insert) {
  const name = section && section !== title ? `${title} — ${section}` : title;
  const words = quote.replace(/^#+ .*\n+/, ''); // its heading is its name already
  const able = typeof insert === 'function';
  return h('details', { class: 'source' },
    h('summary', {}, n != null && h('span', { class: 'n' }, String(n)), name, audience === 'staff' && h('span', { class: 'tag' }, 'staff only')),
    h('blockquote', {}, words),
    h('p', { class: 'muted' }, `Revision ${revision}`),
    able && h('button', { type: 'button', class: 'plain-text', onclick: () => insert(`“${words}” (${name})`) }, 'Quote in the reply'));
}
