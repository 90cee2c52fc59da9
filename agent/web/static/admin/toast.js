/**
 * Owns the line that says what was done, and takes it back while it stands.
 * Refuses to know what was done.
 * Invariant: it stays while somebody is on it, by pointer or by keyboard.
 */

import { h } from '../shared/dom.js';

const STAYS_MS = 10_000;

/** `undo()` takes it back; it may fail, and says why then. */
export function toast(text, undo) {
  document.querySelector('#toast')?.remove();
  const words = h('span', {}, text);
  const back = undo && h('button', { type: 'button', class: 'plain-text', onclick: take }, 'Undo');
  const close = h('button', { type: 'button', class: 'plain', 'aria-label': 'Close this message', onclick: () => leave() }, '×');
  const box = h('div', { id: 'toast', role: 'status' }, words, back, close);
  let timer = null;
  const stay = () => clearTimeout(timer);
  const goOn = () => {
    stay();
    if (box.matches(':hover') || box.querySelector(':focus-visible')) return;
    timer = setTimeout(leave, STAYS_MS);
  };
  function leave() {
    stay();
    const within = box.contains(document.activeElement);
    box.remove();
    if (within) document.getElementById('panel').focus();
  }
  async function take() {
    stay();
    back.disabled = true;
    words.textContent = 'Taking it back …';
    try {
      await undo();
      words.textContent = 'Taken back.';
    } catch (error) {
      words.textContent = error.message;
    }
    back.remove();
    close.focus();
    goOn();
  }
  for (const [name, what] of [['mouseenter', stay], ['mouseleave', goOn], ['focusin', goOn], ['focusout', () => setTimeout(goOn)]]) box.addEventListener(name, what);
  document.body.append(box);
  // What was done may have taken away what was focused: by keyboard one goes on from here.
  if (!document.activeElement || document.activeElement === document.body || document.activeElement.id === 'panel') (back ?? close).focus();
  goOn();
}
