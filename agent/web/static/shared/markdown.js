/**
 * Owns Markdown: text to a plain tree (pure), and the tree to DOM nodes.
 * Refuses HTML (it stays text), images, and links that are not http, https or mailto.
 * Invariant: no input makes an element, attribute or address that this file does not name.
 */

import { h } from './dom.js';

const DEEPEST = 6;
const ESCAPED = /[\\`*_{}[\]()#+\-.!|<>~]/;
const CITATION = /\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\](?!\()/y;
const ANGLED = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/iy;
const BARE = /https?:\/\/[^\s<>]{1,2000}/iy;
const BREAK = /<br\s*\/?>/iy;
const ITEM = /^(\s*)([-*+•]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const DELIMITER_ROW = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** The address if it may be followed from a message, else null. */
export function safeUrl(address) {
  try {
    const url = new URL(address);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * Blocks: {t: 'p'|'h'|'quote'|'ul'|'ol'|'table'|'pre'|'hr', …}. With `open` the text is still
 * being written: emphasis that is not closed yet counts as closed at its end.
 */
export function parseMarkdown(text, { open = false } = {}) {
  const source = text.replace(/\r\n?/g, '\n');
  return blocks((open ? settled(source) : source).split('\n'), open, 0);
}

/** Without an end that would flash as text: half of a citation marker, a table that is none yet. */
function settled(source) {
  const lines = source.replace(/\[[\d,\s]{0,8}$/, '').trimEnd().split('\n');
  let first = lines.length;
  while (first > 0 && lines[first - 1].trimStart().startsWith('|')) first -= 1;
  return (first < lines.length && !table(lines, first, true) ? lines.slice(0, first) : lines).join('\n');
}

function blocks(lines, open, depth) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (!line.trim()) {
      at += 1;
      continue;
    }
    const [block, next] = fence(lines, at) || table(lines, at, open) || list(lines, at, open, depth)
      || quote(lines, at, open, depth) || single(lines, at, open) || paragraph(lines, at, open);
    found.push(block);
    at = next;
  }
  return found;
}

function fence(lines, at) {
  const opening = /^ {0,3}(`{3,}|~{3,})/.exec(lines[at]);
  if (!opening) return null;
  let end = at + 1;
  while (end < lines.length && !lines[end].trim().startsWith(opening[1])) end += 1;
  return [{ t: 'pre', text: lines.slice(at + 1, end).join('\n') }, end + 1];
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, '').replace(/(^|[^\\])\|$/, '$1');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, '|'));
}

function table(lines, at, open) {
  const rule = lines[at + 1];
  if (!lines[at].includes('|') || !rule?.includes('-') || !DELIMITER_ROW.test(rule)) return null;
  const head = cells(lines[at]);
  const align = cells(rule).map((cell) =>
    cell.endsWith(':') ? (cell.startsWith(':') ? 'center' : 'end') : 'start');
  if (align.length !== head.length) return null;
  let end = at + 2;
  const rows = [];
  while (end < lines.length && lines[end].includes('|') && lines[end].trim()) {
    const row = cells(lines[end]).slice(0, head.length);
    while (row.length < head.length) row.push('');
    rows.push(row.map((cell) => inline(cell, open)));
    end += 1;
  }
  return [{ t: 'table', align, head: head.map((cell) => inline(cell, false)), rows }, end];
}

function list(lines, at, open, depth) {
  const first = ITEM.exec(lines[at]);
  if (!first || depth >= DEEPEST || RULE.test(lines[at])) return null;
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const line = lines[end];
    const item = ITEM.exec(line);
    const indented = line.length - line.trimStart().length;
    if (item && item[1].length <= indent + 1) {
      if (item[1].length < indent || /\d/.test(item[2]) !== ordered) break;
      items.push([item[3]]);
    } else if (!line.trim()) {
      const following = lines.slice(end + 1).find((later) => later.trim());
      if (following === undefined || !(ITEM.test(following) || /^\s{2,}/.test(following))) break;
      items.at(-1).push('');
    } else if (indented > indent || !breaksParagraph(lines, end)) {
      items.at(-1).push(line.slice(Math.min(indented, indent + 2)));
    } else {
      break;
    }
    end += 1;
  }
  const parsed = items.map((item) => blocks(item, open, depth + 1));
  return [{ t: ordered ? 'ol' : 'ul', start: ordered ? parseInt(first[2], 10) : null, items: parsed }, end];
}

function quote(lines, at, open, depth) {
  if (!/^ {0,3}>/.test(lines[at]) || depth >= DEEPEST) return null;
  let end = at;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ''));
  return [{ t: 'quote', c: blocks(inner, open, depth + 1) }, end];
}

