/**
 * Owns what the host page sees: the button, the frame around the chat, and window.$frontdesk.
 * Refuses to know the conversation: no token and no message is ever kept on the host page.
 * Invariant: it speaks only to its own frame, at the origin it was loaded from, and listens to
 * nobody else. Works under a strict host policy: no inline style, no inline script.
 */
(() => {
  'use strict';
  if (window.$frontdesk) return;

  const tag = document.currentScript;
  const site = /* settings */ {}; // the server puts in what the admin set; the tag's words win
  const options = { ...site, ...tag.dataset };
  const origin = new URL(options.baseUrl || tag.src, document.baseURI).origin;
  const REMEMBERED = 'frontdesk.open';
  const SILENT_FRAME_MS = 15_000;

  const LABELS = {
    en: ['Open chat', 'Close chat', 'Chat with our AI assistant', 'new'],
    de: ['Chat öffnen', 'Chat schließen', 'Chat mit unserem KI-Assistenten', 'neu'],
    fr: ['Ouvrir le chat', 'Fermer le chat', 'Chat avec notre assistant IA', 'nouveau'],
    es: ['Abrir el chat', 'Cerrar el chat', 'Chat con nuestro asistente de IA', 'nuevo'],
    zh: ['打开聊天', '关闭聊天', '与 AI 助手聊天', '条新消息'],
  };

  const STYLE = `
    :host { all: initial; }
    button, iframe { position: fixed; z-index: 2147483000; }
    button {
      bottom: 20px; right: 20px; width: 56px; height: 56px; padding: 0; border: 0; border-radius: 50%;
      background: var(--frontdesk-accent, #14565c); color: var(--frontdesk-ink, #fff); cursor: pointer;
      box-shadow: 0 1px 2px rgb(10 25 30 / .18), 0 8px 24px rgb(10 25 30 / .22);
      transition: transform .18s cubic-bezier(.2, .8, .3, 1), box-shadow .18s;
    }
    button:hover { transform: translateY(-2px); box-shadow: 0 2px 4px rgb(10 25 30 / .2), 0 14px 32px rgb(10 25 30 / .26); }
    button:active { transform: none; }
    button:focus-visible { outline: 3px solid var(--frontdesk-accent, #14565c); outline-offset: 3px;
      box-shadow: 0 0 0 3px #fff; }
    svg { position: absolute; inset: 15px; width: 26px; height: 26px; fill: none; stroke: currentColor;
      stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; transition: opacity .16s, transform .22s; }
    svg + svg { opacity: 0; transform: rotate(-45deg) scale(.7); }
    .open svg { opacity: 0; transform: scale(.7); }
    .open svg + svg { opacity: 1; transform: none; }
    span { position: absolute; top: -3px; right: -3px; min-width: 20px; box-sizing: border-box; padding: 0 5px;
      border: 2px solid #fff; border-radius: 12px; background: #c22f2f; color: #fff; font: 600 11px/16px system-ui, sans-serif; }
    span[hidden] { display: none; }
    iframe {
      bottom: 92px; right: 20px; width: 404px; height: min(690px, calc(100dvh - 112px)); border: 0; border-radius: 18px;
      background: Canvas; color-scheme: normal; opacity: 0; visibility: hidden; transform: translateY(14px) scale(.985);
      transform-origin: bottom right;
      box-shadow: 0 0 0 1px rgb(10 25 30 / .07), 0 4px 12px rgb(10 25 30 / .08), 0 24px 64px rgb(10 25 30 / .22);
      transition: opacity .16s, transform .22s cubic-bezier(.2, .8, .3, 1), visibility 0s .22s;
    }
    iframe.open { opacity: 1; visibility: visible; transform: none; transition-delay: 0s; }
    .left { right: auto; left: 20px; transform-origin: bottom left; }
    @media (max-width: 520px), (max-height: 520px) {
      iframe { inset: 0; width: 100%; height: 100dvh; border-radius: 0; box-shadow: none; }
      button.open { visibility: hidden; }
    }
    @media (forced-colors: active) { button { border: 2px solid ButtonText; } iframe { border: 1px solid CanvasText; } }
    @media (prefers-reduced-motion: reduce) { button, svg, iframe, iframe.open { transition: none; } button:hover { transform: none; } }
    @media print { button, iframe { display: none; } }
  `;

  let button;
  let badge;
  let frame = null;
  let ready = false;
  let opened = false;
  let waiting = [];

  function element(name, attributes, namespace) {
    const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return made;
  }

  function drawing(d) {
    const namespace = 'http://www.w3.org/2000/svg';
    const svg = element('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, namespace);
    svg.append(element('path', { d }, namespace));
    return svg;
  }

  function labels() {
    const wishes = [options.locale, ...navigator.languages, site.default_locale, 'en'];
    return wishes.map((wish) => LABELS[String(wish).slice(0, 2).toLowerCase()]).find(Boolean);
  }

  function announce(name, detail) {
    window.dispatchEvent(new CustomEvent(`frontdesk:${name}`, { detail }));
  }

  function report(code, detail) {
    announce('error', { code, detail });
  }

  /** What the frame has to know before it is ready; in the fragment, so that no server sees it. */
  function settings() {
    const known = new URLSearchParams({ host: location.origin, page: location.origin + location.pathname });
    for (const key of ['locale', 'accent', 'name', 'greeting', 'questions', 'colorScheme']) {
      if (options[key]) known.set(key, options[key]);
    }
    return known;
  }

  function load() {
    if (frame) return;
    frame = element('iframe', { title: labels()[2], allow: 'clipboard-write' });
    if (options.position === 'left') frame.classList.add('left');
    frame.src = `${origin}/widget/frame#${settings()}`;
    frame.inert = true;
    button.before(frame);
    setTimeout(() => ready || report('frame_silent', 'The chat did not load.'), SILENT_FRAME_MS);
  }

  function tell(type, value) {
    if (!ready) {
      waiting.push([type, value]);
      return;
    }
    frame.contentWindow.postMessage({ frontdesk: 1, type, value }, origin);
  }

  function setOpen(open, focus = true) {
    if (open === opened) return;
    load();
    opened = open;
    frame.inert = !open;
    for (const part of [frame, button]) part.classList.toggle('open', open);
    describe();
    tell('visible', { open, focus });
    if (open && focus) frame.focus();
    else if (!open) button.focus({ preventScroll: true });
    try {
      sessionStorage.setItem(REMEMBERED, open ? '1' : '');
    } catch {
      // Storage is blocked: the next page of the site starts with the chat closed.
    }
    announce(open ? 'opened' : 'closed');
  }

  function describe(unread = 0) {
    const [open, close, , fresh] = labels();
    button.setAttribute('aria-expanded', opened);
    button.setAttribute('aria-label', opened ? close : unread ? `${open} (${unread} ${fresh})` : open);
    badge.hidden = !unread;
    badge.textContent = unread > 9 ? '9+' : unread;
    if (frame) frame.title = labels()[2];
  }

  const HEARD = {
    ready() {
      ready = true;
      for (const [type, value] of waiting) tell(type, value);
      waiting = [];
      announce('ready');
    },
    close: () => setOpen(false),
    unread: (count) => describe(Number(count) || 0),
    event({ name, detail }) {
      if (['on-message', 'handoff', 'error'].includes(name)) announce(name, detail);
    },
  };

  window.addEventListener('message', ({ origin: from, source, data }) => {
    if (from !== origin || !frame || source !== frame.contentWindow || data?.frontdesk !== 1) return;
    if (Object.hasOwn(HEARD, data.type)) HEARD[data.type](data.value);
  });

  window.$frontdesk = {
    setUser(identifier, { name, email, identifier_hash, jwt } = {}) {
      if (!identifier && !jwt) report('invalid_user', 'setUser needs an identifier.');
      else tell('user', { identifier: identifier && String(identifier), name, email, identifier_hash, jwt });
    },
    setCustomAttributes: (attributes) => tell('attributes', { ...attributes }),
    setLocale(locale) {
      options.locale = String(locale);
      if (button) describe();
      tell('locale', options.locale);
    },
    setColorScheme: (scheme) => tell('colorScheme', String(scheme)),
    toggle: (to) => mounted(() => setOpen(to ? to === 'open' : !opened)),
    /** Opens the chat and asks this, as if the customer had written it. */
    ask: (question) => mounted(() => {
      setOpen(true);
      tell('ask', String(question));
    }),
    reset() {
      if (button) load(); // what an earlier page left in the frame's storage goes, too
      tell('reset');
    },
    get isOpen() {
      return opened;
    },
  };

  function mounted(then) {
    if (button) then();
    else document.addEventListener('frontdesk:mounted', then, { once: true });
  }

  /** White or black, whichever reads better on `accent` (WCAG relative luminance). */
  function inkOn(accent) {
    const channels = accent.match(/\w\w/g).map((hex) => {
      const part = parseInt(hex, 16) / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2] > 0.178 ? '#000' : '#fff';
  }

  function mount() {
    const host = element('div', { id: 'frontdesk' });
    const root = host.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet(); // allowed where `style-src` forbids a <style> element
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const accent = [options.accent, site.colour].find((colour) => /^#[0-9a-f]{6}$/i.test(colour || ''));
    if (accent) {
      host.style.setProperty('--frontdesk-accent', accent);
      host.style.setProperty('--frontdesk-ink', inkOn(accent));
    }
    button = element('button', { type: 'button', 'aria-haspopup': 'dialog' });
    if (options.position === 'left') button.classList.add('left');
    badge = element('span', { hidden: '' });
    button.append(
      drawing('M20.5 11.6c0 4.3-3.9 7.7-8.6 7.7-1.2 0-2.4-.2-3.4-.6L4 20l1.3-3.6a7.2 7.2 0 0 1-2-4.9C3.3 7.3 7.2 4 11.9 4s8.6 3.4 8.6 7.6z'),
      drawing('M6 9.5l6 6 6-6'),
      badge,
    );
    button.addEventListener('click', () => setOpen(!opened));
    button.addEventListener('keydown', (event) => event.key === 'Escape' && setOpen(false));
    for (const hint of ['pointerenter', 'focus']) button.addEventListener(hint, load, { once: true });
    root.append(button);
    describe();
    document.body.append(host);
    document.dispatchEvent(new Event('frontdesk:mounted'));
    afterLoad(() => {
      (window.requestIdleCallback || setTimeout)(load);
      if (wasOpen() && innerWidth > 520) setOpen(true, false);
    });
  }

  function afterLoad(then) {
    if (document.readyState === 'complete') then();
    else window.addEventListener('load', then, { once: true });
  }

  function wasOpen() {
    try {
      return sessionStorage.getItem(REMEMBERED) === '1';
    } catch {
      return false;
    }
  }

  if (document.body) mount();
  else document.addEventListener('DOMContentLoaded', mount, { once: true });
})();
