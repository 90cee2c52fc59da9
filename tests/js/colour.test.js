/** Checks that any colour gives readable words, and what is no colour gives none. */

import { contrast, palette } from '../../agent/web/static/widget/colour.js';
import { differs } from './check.js';

const rgb = (hex) => hex.match(/\w\w/g).map((part) => parseInt(part, 16));
const between = (one, other) => contrast(rgb(one), rgb(other));
const GROUNDS = { light: ['#f6f8f7', '#ffffff'], dark: ['#111516', '#20282a', '#1a2021'] };

export function run() {
  const failures = [];
  const check = (name, actual, expected) => failures.push(...differs(name, expected, actual));
  const parts = ['00', '20', '33', '55', '77', '80', '99', 'aa', 'cc', 'e0', 'ff'];
  for (const red of parts) for (const green of parts) for (const blue of parts) {
    const chosen = `#${red}${green}${blue}`;
    for (const [scheme, made] of Object.entries(palette(chosen))) {
      check(`${chosen} ${scheme}: words on a fill`, between(made['on-accent'], made.accent) >= 4.5, true);
      for (const ground of [...GROUNDS[scheme], made.tint]) {
        check(`${chosen} ${scheme}: words on ${ground}`, between(made.link, ground) >= 4.5, true);
      }
    }
  }
  check('a colour that is good as it is stays', palette('#14565c').light.accent, '#14565c');
  for (const none of [undefined, null, '', 'red', '#fff', '#12345g', '#1234567']) check(`${none}`, palette(none), null);
  return failures;
}
