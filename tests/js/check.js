/** Owns comparing for the tests in this folder. Refuses a framework: a failure is a sentence. */

/** True if `a` and `b` are the same JSON, in whatever order their keys are. */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

export function differs(name, expected, actual) {
  return same(expected, actual)
    ? []
    : [`${name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`];
}

/** Stops changes of `value` anywhere in it: a fold that is not pure throws. */
export function frozen(value) {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}
