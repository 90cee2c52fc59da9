/**
 * Owns what opens over the thread: the menu, a citation's source, the question before deleting.
 * Refuses to know what the choices do. Invariant: each closes with Escape and gives the focus back.
 */

import { h, icon } from '../shared/dom.js';
import { date } from '../shared/format.js';
import { safeUrl, showMarkdown } from '../shared/markdown.js';
import { ICONS } from '../shared/icons.js';

/** `choices()`: [{label, icon, run, danger?}], asked for at every opening. */
export function menu(button, list, choices) {
  const items = () => [...list.children];
  const close = (giveFocusBack = true) => {
    if (list.hidden) return;
    list.hidden = true;
    button.setAttribute('aria-expanded', 'false');
    if (giveFocusBack) button.focus();
  };
  const open = (at = 0) => {
    list.replaceChildren(...choices().map(({ label, icon: name, run, danger }) => h('button', {
      type: 'button',
      role: 'menuitem',
      tabindex: '-1',
      class: danger ? 'danger' : null,
      onclick: () => { close(); run(); },
    }, icon(ICONS[name]), label)));
    list.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    items().at(at).focus();
  };
  button.addEventListener('click', () => (list.hidden ? open() : close()));
  button.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    open(event.key === 'ArrowDown' ? 0 : -1);
  });
  list.addEventListener('keydown', (event) => {
    const at = items().indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items().at(to % items().length).focus();
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      close();
    } else if (event.key === 'Tab') close(false);
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (!list.contains(target) && !button.contains(target)) close(false);
  });
}

function closesOnBackdrop(dialog) {
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
}

/** Gives `show(citations, at)`: the quoted passage of citations[at], with ways to its neighbours. */
export function sourcePanel(dialog, ui) {
  closesOnBackdrop(dialog);
  return function show(citations, at) {
    const { t, locale } = ui;
    const citation = citations[at];
    const quote = h('blockquote', { class: 'markdown', tabindex: '0' });
    showMarkdown(quote, citation.quote);
    const step = (name, to) => h('button', {
      type: 'button',
      class: 'plain',
      'aria-label': t(name),
      disabled: !citations[to],
      onclick: () => {
        show(citations, to);
        dialog.querySelector(`[data-step="${name}"]:enabled, .close`)?.focus();
      },
      dataset: { step: name },
    }, icon(ICONS[name]));
    const close = h('button', { type: 'button', class: 'plain close', 'aria-label': t('close'), onclick: () => dialog.close() }, icon(ICONS.close));
    const { effective_from: since, revised_on: revised } = citation;
    const dated = since ? t('inForce', { date: date(since, locale) }) : revised && t('revisedOn', { date: date(revised, locale) });
    const facts = [dated, t('revision', { n: citation.revision })];
    const url = citation.url && safeUrl(citation.url);
    dialog.replaceChildren(h('div', { class: 'sheet' },
      h('div', { class: 'sheet-head' },
        h('p', {}, t('sourceOf', { n: at + 1, total: citations.length })),
        citations.length > 1 && [step('previous', at - 1), step('next', at + 1)], close),
      h('h2', { id: 'source-title' }, h('span', { class: 'n' }, String(citation.n)), citation.title),
      citation.section && h('p', { class: 'section' }, citation.section),
      quote,
      h('p', { class: 'facts' }, h('span', {}, t('quoted')), h('span', {}, facts.filter(Boolean).join(' · '))),
      url && h('a', { class: 'open-document', href: url, target: '_blank', rel: 'noopener noreferrer' },
        t('openDocument'), icon(ICONS.outside), h('span', { class: 'unseen' }, ` (${t('opensNew')})`))));
    if (!dialog.open) {
      dialog.showModal();
      close.focus();
    }
  };
}

/** Gives `ask()`: runs `erase` when the customer says yes, and says so when it fails. */
export function deletePanel(dialog, ui, erase) {
  closesOnBackdrop(dialog);
  return function ask() {
    const { t } = ui;
    const failure = h('p', { class: 'delivery failed', role: 'alert' });
    const yes = h('button', {
      type: 'button',
      class: 'strong danger',
      onclick: async () => {
        yes.disabled = true;
        try {
          await erase();
          dialog.close();
        } catch {
          failure.replaceChildren(t('deleteFailed'));
          yes.disabled = false;
        }
      },
    }, t('deleteYes'));
    const no = h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, t('cancel'));
    dialog.replaceChildren(h('div', { class: 'sheet' },
      h('h2', { id: 'confirm-title' }, t('deleteTitle')), h('p', {}, t('deleteText')), failure,
      h('div', { class: 'buttons' }, no, yes)));
    dialog.showModal();
    no.focus();
  };
}
