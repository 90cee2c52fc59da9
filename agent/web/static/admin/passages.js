/** Owns how passages look as the AI sees them, one by one. Refuses to know where they come from. */

import { h } from '../shared/dom.js';
import { showMarkdown } from '../shared/markdown.js';

/** `count` is how many there are, where not all of them are given. */
export function passages(items, count = items.length) {
  return [
    h('ol', { class: 'passages' }, items.map(({ position, section, text }) => {
      const body = h('div', { class: 'markdown' });
      showMarkdown(body, text);
      return h('li', {}, h('p', { class: 'passage-head' }, h('span', { class: 'n' }, String(position + 1)), section ?? 'No section'), body);
    })),
    count > items.length && h('p', { class: 'muted' }, `And ${count - items.length} more.`),
  ];
}
