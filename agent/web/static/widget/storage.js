/**
 * Owns what this browser keeps between two page loads, and whose turn it is among its tabs.
 * Refuses to fail: where storage is blocked, nothing is kept and everything still works.
 * Invariant: a value that cannot be read is null.
 */

const areas = { local: () => window.localStorage, tab: () => window.sessionStorage };

export function recall(area, key) {
  try {
    return JSON.parse(areas[area]().getItem(key));
  } catch {
    return null;
  }
}

/** `null` forgets the key. */
export function keep(area, key, value) {
  try {
    if (value === null) areas[area]().removeItem(key);
    else areas[area]().setItem(key, JSON.stringify(value));
  } catch {
    // Blocked or full: the value lives as long as this page does.
  }
}

/** Runs `work` while no other tab of this browser does. */
export async function oneTabAtATime(work) {
  if (!navigator.locks) return work();
  return navigator.locks.request('frontdesk.open', work);
}
