/**
 * Owns how the console calls somebody who does not look at it: the page's title, and notifications of
 * the browser, once they were asked for.
 * Refuses to ask for a permission without a click.
 * Invariant: a notification holds no word of a customer: other people may see the screen.
 */

const KEY = 'frontdesk.console.notify';

export class Alerts {
  #button = document.getElementById('notify');
  #choose;

  constructor(desk, choose) {
    this.#choose = choose;
    this.#button.hidden = !('Notification' in globalThis);
    this.#button.addEventListener('click', () => this.#turn());
    desk.addEventListener('arrived', ({ detail: id }) => this.#call(id));
    desk.addEventListener('list', () => {
      document.title = desk.waiting ? `(${desk.waiting}) Console` : 'Console';
    });
    this.#draw();
  }

  get isOn() {
    return globalThis.Notification?.permission === 'granted' && read() === 'on';
  }

  async #turn() {
    if (this.isOn) write('off');
    else if (await Notification.requestPermission() === 'granted') write('on');
    this.#draw();
  }

  #draw() {
    const refused = globalThis.Notification?.permission === 'denied';
    this.#button.setAttribute('aria-pressed', String(this.isOn));
    this.#button.title = refused ? 'Notifications: the browser has blocked them for this site'
      : this.isOn ? 'Notifications are on' : 'Turn on notifications';
  }

  #call(id) {
    if (!this.isOn || document.hasFocus()) return;
    const shown = new Notification('A customer waits for a person', { tag: id });
    shown.onclick = () => {
      globalThis.focus();
      this.#choose(id);
      shown.close();
    };
  }
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function write(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Without a storage it cannot be remembered, so it stays off.
  }
}
