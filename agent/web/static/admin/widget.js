/**
 * Owns how the chat widget looks and what it says first: the form, and the live preview beside it.
 * Refuses to know how the widget draws itself: the preview is the widget's own frame.
 * Invariant: a preview begins no conversation, and customers see nothing before it is saved.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';
import { button, choice, field } from '../shared/staff/dialogs.js';
import { palette } from '../widget/colour.js';
import { head } from './parts.js';

export const id = 'widget';
export const title = 'Widget';
export const group = 'Settings';

const SETTINGS = '/api/v1/admin/widget';
const OWN_COLOUR = '#14565c';
const QUESTIONS = 4;
const LANGUAGES = [['en', 'English'], ['de', 'Deutsch'], ['fr', 'Français'], ['es', 'Español'], ['zh', '中文']];
const SIDES = [['right', 'Right', 'At the bottom right.'], ['left', 'Left', 'At the bottom left.']];

export async function open(panel, { session, say }) {
  const kept = await session.get(SETTINGS);
  const wanted = structuredClone(kept);
  let language = kept.default_locale ?? 'en';
  const preview = new Preview();
  const error = h('p', { class: 'error', role: 'alert' });
  const saved = h('span', { class: 'muted' });
  const changed = () => {
    saved.textContent = 'Not saved yet';
    preview.show(wanted, language);
  };

  const colour = h('input', { id: 'widget-colour', type: 'color', name: 'colour', value: wanted.colour ?? OWN_COLOUR,
    oninput: () => { wanted.colour = colour.value; changed(); } });
  const ownColour = button('Use the standard colour', () => {
    colour.value = OWN_COLOUR;
    wanted.colour = null;
    changed();
  });
  const side = choice('position', 'Side of the page', SIDES, wanted.position);
  side.addEventListener('change', ({ target }) => { wanted.position = target.value; changed(); });
  const fallback = h('select', { id: 'widget-default', name: 'default_locale',
    onchange: () => { wanted.default_locale = fallback.value || null; changed(); } },
  [['', 'English'], ...LANGUAGES.slice(1)].map(([value, name]) => h('option', { value }, name)));
  fallback.value = kept.default_locale === 'en' ? '' : kept.default_locale ?? '';

  const words = h('div', { class: 'words' });
  const which = h('select', { id: 'widget-language', onchange: () => { language = which.value; write(); preview.show(wanted, language); } },
    LANGUAGES.map(([value, name]) => h('option', { value }, name)));
  which.value = language;
  function write() {
    const greeting = h('textarea', { id: 'widget-greeting', name: 'greetings', rows: 3, maxlength: 500, lang: language,
      value: wanted.greetings[language] ?? '', oninput: () => { wanted.greetings[language] = greeting.value; changed(); } });
    const asked = wanted.suggested_questions[language] ?? [];
    const lines = Array.from({ length: QUESTIONS }, (_, at) => h('input', {
      type: 'text', maxlength: 120, lang: language, value: asked[at] ?? '', 'aria-label': `Question ${at + 1}`,
      oninput: () => {
        wanted.suggested_questions[language] = lines.map((line) => line.value.trim()).filter(Boolean);
        changed();
      },
    }));
    words.replaceChildren(
      field('Greeting', greeting, 'The first thing the assistant says. Empty: its own greeting, which says that it is an AI. Say so too.'),
      h('fieldset', { class: 'questions' }, h('legend', {}, 'First questions'),
        h('p', { class: 'hint' }, 'Buttons under the greeting, at most four. A language without any shows those of the language above.'), lines));
  }
  write();

  const form = h('form', {
    class: 'widget-form', novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      error.textContent = '';
      try {
        Object.assign(wanted, await session.put(SETTINGS, wanted));
        saved.textContent = 'Saved. Pages show it within five minutes.';
        say(saved.textContent);
      } catch (problem) {
        error.textContent = problem.message;
      }
    },
  },
  h('div', { class: 'field' }, h('label', { htmlFor: 'widget-colour' }, 'Colour'),
    h('div', { class: 'colour-row' }, colour, ownColour),
    h('p', { class: 'hint' }, 'Text on it turns black or white, and it is darkened or lightened where text in it would be hard to read.')),
  side,
  field('Language otherwise', fallback, 'For customers whose browser asks for none of the five languages.'),
  h('div', { class: 'group' }, field('Words in', which), words),
  error,
  h('div', { class: 'widget-save' }, h('button', { type: 'submit', class: 'strong' }, 'Save'), saved));

  panel.replaceChildren(
    head('Widget', 'How the chat looks on your site, and what it says first. Attributes on a page’s tag win over this.'),
    h('div', { class: 'widget' }, form, preview.node),
    tag());
  preview.show(wanted, language);
}

/** The line that puts the widget on a page. */
function tag() {
  const text = `<script src="${location.origin}/widget/loader.js" data-base-url="${location.origin}" async></script>`;
  const code = h('input', { id: 'widget-tag', class: 'secret', value: text, readonly: true, onfocus: () => code.select() });
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = 'Copied';
    } catch {
      code.focus();
    }
  });
  return h('div', { class: 'field widget-tag' }, h('label', { htmlFor: 'widget-tag' }, 'Put it on your site'),
    h('div', { class: 'secret-row' }, code, copy),
    h('p', { class: 'hint' }, 'One tag on any page. The site’s address has to stand in FRONTDESK_WIDGET_ORIGINS.'));
}

