/**
 * Owns where two texts differ, word by word. Pure.
 * Refuses to know what the words mean.
 * Invariant: the parts of each side, joined, are the text they were made from.
 */

const LONGEST = 600; // words: above that the whole text counts as changed

/** {old, new}: each a list of {text, changed}, neighbours of one kind joined. */
export function difference(before, after) {
  const [a, b] = [pieces(before), pieces(after)];
  const kept = a.length > LONGEST || b.length > LONGEST ? [] : common(a, b);
  return { old: parts(a, kept.map(([at]) => at)), new: parts(b, kept.map(([, at]) => at)) };
}

/** A word with the white space behind it. */
function pieces(text) {
  return text.match(/\s*\S+\s*/g) ?? (text ? [text] : []);
}

function same(one, other) {
  return one.trim() === other.trim();
}

/** Pairs of places of the longest common run of words. */
function common(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = same(a[i], b[j]) ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (same(a[i], b[j])) pairs.push([i++, j++]);
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
}

function parts(words, kept) {
  const unchanged = new Set(kept);
  const found = [];
  words.forEach((text, at) => {
    const changed = !unchanged.has(at);
    if (found.at(-1)?.changed === changed) found.at(-1).text += text;
    else found.push({ text, changed });
  });
  return found;
}
