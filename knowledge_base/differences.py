"""What changed between two revisions, computed and never guessed.

Owns the comparison of two texts, by lines and, in lines that changed, by words. Pure; refuses to
know documents. Invariant: the rows hold every changed line, or say that they were cut short.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final, Literal

Kind = Literal["same", "changed", "removed", "added", "skipped"]

CONTEXT: Final = 3  # lines around a change
ROWS: Final = 2000
# Two texts of 3,000 lines without a common one take 0.1 s; the time grows with their product.
LINES: Final = 3000
WORDS: Final = 400  # of one line: a longer one is marked as a whole
_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Line:
    number: int  # from 1
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line on either side; `skipped` stands for so many lines that are the same."""

    kind: Kind
    old: Line | None = None
    new: Line | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    rows: list[Row] = field(default_factory=list)
    unified: str = ""
    truncated: bool = False  # more changed than is shown


Opcode = tuple[str, int, int, int, int]


def difference(old: str, new: str, names: tuple[str, str]) -> Difference:
    """`names` are what stands at the head of the unified form."""
    before, after = old.split("\n"), new.split("\n")
    first, last = _common(before, after)
    middle = before[first : len(before) - last], after[first : len(after) - last]
    too_long = max(map(len, middle)) > LINES
    opcodes = list(_opcodes(before, after, first, last, too_long))
    groups = list(_grouped(opcodes))
    rows = _rows(before, after, groups)
    truncated = len(rows) > ROWS
    unified = _unified(before, after, groups, names)
    if truncated:
        unified = unified[: 2 * ROWS]
    return Difference(rows[:ROWS], "".join(f"{line}\n" for line in unified), truncated)


def _common(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many lines are the same at the beginning and at the end."""
    shorter = min(len(before), len(after))
    first = next((n for n in range(shorter) if before[n] != after[n]), shorter)
    rest = shorter - first
    last = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    return first, last


def _opcodes(
    before: Sequence[str], after: Sequence[str], first: int, last: int, too_long: bool
) -> Iterator[Opcode]:
    """As `SequenceMatcher` gives them; of texts too long to compare, all that is between the common
    beginning and the common end counts as replaced."""
    ends = len(before) - last, len(after) - last
    if first:
        yield "equal", 0, first, 0, first
    if too_long:
        yield "replace", first, ends[0], first, ends[1]
    else:
        matcher = SequenceMatcher(None, before[first : ends[0]], after[first : ends[1]], False)
        for tag, a1, a2, b1, b2 in matcher.get_opcodes():
            yield tag, first + a1, first + a2, first + b1, first + b2
    if last:
        yield "equal", ends[0], len(before), ends[1], len(after)


def _grouped(opcodes: Sequence[Opcode]) -> Iterator[list[Opcode]]:
    """The changes with `CONTEXT` lines around them, those that are near one another together."""
    group: list[Opcode] = []
    for at, (tag, a1, a2, b1, b2) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, a1, a2, b1, b2))
            continue
        lead = CONTEXT if at else 0
        tail = CONTEXT if at + 1 < len(opcodes) else 0
        if a2 - a1 <= lead + tail:
            group.append((tag, a1, a2, b1, b2))
            continue
        if lead:
            group.append((tag, a1, a1 + lead, b1, b1 + lead))
        if any(one[0] != "equal" for one in group):
            yield group
        group = [(tag, a2 - tail, a2, b2 - tail, b2)] if tail else []
    if any(one[0] != "equal" for one in group):
        yield group


def _rows(
    before: Sequence[str], after: Sequence[str], groups: Sequence[Sequence[Opcode]]
) -> list[Row]:
    rows: list[Row] = []
    shown = 0
    for group in groups:
        if group[0][1] > shown:
            rows.append(Row("skipped", skipped=group[0][1] - shown))
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                rows += [
                    Row("same", _whole(a1 + n, before), _whole(b1 + n, after))
                    for n in range(a2 - a1)
                ]
            else:
                rows += _changed(before, after, (a1, a2, b1, b2))
            if len(rows) > ROWS:
                return rows
        shown = group[-1][2]
    if groups and len(before) > shown:
        rows.append(Row("skipped", skipped=len(before) - shown))
    return rows


def _changed(
    before: Sequence[str], after: Sequence[str], places: tuple[int, int, int, int]
) -> Iterator[Row]:
    a1, a2, b1, b2 = places
    both = min(a2 - a1, b2 - b1)
    for n in range(both):
        old, new = _by_words(before[a1 + n], after[b1 + n])
        yield Row("changed", Line(a1 + n + 1, old), Line(b1 + n + 1, new))
    for n in range(a1 + both, a2):
        yield Row("removed", old=_whole(n, before, changed=True))
    for n in range(b1 + both, b2):
        yield Row("added", new=_whole(n, after, changed=True))


def _whole(at: int, lines: Sequence[str], *, changed: bool = False) -> Line:
    return Line(at + 1, (Part(lines[at], changed),))


def _by_words(old: str, new: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    a, b = _WORD.findall(old), _WORD.findall(new)
    if max(len(a), len(b)) > WORDS:
        return (Part(old, True),), (Part(new, True),)
    left: list[Part] = []
    right: list[Part] = []
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, a, b, False).get_opcodes():
        changed = tag != "equal"
        left.append(Part("".join(a[a1:a2]), changed))
        right.append(Part("".join(b[b1:b2]), changed))
    return tuple(p for p in left if p.text), tuple(p for p in right if p.text)


def _unified(
    before: Sequence[str],
    after: Sequence[str],
    groups: Sequence[Sequence[Opcode]],
    names: tuple[str, str],
) -> list[str]:
    lines = [f"--- {names[0]}", f"+++ {names[1]}"] if groups else []
    for group in groups:
        a1, a2, b1, b2 = group[0][1], group[-1][2], group[0][3], group[-1][4]
        lines.append(f"@@ -{_range(a1, a2)} +{_range(b1, b2)} @@")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [f" {line}" for line in before[i1:i2]]
                continue
            lines += [f"-{line}" for line in before[i1:i2]]
            lines += [f"+{line}" for line in after[j1:j2]]
    return lines


def _range(start: int, stop: int) -> str:
    """As `diff -u` writes it: an empty range begins on the line before."""
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