class Preview {
  #frame = h('iframe', { title: 'Preview of the chat', tabindex: '-1', 'aria-hidden': 'true' });
  #launcher = h('span', { class: 'launcher', 'aria-hidden': 'true' }, icon(ICONS.chat));
  #scheme = 'light';
  #last = null;
  #ready = false;

  constructor() {
    const schemes = [['light', 'Light'], ['dark', 'Dark']].map(([scheme, name]) => button(name, () => {
      this.#scheme = scheme;
      schemes.forEach((one) => one.setAttribute('aria-pressed', one.textContent === name));
      this.#tell('colorScheme', scheme);
      this.#stage.dataset.scheme = scheme;
    }, 'plain-text', { 'aria-pressed': String(scheme === 'light') }));
    this.#stage = h('div', { class: 'stage' }, this.#frame, this.#launcher);
    this.node = h('aside', { class: 'preview', 'aria-label': 'Preview' },
      h('div', { class: 'preview-head' }, h('h3', {}, 'Preview'), h('div', { class: 'schemes', role: 'group', 'aria-label': 'Colour scheme' }, schemes)),
      this.#stage);
    addEventListener('message', ({ source, origin, data }) => {
      if (source !== this.#frame.contentWindow || origin !== location.origin || data?.type !== 'ready') return;
      this.#ready = true;
      this.#tell('colorScheme', this.#scheme);
      if (this.#last) this.#tell('look', this.#last);
    });
    const start = new URLSearchParams({ preview: '1', host: location.origin, colorScheme: 'light' });
    this.#frame.src = `/widget/frame#${start}`;
  }

  #stage;

  show(settings, language) {
    const other = settings.default_locale ?? 'en';
    const questions = settings.suggested_questions[language]?.length
      ? settings.suggested_questions[language] : settings.suggested_questions[other] ?? [];
    this.#last = {
      accent: settings.colour, locale: language, greeting: settings.greetings[language]?.trim(), questions: questions.join('|'),
    };
    this.#stage.classList.toggle('left', settings.position === 'left');
    const colour = settings.colour ?? OWN_COLOUR;
    this.#launcher.style.setProperty('--chosen', colour);
    this.#launcher.style.setProperty('--on-chosen', palette(colour).light['on-accent']);
    this.#tell('look', this.#last);
  }

  #tell(type, value) {
    if (this.#ready) this.#frame.contentWindow.postMessage({ frontdesk: 1, type, value }, location.origin);
  }
}
