/**
 * Owns what follows from one colour: fills, tints and words, for light and dark pages.
 * Refuses to know any element. Invariant: words on a fill, and words in the colour on the page, have
 * at least 4.5:1, whatever colour was chosen.
 */

const READABLE = 4.6; // WCAG AA asks for 4.5; rounding to whole channels takes a little
const WHITE = [255, 255, 255];
const BLACK = [0, 0, 0];
// The page behind, what is raised above it, and how far a fill has to stand out from it.
const SCHEMES = {
  light: { page: [246, 248, 247], raised: WHITE, away: BLACK, fill: 1.25, tint: 0.09, line: 0.26 },
  dark: { page: [17, 21, 22], raised: [32, 40, 42], away: WHITE, fill: 1.9, tint: 0.3, line: 0.5 },
};

/** {name: colour} for each of light and dark, or null if `hex` is no #rrggbb. */
export function palette(hex) {
  if (!/^#[0-9a-f]{6}$/i.test(hex ?? '')) return null;
  const colour = hex.match(/\w\w/g).map((part) => parseInt(part, 16));
  return Object.fromEntries(Object.entries(SCHEMES).map(([name, scheme]) => [name, shades(colour, scheme)]));
}

function shades(colour, { page, raised, away, fill: apart, tint: share, line }) {
  const fill = moved(colour, away, apart, [page]);
  const tint = mixed(raised, fill, share);
  const ink = moved(colour, away, READABLE, [page, raised, tint]);
  const onFill = contrast(WHITE, fill) >= READABLE ? WHITE : BLACK;
  const named = { accent: fill, 'on-accent': onFill, tint, link: ink, 'tint-line': mixed(raised, fill, line) };
  return Object.fromEntries(Object.entries(named).map(([name, rgb]) => [name, css(rgb)]));
}

/** `colour` moved towards `away` until it has `wanted` against every one of `grounds`. */
function moved(colour, away, wanted, grounds) {
  for (let share = 0; share < 1; share += 0.02) {
    const tried = mixed(colour, away, share);
    if (grounds.every((ground) => contrast(tried, ground) >= wanted)) return tried;
  }
  return away;
}

function mixed(from, to, share) {
  return from.map((channel, at) => Math.round(channel + (to[at] - channel) * share));
}

/** WCAG 2's contrast ratio of two colours. */
export function contrast(one, other) {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(rgb) {
  const [red, green, blue] = rgb.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function css(rgb) {
  return `#${rgb.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}
