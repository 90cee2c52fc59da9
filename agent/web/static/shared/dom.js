/**
 * Owns building elements from data, and icons.
 * Refuses to know about conversations; never parses HTML and never sets a style attribute.
 * Invariant: text given here can only ever become text.
 */

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = new Set(['value', 'disabled', 'hidden', 'checked', 'selected', 'htmlFor', 'open']);
const REFUSED = new Set(['innerHTML', 'outerHTML', 'srcdoc', 'style']);

/**
 * h('button', {class: 'x', onclick: f, 'aria-label': 'Close'}, 'text', node, [more])
 * null, undefined and false are left out, of the properties and of the children.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (REFUSED.has(name)) throw new Error(`${name} is not set from data`);
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(3).filter((child) => child != null && child !== false));
  return element;
}

/** Stroked 24×24 icon from path data; decorative, so hidden from assistive technology. */
export function icon(paths, className = 'icon') {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = { viewBox: '0 0 24 24', class: className, 'aria-hidden': 'true', focusable: 'false' };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  for (const d of [paths].flat()) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

/** Puts `nodes` into `parent` in this order and touches only what is out of place. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
}
