/**
 * Owns what the AI says by itself, in each language, and its house style.
 * Refuses to know when it says it. Invariant: an empty field means the product's own words, which stand in it as a hint.
 */

import { h } from '../shared/dom.js';
import { button, field, moment } from '../shared/staff/dialogs.js';
import { empty, head, table } from './parts.js';

export const id = 'words';
export const title = 'Words and style';
export const group = 'Settings';

const WORDS = '/api/v1/admin/words';
const LANGUAGES = [['en', 'English'], ['de', 'Deutsch'], ['fr', 'Français'], ['es', 'Español'], ['zh', '中文']];
const OCCASIONS = {
  greeting: ['A greeting', '“Hello”'],
  about_me: ['“Are you a person?”', 'Say that it is an AI.'],
  thanks: ['Thanks', '“Thank you!”'],
  acknowledged: ['An “OK”', ''],
  goodbye: ['A goodbye', ''],
  complaint: ['A complaint without a question', ''],
  abuse: ['Abuse', ''],
  off_limits: ['What it never does', 'Legal, medical and the like.'],
  refusal: ['No policy answers the question', 'Offer a person: it is what the customer needs next.'],
  missing_knowledge: ['No policy answers several questions in a row', 'The conversation goes to a person now.'],
  low_confidence: ['Behind an answer that is not sure', 'The conversation goes to a person now.'],
  handoff: ['“I want to talk to a person”', ''],
  returned: ['A person gives the conversation back', ''],
};
const STYLE_CHARACTERS = 300;

export async function open(panel, page) {
  const kept = await page.session.get(WORDS);
  let language = 'en';
  let changes = new Map();
  const error = h('p', { class: 'error', role: 'alert' });
  const saved = h('span', { class: 'muted', role: 'status' });
  const style = h('textarea', { id: 'style', rows: 3, maxlength: STYLE_CHARACTERS, value: kept.style, oninput: touched });
  const fields = h('div', { class: 'word-fields' });
  const which = h('select', { id: 'words-language', onchange: () => { language = which.value; write(); } },
    LANGUAGES.map(([value, name]) => h('option', { value }, name)));

  function touched() {
    saved.textContent = 'Not saved yet';
  }

  function write() {
    fields.replaceChildren(...kept.words.filter((one) => one.language === language).map((one) => {
      const key = `${one.name} ${one.language}`;
      const [name, hint] = OCCASIONS[one.name];
      const text = h('textarea', {
        id: `word-${one.name}`, rows: 2, maxlength: 500, lang: language, placeholder: one.standard, value: changes.get(key)?.text ?? one.text,
        oninput: () => {
          changes.set(key, { name: one.name, language: one.language, text: text.value });
          touched();
        },
      });
      return field(name, text, hint);
    }));
  }
  write();

  async function save(event) {
    event.preventDefault();
    error.textContent = '';
    try {
      const now = await page.session.put(WORDS, { style: style.value, words: [...changes.values()] });
      Object.assign(kept, now);
      changes = new Map();
      style.value = kept.style;
      write();
      past.replaceChildren(history(kept.history, restore));
      saved.textContent = 'Saved. It is said from now on.';
      page.say(saved.textContent);
    } catch (problem) {
      error.textContent = problem.message;
    }
  }

  /** Puts an older text back into its field; nothing is said before it is saved. */
  function restore({ name, language: of, text }) {
    if (name === 'style') style.value = text;
    else {
      changes.set(`${name} ${of}`, { name, language: of, text });
      which.value = language = of;
      write();
    }
    touched();
    (name === 'style' ? style : document.getElementById(`word-${name}`)).focus();
  }

  const past = h('div', {}, history(kept.history, restore));
  panel.replaceChildren(
    head('Words and style', 'What the AI says by itself, and how its answers should sound. What it answers comes from your documents. '
      + 'The first greeting is set under Widget.'),
    h('form', { class: 'words-form', novalidate: true, onsubmit: save },
      field('House style', style, `For the model, at most ${STYLE_CHARACTERS} characters, such as “Be warm and informal; call guests travellers.” `
        + 'A small model follows short rules best: try it under “Ask as a customer”. Changing it has the AI read all policies again.'),
      field('Language', which),
      fields,
      error,
      h('div', { class: 'form-end' }, h('button', { type: 'submit', class: 'strong' }, 'Save'), saved)),
    h('h3', {}, 'Earlier wordings'),
    past,
  );
}

function history(items, restore) {
  if (!items.length) return empty('Nothing was changed yet', 'Each wording that you save is kept here, so that you can bring it back.');
  return table('Earlier wordings', ['When', 'Who', 'What', 'Text', ''], items.map((one) => [
    moment(one.at),
    one.author,
    one.name === 'style' ? 'House style' : `${OCCASIONS[one.name]?.[0] ?? one.name} · ${one.language}`,
    one.text || h('span', { class: 'muted' }, 'The product’s own'),
    button('Bring back', () => restore(one), 'plain-text', { 'aria-label': `Bring back this wording of ${one.name}` }),
  ]));
}
