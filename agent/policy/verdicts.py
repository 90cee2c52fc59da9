"""Whether an answer is still what it was once what is published has changed.

Pure: two answers and the passages they could rest on, compared by code. Refuses to know where the
answers come from. In doubt an answer counts as changed, so that a person reads it. Invariant: an
answer that customers would lose is never called the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.domain import Verdict
from agent.policy import grounding
from agent.policy.facts import key_facts, missing, token_f1, turned_round

# Where nothing can be compared but words: below it two answers say something else.
SAME_WORDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as a customer gets it. `stands`: it answers, or asks back, and nobody is called;
    `found`, the texts of the passages that the search has for it; `cited`, its documents."""

    text: str
    stands: bool
    found: Sequence[str] = ()
    cited: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a golden question is to be answered with; nothing at all if not `answerable`."""

    text: str = ""
    answerable: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """`lost` are the old answer's facts that the new one lacks, `gained` the other way round, each
    as it is written; `why` says in one sentence what was decided by."""

    verdict: Verdict
    why: str
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()


def judge(old: Given, new: Given, expected: Expected | None = None) -> Judgement:
    lost, gained = _differences(old, new)

    def found(verdict: Verdict, why: str) -> Judgement:
        return Judgement(verdict, why, tuple(sorted(lost)), tuple(sorted(gained)))

    if expected is not None and not expected.answerable:
        if old.stands != new.stands:
            return (
                found("better", "It is no longer answered, and should not be.")
                if old.stands
                else found("worse", "It is answered now and should not be.")
            )
    elif old.stands != new.stands:
        return (
            found("worse", "It was answered and is not any more.")
            if old.stands
            else found("better", "It was not answered and is now.")
        )
    elif expected is not None and expected.text:
        before, after = _has(old, expected.text), _has(new, expected.text)
        if after < before:
            return found("worse", "The new answer has less of what is expected.")
        if after > before:
            return found("better", "The new answer has more of what is expected.")
    if not old.stands:
        return found("same", "It is answered neither before nor after.")
    return _of_two_answers(old, new, lost, gained)


def _of_two_answers(
    old: Given, new: Given, lost: frozenset[str], gained: frozenset[str]
) -> Judgement:
    def found(verdict: Verdict, why: str) -> Judgement:
        return Judgement(verdict, why, tuple(sorted(lost)), tuple(sorted(gained)))

    held = " ".join(old.found)
    gone = _unsupported(lost & _facts_in(lost, held), new.found)
    replaced = bool(gained) and bool(old.cited & new.cited)
    if gone and not replaced:
        return found("lost_support", "No passage says any more what the old answer says.")
    if lost or gained:
        return found("changed", "The facts differ.")
    if turned_round(old.text, new.text):
        return found("changed", "One of the two says “not” or “only”.")
    if token_f1(old.text, new.text) < SAME_WORDS and not _share_facts(old.text, new.text):
        return found("changed", "The words differ.")
    return found("same", "The same facts.")


def _differences(old: Given, new: Given) -> tuple[frozenset[str], frozenset[str]]:
    if not (old.stands and new.stands):
        return frozenset(), frozenset()
    return missing(old.text, new.text), missing(new.text, old.text)


def _has(answer: Given, expected: str) -> float:
    """How much of what is expected the answer has, from 0 to 1."""
    if not answer.stands:
        return 0.0
    share = key_facts(answer.text, expected)
    return round(token_f1(answer.text, expected), 1) if share is None else share


def _facts_in(facts: frozenset[str], text: str) -> frozenset[str]:
    figures, said = grounding.figures(text), text.casefold()
    return frozenset(one for one in facts if one in figures or one.casefold() in said)


def _unsupported(facts: frozenset[str], passages: Sequence[str]) -> frozenset[str]:
    return facts - _facts_in(facts, " ".join(passages))


def _share_facts(one: str, other: str) -> bool:
    """Whether both have facts: then these were compared, and the words say little."""
    return bool(missing(one, "")) and bool(missing(other, ""))
