/**
 * Owns the frame: puts the conversation, the thread, the composer and the host page together.
 * Refuses to hold state that one of them has. Invariant: what is drawn is a function of the
 * conversation's state; events only say that it is time to draw.
 */

import { h, icon } from '../shared/dom.js';
import { plainText } from '../shared/markdown.js';
import { palette } from './colour.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { connectHost } from './host.js';
import { ICONS } from '../shared/icons.js';
import { deletePanel, menu, sourcePanel } from './panels.js';
import { endPanel } from './rating.js';
import { chooseLocale, translator } from './strings.js';
import { Thread } from './thread.js';
import { download, transcript } from './transcript.js';

const QUESTIONS = 4;
const GREETING = 500;
const LOST_AFTER_MS = 2_500;
const TRY_AGAIN_S = 5;
const SAID_MS = 8_000;

const $ = (id) => document.getElementById(id);
// What the tag on the host page says wins over what the admin set.
const settings = new URLSearchParams(location.hash.slice(1));
// A preview shows what is being set, and begins nothing.
const preview = settings.has('preview');
const site = preview ? {} : JSON.parse(document.documentElement.dataset.settings);
const languages = navigator.languages ?? [navigator.language];
const phone = matchMedia('(pointer: coarse)');

let visible = false;
let unread = 0;
let lostSince = null;
let lostTimer = null;
let drawing = false;

const ui = {
  locale: 'en',
  t: translator('en'),
  get greeting() {
    return settings.get('greeting')?.slice(0, GREETING) || (preview ? ui.t('welcome') : '');
  },
  get suggestions() {
    return suggestions(ui.locale);
  },
  conversation: null,
  ask: (question) => {
    ui.conversation.send(question);
    composer.focus();
  },
  talk: () => ui.conversation.handoff(),
  showSource: null,
};

for (const place of document.querySelectorAll('[data-icon]')) place.append(icon(ICONS[place.dataset.icon]));

setLocale(settings.get('locale'));
setColorScheme(settings.get('colorScheme'));
setAccent(settings.get('accent') ?? site.colour);

const conversation = new Conversation({ locale: ui.locale, pageUrl: settings.get('page') });
ui.conversation = conversation;
ui.showSource = sourcePanel($('source'), ui);
const askToDelete = deletePanel($('confirm'), ui, () => conversation.erase());
const askToEnd = endPanel($('confirm'), ui, startOver);
const thread = new Thread(ui, { scroll: $('scroll'), log: $('log'), newest: $('newest') });
const composer = new Composer(
  ui,
  { form: $('composer'), text: $('text'), send: $('send'), counter: $('counter') },
  (text) => conversation.send(text),
);

menu($('menu-button'), $('menu'), () => [
  ...(conversation.messages.length ? [
    { label: ui.t('download'), icon: 'download', run: saveTranscript },
    { label: ui.t('end'), icon: 'restart', run: askToEnd },
  ] : []),
  ...(conversation.exists ? [{ label: ui.t('delete'), icon: 'bin', run: askToDelete, danger: true }] : []),
]);

const host = connectHost(settings.get('host'), {
  visible({ open, focus }) {
    visible = open;
    if (!open || preview) return;
    setUnread(0);
    begin();
    thread.toEnd();
    if (focus) (phone.matches ? $('chat') : $('text')).focus();
  },
  user: (customer) => conversation.identify(customer),
  attributes: (attributes) => conversation.identify({ attributes }),
  locale(locale) {
    setLocale(locale);
    conversation.setLocale(ui.locale);
    thread.clear();
    draw();
  },
  colorScheme: setColorScheme,
  ...(preview && { look }),
  ask: (question) => typeof question === 'string' && conversation.send(question),
  reset() {
    composer.clear();
    conversation.reset();
  },
});

conversation.addEventListener('change', draw);
conversation.addEventListener('event', ({ detail }) => heard(detail));
conversation.addEventListener('problem', ({ detail }) => {
  host.tell('event', { name: 'error', detail: { code: detail.code, detail: detail.message } });
});
$('talk').addEventListener('click', () => ui.talk());
$('close').addEventListener('click', () => host.tell('close'));
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && host.embedded && !document.querySelector('dialog[open]')) host.tell('close');
});
setInterval(() => conversation.outbox.items.some((item) => item.retry_at) && draw(), 1000);

$('close').hidden = !host.embedded;
document.documentElement.classList.toggle('alone', !host.embedded);
if (!host.embedded) visible = true;
if (!preview && (visible || conversation.exists || conversation.outbox.next())) begin();
document.body.inert = preview;
draw();
host.tell('ready');

function begin() {
  conversation.open().catch((error) => { // what is wrong is told by "problem"
    setTimeout(() => visible && !conversation.snapshot && begin(), (error.retryAfter ?? TRY_AGAIN_S) * 1000);
  });
}

function startOver() {
  conversation.leave();
  begin();
  composer.focus();
}

function saveTranscript() {
  const day = new Date().toISOString().slice(0, 10);
  download(transcript(conversation, $('name').textContent, ui), `conversation-${day}.txt`);
}

