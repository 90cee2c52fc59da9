/** Checks that every language says everything, and that every key the widget asks for exists. */

import { LANGUAGES, chooseLocale } from '../../agent/web/static/widget/strings.js';
import { differs } from './check.js';

const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** `sources`: the widget's modules as text. */
export function run(sources) {
  const failures = [];
  const check = (name, actual, expected) => failures.push(...differs(name, expected, actual));
  const english = LANGUAGES.en;
  check('five languages', Object.keys(LANGUAGES), ['en', 'de', 'fr', 'es', 'zh']);
  for (const [name, strings] of Object.entries(LANGUAGES)) {
    check(`${name}: the keys of English`, Object.keys(strings).sort(), Object.keys(english).sort());
    for (const [key, text] of Object.entries(strings)) {
      check(`${name}.${key} says something`, text.trim() !== '', true);
      check(`${name}.${key}: the same places`, places(text), places(english[key] ?? ''));
    }
  }
  for (const source of sources) {
    for (const [, key] of source.matchAll(/\bt\('(\w+)'/g)) check(`t('${key}')`, Object.hasOwn(english, key), true);
  }
  check('whole tag', chooseLocale('de-AT', ['en']), 'de-AT');
  check('first that is spoken', chooseLocale([], ['nl', 'fr-CH', 'en']), 'fr-CH');
  check('the last wish', chooseLocale([], ['nl'], 'es'), 'es');
  check('none is spoken', chooseLocale('nl', ['sv']), 'en');
  return failures;
}
