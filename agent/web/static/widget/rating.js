/**
 * Owns what a customer thinks of us: thumbs under an answer, a score at the end, and why.
 * Refuses to call the server itself. Invariant: nothing is said to be noted before the server has
 * it, and words that did not get through stay in their field.
 */

import { h, icon } from '../shared/dom.js';
import { ICONS } from '../shared/icons.js';

const REASONS = ['incorrect', 'incomplete', 'outdated', 'unhelpful'];
const WORDS = 1000;
const SCORES = [1, 2, 3, 4, 5];

let made = 0;

/** A label and its field for words of the customer's own. */
function wordsField(label) {
  const id = `words-${(made += 1)}`;
  const text = h('textarea', { rows: 2, maxlength: WORDS, id });
  return { text, nodes: [h('label', { for: id }, label), text] };
}

/** One choice of several, as radio buttons that look like `look`; `drawn(value)` gives the label. */
function choice(look, legend, values, drawn) {
  const name = `choice-${(made += 1)}`;
  const inputs = values.map((value) => h('input', { type: 'radio', name, value: String(value), class: 'unseen' }));
  const node = h('fieldset', { class: look }, h('legend', {}, legend),
    h('div', { class: 'choices' }, inputs.map((input, at) => h('label', {}, input, drawn(values[at])))));
  return { node, inputs, chosen: () => inputs.find((input) => input.checked)?.value ?? null };
}

/** Thumbs under an answer; down asks why. */
export class Thumbs {
  #ui;
  #id;
  #answer = h('div', { class: 'rating-answer', role: 'status' });
  #why = h('div', {});
  #thumbs;

  constructor(ui, messageId) {
    this.#ui = ui;
    this.#id = messageId;
    this.#thumbs = ['up', 'down'].map((way) => h('button', {
      type: 'button',
      class: 'plain thumb',
      'aria-label': ui.t(way === 'up' ? 'helpful' : 'unhelpful'),
      onclick: () => this.#press(way),
    }, icon(ICONS[way])));
    this.node = h('div', { class: 'rating' }, h('div', { class: 'thumbs' }, this.#thumbs, this.#answer), this.#why);
    this.update();
  }

  /** The thumb that was given, perhaps in another tab. */
  update() {
    const given = this.#ui.conversation.ratings[this.#id];
    this.#thumbs.forEach((thumb, at) => thumb.setAttribute('aria-pressed', given === ['up', 'down'][at]));
  }

  async #press(way) {
    this.#why.replaceChildren();
    if (!(await this.#rate({ rating: way }))) return;
    if (way === 'up') return;
    this.#why.replaceChildren(this.#form());
    this.#why.querySelector('input').focus();
  }

  async #rate(feedback) {
    const { t, conversation } = this.#ui;
    const more = feedback.reason || feedback.comment;
    try {
      await conversation.rate(this.#id, feedback);
      this.#say('', t(more ? 'noted' : 'thanks'));
      return true;
    } catch {
      this.#say('failed', t('notRated'));
      return false;
    } finally {
      this.update();
    }
  }

  #say(look, text) {
    this.#answer.replaceChildren(h('p', { class: `delivery ${look}` }, text));
  }

  #form() {
    const { t } = this.#ui;
    const labels = { unhelpful: t('unhelpfulAnswer') };
    const reason = choice('pills', t('reasons'), REASONS, (value) => labels[value] ?? t(value));
    const words = wordsField(t('wrong'));
    const end = () => {
      this.#why.replaceChildren();
      this.#thumbs[1].focus();
    };
    const send = async (event) => {
      event.preventDefault();
      const comment = words.text.value.trim();
      const feedback = { rating: 'down', ...(reason.chosen() && { reason: reason.chosen() }), ...(comment && { comment }) };
      if (Object.keys(feedback).length === 1 || (await this.#rate(feedback))) end();
    };
    return h('form', { class: 'why', onsubmit: send }, reason.node, words.nodes,
      h('div', { class: 'buttons' },
        h('button', { type: 'button', class: 'quiet', onclick: end }, t('skip')),
        h('button', { type: 'submit', class: 'strong' }, t('sendComment'))));
  }
}

/** One to five stars and words. `score()` and `comment()` tell what is in it. */
function stars(ui, heading) {
  const { t } = ui;
  const meaning = h('p', { class: 'meaning', 'aria-hidden': 'true' });
  const words = wordsField(t('csatWords'));
  const more = h('div', { class: 'more', hidden: true }, words.nodes);
  const score = choice('stars', heading, SCORES, (value) => [
    h('span', { class: 'unseen' }, `${value}: ${t(`score${value}`)}`), icon(ICONS.star)]);
  score.node.addEventListener('change', () => {
    meaning.textContent = t(`score${score.chosen()}`);
    more.hidden = false;
  });
  return {
    nodes: [score.node, meaning, more],
    changed: (act) => score.node.addEventListener('change', act),
    given: () => {
      const comment = words.text.value.trim();
      return { score: Number(score.chosen()), ...(comment && { comment }) };
    },
    focus: () => score.inputs[0].focus(),
  };
}

/** The card at the end of a resolved conversation. */
export class ScoreCard {
  #ui;
  #drawn; // the score that the card was drawn for
  node = h('div', { class: 'score' });

  constructor(ui) {
    this.#ui = ui;
    this.update();
  }

  update() {
    const given = this.#ui.conversation.csat;
    if (this.#drawn === given) return;
    this.#drawn = given;
    if (given) {
      const words = h('p', { role: 'status', tabindex: '-1' }, icon(ICONS.check), this.#ui.t('rated'));
      const hadFocus = this.node.contains(document.activeElement);
      this.node.replaceChildren(words);
      if (hadFocus) words.focus();
    } else this.node.replaceChildren(this.#form());
  }

  #form() {
    const { t, conversation } = this.#ui;
    const rating = stars(this.#ui, t('csat'));
    const failure = h('p', { class: 'delivery failed', role: 'alert' });
    const send = h('div', { class: 'buttons', hidden: true }, h('button', { type: 'submit', class: 'strong' }, t('sendRating')));
    rating.changed(() => { send.hidden = false; });
    let busy = false; // a disabled button would lose the focus
    return h('form', {
      onsubmit: async (event) => {
        event.preventDefault();
        if (busy || !rating.given().score) return;
        busy = true;
        try {
          await conversation.score(rating.given());
        } catch {
          failure.textContent = t('notRated');
          busy = false;
        }
      },
    }, rating.nodes, failure, send);
  }
}

/** Gives `ask()`: a last rating, if the customer likes, then `end()`. */
export function endPanel(dialog, ui, end) {
  return function ask() {
    const { t, conversation } = ui;
    const rating = conversation.csat ? null : stars(ui, t('csat'));
    const failure = h('p', { class: 'delivery failed', role: 'alert' });
    const yes = h('button', { type: 'submit', class: 'strong' }, t('endYes'));
    const no = h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, t('cancel'));
    let busy = false;
    const finish = async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      try {
        const given = rating?.given();
        if (given?.score) await conversation.score(given);
        dialog.close();
        end();
      } catch {
        failure.textContent = t('notRated');
        busy = false;
      }
    };
    dialog.replaceChildren(h('form', { class: 'sheet', onsubmit: finish },
      h('h2', { id: 'confirm-title' }, t('endTitle')), h('p', {}, t('endText')),
      rating && h('div', { class: 'score' }, rating.nodes), failure,
      h('div', { class: 'buttons' }, no, yes)));
    dialog.showModal();
    if (rating) rating.focus();
    else no.focus();
  };
}