/** Draws at most once a frame, however many events arrive. */
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    thread.render();
    drawStrip();
  });
}

function drawStrip() {
  const { t } = ui;
  const [kind, text] = standing();
  const withPerson = conversation.status === 'open';
  $('strip').dataset.kind = kind;
  if ($('state').textContent !== text) $('state').textContent = text;
  $('menu-button').hidden = !conversation.exists && !conversation.messages.length;
  $('talk').hidden = withPerson;
  $('talk').disabled = conversation.askingForPerson;
  $('talk').querySelector('.text').textContent = t(conversation.askingForPerson ? 'asking' : 'talk');
  $('role').textContent = withPerson && conversation.messages.some(isPerson) ? t('teamMember') : t('assistant');
  $('text').placeholder = t(conversation.status === 'pending' ? 'ask' : 'write');
}

const isPerson = (message) => message.role === 'human_agent';

/** The most important thing to know about where the customer stands. */
function standing() {
  const { t } = ui;
  const { status, snapshot, link } = conversation;
  lostSince = snapshot && (link === 'waiting' || (link === 'connecting' && lostSince)) ? lostSince ?? Date.now() : null;
  clearTimeout(lostTimer);
  if (lostSince) lostTimer = setTimeout(draw, LOST_AFTER_MS);
  if (conversation.offline) return ['trouble', t('offline')];
  if (conversation.problem) return ['trouble', t('unreachable')];
  if (lostSince && Date.now() - lostSince >= LOST_AFTER_MS) return ['trouble', t('reconnecting')];
  if (status === 'open') {
    const person = conversation.messages.findLast(isPerson);
    const joined = person ?? snapshot.assignee;
    return joined ? ['person', t('with', { name: person?.author || t('team') })] : ['queued', t('queued')];
  }
  if (status === 'snoozed' || status === 'resolved') return [status, t(status)];
  return ['ai', t('about')];
}

/** What others have to be told of an event: the screen reader, the host page, the badge. */
function heard({ type, data }) {
  const { t } = ui;
  const message = type === 'message.created' || type === 'reply.completed' ? data.message : null;
  if (message) {
    const { id, role, content, created_at } = message;
    host.tell('event', { name: 'on-message', detail: { id, role, content, created_at } });
    if (role === 'customer') return;
    const who = role === 'ai_agent' ? t('assistant') : message.author || t('teamMember');
    announce(`${who}: ${plainText(content)}`);
    if (!visible) setUnread(unread + 1);
  } else if (type === 'status.changed') {
    if (data.to === 'open') host.tell('event', { name: 'handoff', detail: { reason: data.reason ?? null } });
    announce(standing()[1]);
  } else if (type === 'turn.failed') announce(t('turn_failed'));
}

function announce(text) {
  const said = h('p', {}, text);
  $('announcer').append(said);
  setTimeout(() => said.remove(), SAID_MS); // else it would be read again when walking the page
}

function setUnread(count) {
  unread = count;
  host.tell('unread', count);
}

function setLocale(wish) {
  ui.locale = chooseLocale(wish ?? [], languages, site.default_locale ?? []);
  ui.t = translator(ui.locale);
  const { t } = ui;
  document.documentElement.lang = ui.locale;
  const name = settings.get('name')?.slice(0, 60) || t('title');
  $('name').textContent = name;
  document.title = name;
  $('role').textContent = t('assistant');
  $('talk').querySelector('.text').textContent = t('talk');
  $('newest').querySelector('.text').textContent = t('newest');
  $('text-label').textContent = t('message');
  $('text').placeholder = t('ask');
  $('menu-button').setAttribute('aria-label', t('menu'));
  $('close').setAttribute('aria-label', t('closeChat'));
  $('send').setAttribute('aria-label', t('send'));
  $('scroll').setAttribute('aria-label', t('history'));
  $('log').setAttribute('aria-label', t('history'));
}

function setColorScheme(scheme) {
  document.documentElement.dataset.scheme = ['light', 'dark'].includes(scheme) ? scheme : 'auto';
}

function setAccent(accent) {
  const { style } = document.documentElement;
  const colours = palette(accent);
  if (!colours) style.cssText = ''; // the product's own
  else for (const [name, light] of Object.entries(colours.light)) {
    style.setProperty(`--${name}`, `light-dark(${light}, ${colours.dark[name]})`);
  }
}

/** What an admin is about to set, by the names of the tag's attributes. */
function look(wishes) {
  for (const name of ['accent', 'greeting', 'questions', 'locale']) settings.set(name, wishes[name] ?? '');
  setAccent(wishes.accent);
  setLocale(wishes.locale);
  thread.clear();
  draw();
}

/** First questions to choose from: the tag's, else the admin's in the customer's language. */
function suggestions(locale) {
  const own = settings.get('questions')?.split('|').map((text) => text.trim()).filter(Boolean);
  const { suggested_questions: byLanguage = {}, default_locale: other = 'en' } = site;
  return (own ?? byLanguage[locale.slice(0, 2)] ?? byLanguage[other] ?? []).slice(0, QUESTIONS);
}
