"""What a corrected document changes in an answer that was given from the old one.

Pure functions of three texts. A sentence of the answer is followed to the old document's sentence
it rests on, and from there to what stands in that one's place now. Invariant: a figure, link, name
or "not" of an answer that the old sentence had and its successor has not is never called the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agent.policy import claims, grounding
from agent.policy.citing import without_markers

Verdict = Literal["changed", "gone", "reworded", "same"]

_WORST: Final[tuple[Verdict, ...]] = ("changed", "gone", "reworded", "same")
_FOLLOWS: Final = 0.5  # of the shorter's words are shared with what stands in a sentence's place


@dataclass(frozen=True, slots=True)
class Difference:
    """`said` by the answer, from `was` of the old document, in whose place `now` stands, or
    nothing. `facts` are those of the answer that do not hold any more."""

    said: str
    was: str
    now: str | None
    facts: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    verdict: Verdict
    differences: tuple[Difference, ...]


def compare(answer: str, old: str, new: str) -> Comparison:
    """`changed`: a fact of the answer does not hold any more; `gone`: what it rests on is not said
    any more; `reworded`: it is said in other words, which somebody has to read."""
    before, after = _sentences(old), _sentences(new)
    found: list[Difference] = []
    for said in grounding.sentences(without_markers(answer)):
        was = _source(said, before)
        if was is None or was in after or _is_still_said(said, was, after):
            continue
        found.append(_difference(said, was, _successor(was, before, after)))
    differences = tuple(one for one in found if one.verdict != "same")
    worst = min((_WORST.index(one.verdict) for one in differences), default=-1)
    return Comparison(_WORST[worst], differences)


def _difference(said: str, was: str, now: str | None) -> Difference:
    facts = _facts(said) & _facts(was)
    if now is None:
        return Difference(said, was, None, tuple(sorted(facts)), "gone")
    lost = facts - _facts(now)
    if lost:
        return Difference(said, was, now, tuple(sorted(lost)), "changed")
    if claims.reverses(said, now) and not claims.reverses(said, was):
        return Difference(said, was, now, (), "changed")
    words = grounding.content_words(said) & grounding.content_words(was)
    missing = words - grounding.content_words(now)
    verdict: Verdict = "reworded" if missing or claims.may_differ(was, now) else "same"
    return Difference(said, was, now, (), verdict)


def _is_still_said(said: str, was: str, after: Sequence[str]) -> bool:
    words = grounding.content_words(said) & grounding.content_words(was)
    facts = _facts(said) & _facts(was)
    return any(
        words <= grounding.content_words(one)
        and facts <= _facts(one)
        and not claims.may_differ(was, one)
        for one in after
    )


def _facts(text: str) -> set[str]:
    return grounding.figures(text) | grounding.links(text) | claims.names(text)


def _source(said: str, before: Sequence[str]) -> str | None:
    """The old sentence that it rests on: by its words, in another language by its figures."""
    found = grounding.support(said, before)
    if found.passage is not None:
        return before[found.passage]
    facts = grounding.figures(said) | grounding.links(said)
    shared = [len(facts & _facts(one)) for one in before]
    best = max(shared, default=0)
    return before[shared.index(best)] if best else None


def _successor(was: str, before: Sequence[str], after: Sequence[str]) -> str | None:
    """What stands in the old sentence's place: of the new sentences the one nearest to it."""
    words = grounding.content_words(was)
    known = set(before)
    best, found = _FOLLOWS, None
    for one in after:
        if one in known:
            continue  # it stood there before, beside the one that went
        theirs = grounding.content_words(one)
        share = len(words & theirs) / max(min(len(words), len(theirs)), 1)
        if share > best or (share == best and found is None):
            best, found = share, one
    return found


def quoted(sentence: str) -> str:
    """As it reads in a message: a row of a table without its lines, an item without its bullet."""
    if sentence.startswith("|"):
        return ", ".join(cell.strip() for cell in sentence.strip("| ").split("|") if cell.strip())
    return sentence.lstrip("-*• ").strip()


def _sentences(text: str) -> list[str]:
    """Without headings, which state nothing."""
    return [one for one in grounding.sentences(text) if not one.startswith("#")]