function single(lines, at, open) {
  if (RULE.test(lines[at])) return [{ t: 'hr' }, at + 1];
  const heading = HEADING.exec(lines[at]);
  return heading && [{ t: 'h', c: inline(heading[2], open) }, at + 1];
}

function breaksParagraph(lines, at) {
  const line = lines[at];
  return !line.trim() || RULE.test(line) || HEADING.test(line) || ITEM.test(line)
    || /^ {0,3}(>|`{3}|~{3})/.test(line)
    || (line.includes('|') && DELIMITER_ROW.test(lines[at + 1] ?? '') && lines[at + 1].includes('-'));
}

function paragraph(lines, at, open) {
  let end = at + 1;
  while (end < lines.length && !breaksParagraph(lines, end)) end += 1;
  const text = lines.slice(at, end).map((line) => line.trim()).join('\n');
  return [{ t: 'p', c: inline(text, open) }, end];
}

/** Inlines: strings and {t: 'strong'|'em'|'code'|'a'|'cite'|'br', …}. */
function inline(text, open, depth = 0) {
  const out = [];
  const unclosed = new Set();
  let plain = '';
  let at = 0;
  const put = (node, next) => {
    if (plain) out.push(plain);
    plain = '';
    out.push(node);
    at = next;
  };
  while (at < text.length) {
    const found = token(text, at, open, depth, unclosed);
    if (found) put(...found);
    else if (text[at] === '\\' && ESCAPED.test(text[at + 1] ?? '')) {
      plain += text[at + 1];
      at += 2;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  if (plain) out.push(plain);
  return out;
}

function token(text, at, open, depth, unclosed) {
  switch (text[at]) {
    case '\n':
      return [{ t: 'br' }, at + 1];
    case '`':
      return code(text, at);
    case '*':
    case '_':
      return depth < DEEPEST ? emphasis(text, at, open, depth, unclosed) : null;
    case '[':
      return citation(text, at) || (depth < DEEPEST ? link(text, at, depth) : null);
    case '<':
      return angled(text, at);
    case 'h':
    case 'H':
      return bare(text, at);
    default:
      return null;
  }
}

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function code(text, at) {
  const ticks = /`+/y;
  const run = match(ticks, text, at)[0];
  const end = text.indexOf(run, at + run.length);
  return end < 0 ? null : [{ t: 'code', text: text.slice(at + run.length, end).trim() }, end + run.length];
}

/** `unclosed`: marks known to close nowhere in the rest of `text`; without it, time is quadratic. */
function emphasis(text, at, open, depth, unclosed) {
  const mark = text[at];
  const run = text[at + 1] === mark ? mark + mark : mark;
  const start = at + run.length;
  const word = /[\p{L}\p{N}]/u;
  if (!text[start] || /\s/.test(text[start]) || text[start] === mark) return null;
  if (mark === '_' && word.test(text[at - 1] ?? '')) return null;
  let end = unclosed.has(run) ? -1 : text.indexOf(run, start);
  while (end >= 0) {
    const inside = !/\s/.test(text[end - 1]) && text[end - 1] !== '\\';
    const alone = run.length === 2 || (text[end + 1] !== mark && text[end - 1] !== mark);
    const outside = mark === '*' || !word.test(text[end + run.length] ?? '');
    if (inside && alone && outside) break;
    end = text.indexOf(run, end + 1);
  }
  if (end < 0) unclosed.add(run);
  if (end < 0 && !(open && run.length === 2)) return null;
  const inner = text.slice(start, end < 0 ? text.length : end);
  const node = { t: run.length === 2 ? 'strong' : 'em', c: inline(inner, open, depth + 1) };
  return [node, end < 0 ? text.length : end + run.length];
}

function citation(text, at) {
  const found = match(CITATION, text, at);
  return found && [{ t: 'cite', n: found[1].split(',').map(Number), raw: found[0] }, at + found[0].length];
}

function link(text, at, depth) {
  const middle = text.indexOf('](', at);
  const end = middle < 0 ? -1 : text.indexOf(')', middle);
  if (end < 0 || text.slice(at + 1, middle).includes('[')) return null;
  const href = safeUrl(text.slice(middle + 2, end).trim().replace(/\s+["'].*$/, ''));
  const label = text.slice(at + 1, middle);
  return href && label ? [{ t: 'a', href, c: inline(label, false, depth + 1) }, end + 1] : null;
}

function angled(text, at) {
  const line = match(BREAK, text, at);
  if (line) return [{ t: 'br' }, at + line[0].length];
  const found = match(ANGLED, text, at);
  const href = found && safeUrl(found[1]);
  return href ? [{ t: 'a', href, c: [found[1].replace(/^mailto:/i, '')] }, at + found[0].length] : null;
}

function bare(text, at) {
  if (/[\p{L}\p{N}]/u.test(text[at - 1] ?? '')) return null;
  const found = match(BARE, text, at);
  if (!found) return null;
  const address = found[0].replace(/[.,;:!?'"*_\])]+$/, '');
  const href = safeUrl(address);
  return href ? [{ t: 'a', href, c: [address] }, at + address.length] : null;
}

/** The text without its marks: for announcements, and with the `[n]` for transcripts. */
export function plainText(text, { citations = false } = {}) {
  const words = (nodes) => nodes.map((node) => {
    if (typeof node === 'string') return node;
    if (node.t === 'br') return ' ';
    if (node.t === 'cite') return citations ? node.raw : '';
    return node.text ?? words(node.c);
  }).join('');
  const read = (block) => {
    if (block.t === 'ul' || block.t === 'ol') return block.items.map((item) => item.map(read).join(' ')).join('\n');
    if (block.t === 'table') return [block.head, ...block.rows].map((row) => row.map(words).join(', ')).join('\n');
    if (block.t === 'quote') return block.c.map(read).join('\n');
    return block.t === 'hr' ? '' : block.text ?? words(block.c);
  };
  return parseMarkdown(text).map(read).filter(Boolean).join('\n').replace(/ +([.,;:!?])/g, '$1');
}

/**
 * Makes `container` show `text`. Only blocks that changed since the last call are rebuilt, so a
 * growing reply neither flickers nor loses a selection. `cite(n, raw)` gives a marker's node.
 */
export function showMarkdown(container, text, { open = false, cite = (n, raw) => raw, version = '' } = {}) {
  const tree = parseMarkdown(text, { open });
  const keys = tree.map((block) => JSON.stringify(block) + version);
  const before = container.markdownKeys ?? [];
  let same = 0;
  while (same < keys.length && keys[same] === before[same]) same += 1;
  while (container.childNodes.length > same) container.lastChild.remove();
  container.append(...tree.slice(same).map((block) => blockNode(block, cite)));
  container.markdownKeys = keys;
}

function blockNode(block, cite) {
  switch (block.t) {
    case 'pre':
      return h('pre', { tabindex: '0' }, h('code', {}, block.text));
    case 'hr':
      return h('hr');
    case 'h':
      return h('p', { class: 'heading' }, h('strong', {}, inlineNodes(block.c, cite)));
    case 'quote':
      return h('blockquote', {}, block.c.map((inner) => blockNode(inner, cite)));
    case 'ul':
    case 'ol':
      return h(block.t, { start: block.start > 1 ? block.start : null }, block.items.map((item) =>
        h('li', {}, item.map((inner, at) =>
          inner.t === 'p' && at === 0 ? inlineNodes(inner.c, cite) : blockNode(inner, cite)))));
    case 'table':
      return tableNode(block, cite);
    default:
      return h('p', {}, inlineNodes(block.c, cite));
  }
}

function tableNode({ align, head, rows }, cite) {
  const row = (tag, row) => h('tr', {}, row.map((cell, at) =>
    h(tag, { class: `align-${align[at]}`, scope: tag === 'th' ? 'col' : null }, inlineNodes(cell, cite))));
  const table = h('table', {}, h('thead', {}, row('th', head)), h('tbody', {}, rows.map((r) => row('td', r))));
  // Wide tables scroll on their own; focusable, so that arrow keys can do it.
  return h('div', { class: 'table-scroll', tabindex: '0' }, table);
}

function inlineNodes(nodes, cite) {
  return nodes.map((node, at) => {
    if (typeof node === 'string') return document.createTextNode(nodes[at + 1]?.t === 'cite' ? upToLastWord(node) : node);
    switch (node.t) {
      case 'br':
        return h('br');
      case 'code':
        return h('code', {}, node.text);
      case 'a':
        return h('a', { href: node.href, target: '_blank', rel: 'noopener noreferrer' }, inlineNodes(node.c, cite));
      case 'cite': {
        const before = nodes[at - 1];
        const word = typeof before === 'string' ? before.slice(upToLastWord(before).length) : '';
        const marks = node.n.map((n) => cite(n, node.n.length > 1 ? `[${n}]` : node.raw));
        return word ? h('span', { class: 'held' }, word, marks) : marks;
      }
      default:
        return h(node.t, {}, inlineNodes(node.c, cite));
    }
  });
}

/** All but a short last word, which stays on one line with the mark that follows it. */
function upToLastWord(text) {
  const word = /\S{1,24}\s?$/.exec(text);
  return word && /(^|\s)$/.test(text.slice(0, word.index)) ? text.slice(0, word.index) : text;
}
