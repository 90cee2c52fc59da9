/**
 * Owns what the console knows beside conversations: colleagues, canned replies, the policies' search.
 * Refuses to know how anything looks.
 * Invariant: a name that is not known yet is never shown as an id.
 */

const BASE = '/api/v1/staff';

/** Events: "people", "canned". */
export class Backstage extends EventTarget {
  people = [];
  canned = [];
  #session;

  constructor(session) {
    super();
    this.#session = session;
    session.addEventListener('entered', () => this.#begin());
    session.addEventListener('left', () => Object.assign(this, { people: [], canned: [] }));
  }

  async #begin() {
    await Promise.all([this.readPeople(), this.readCanned()]).catch(() => {}); // asked for again when needed
  }

  async readPeople() {
    this.people = (await this.#session.get(`${BASE}/people`)).items;
    this.dispatchEvent(new Event('people'));
  }

  async readCanned() {
    this.canned = (await this.#session.get(`${BASE}/canned_replies`)).items;
    this.dispatchEvent(new Event('canned'));
  }

  /** What somebody is called; somebody new is asked for behind this answer. */
  nameOf(id) {
    const known = this.people.find((one) => one.id === id);
    return known?.name ?? 'A colleague';
  }

  get supervises() {
    return ['supervisor', 'admin'].includes(this.#session.me?.role);
  }

  async keepCanned(id, reply) {
    if (id) await this.#session.put(`${BASE}/canned_replies/${id}`, reply);
    else await this.#session.post(`${BASE}/canned_replies`, reply);
    await this.readCanned();
  }

  async dropCanned(id) {
    await this.#session.delete(`${BASE}/canned_replies/${id}`);
    await this.readCanned();
  }

  async search(query) {
    return (await this.#session.post(`${BASE}/search`, { query })).items;
  }

  async earlier(id) {
    return (await this.#session.get(`${BASE}/conversations/${id}/earlier`)).items;
  }

  /** A revision as it was cited, whatever is published since. */
  revision(documentId, number) {
    return this.#session.get(`${BASE}/documents/${encodeURIComponent(documentId)}/revisions/${number}`);
  }

  overview() {
    return this.#session.get(`${BASE}/overview`);
  }
}
