/** Owns the facts about Markdown as a tree and as plain text. `run()` gives a list of failures. */

import { parseMarkdown, plainText, safeUrl } from '../../agent/web/static/shared/markdown.js';
import { differs } from './check.js';

const p = (...c) => ({ t: 'p', c });
const strong = (...c) => ({ t: 'strong', c });

const TREES = [
  ['bold, italic and code', '**a** *b* _c_ `d*e*`',
    [p(strong('a'), ' ', { t: 'em', c: ['b'] }, ' ', { t: 'em', c: ['c'] }, ' ', { t: 'code', text: 'd*e*' })]],
  ['nested emphasis', '**a *b* c**', [p(strong('a ', { t: 'em', c: ['b'] }, ' c'))]],
  ['lone marks stay text', '2 * 3 * 4, snake_case_name, 5*', [p('2 * 3 * 4, snake_case_name, 5*')]],
  ['a citation', 'Yes. [1][2] [3, 4]', [p('Yes. ', { t: 'cite', n: [1], raw: '[1]' }, { t: 'cite', n: [2], raw: '[2]' },
    ' ', { t: 'cite', n: [3, 4], raw: '[3, 4]' })]],
  ['a link', '[the *page*](https://example.org/a)',
    [p({ t: 'a', href: 'https://example.org/a', c: ['the ', { t: 'em', c: ['page'] }] })]],
  ['a bare address loses the full stop', 'See https://example.org/a.',
    [p('See ', { t: 'a', href: 'https://example.org/a', c: ['https://example.org/a'] }, '.')]],
  ['an address that runs code stays text', '[x](javascript:alert(1))', [p('[x](javascript:alert(1))')]],
  ['HTML stays text', '<img src=x onerror=alert(1)><b>x</b>', [p('<img src=x onerror=alert(1)><b>x</b>')]],
  ['a nested list', '- a\n  - b\n- c', [{ t: 'ul', start: null, items: [
    [p('a'), { t: 'ul', start: null, items: [[p('b')]] }], [p('c')]] }]],
  ['a numbered list goes on after a gap', '3. a\n\n4. b', [{ t: 'ol', start: 3, items: [[p('a')], [p('b')]] }]],
  ['a table', '| a | b |\n|---|--:|\n| 1 | **2** |', [{ t: 'table', align: ['start', 'end'],
    head: [['a'], ['b']], rows: [[['1'], [strong('2')]]] }]],
  ['a list ends at a paragraph after a gap', '- a\n\nb', [{ t: 'ul', start: null, items: [[p('a')]] }, p('b')]],
  ['a heading and a rule', '## T\n---', [{ t: 'h', c: ['T'] }, { t: 'hr' }]],
  ['a fence', '```sql\na < b\n```', [{ t: 'pre', text: 'a < b' }]],
  ['an escape', '\\*a\\* \\[1\\]', [p('*a* [1]')]],
  ['a quote', '> a\n> b', [{ t: 'quote', c: [p('a', { t: 'br' }, 'b')] }]],
];

const OPEN = [
  ['bold that is not closed yet', 'So **this', [p('So ', strong('this'))]],
  ['the first lines of a table are held back', 'So:\n\n| a | b |\n|---', [p('So:')]],
  ['half a citation marker is held back', 'Yes. [1', [p('Yes.')]],
];

const ADDRESSES = [
  ['https://example.org/', 'https://example.org/'],
  ['mailto:a@example.org', 'mailto:a@example.org'],
  ['javascript:alert(1)', null],
  [' java\nscript:alert(1)', null],
  ['data:text/html,x', null],
  ['//example.org', null],
  ['/relative', null],
];

export function run() {
  const failures = [];
  for (const [name, text, tree] of TREES) failures.push(...differs(name, tree, parseMarkdown(text)));
  for (const [name, text, tree] of OPEN) failures.push(...differs(name, tree, parseMarkdown(text, { open: true })));
  for (const [address, href] of ADDRESSES) failures.push(...differs(`safeUrl(${address})`, href, safeUrl(address)));
  failures.push(...differs('plain text', 'Yes, 35 EUR.\na\nb', plainText('Yes, **35 EUR** [1].\n\n- a\n- b')));
  failures.push(...differs('plain text with marks', 'Yes [1].', plainText('Yes [1].', { citations: true })));
  for (const piece of ['*', '_', '[', '](', '`', '> ', '- ', '|', '**a ', '<', '\n']) {
    const tree = parseMarkdown(piece.repeat(4000));
    if (!Array.isArray(tree)) failures.push(`${piece} many times over: no tree`);
  }
  return failures;
}
