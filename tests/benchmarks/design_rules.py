"""The compared designs: rules that choose from a record what to answer from, and what that costs.

Pure functions. A rule is given a question with what is known of its passages and may look only at
what it pays for; the passages' keys and values are taken to be cached, everything else is counted.
`calls` are the tokens of the decodes that follow one another before the first word.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
Rule = Callable[..., "Choice"]
PAIR = -1  # stands for the first two passages together where a place is asked for


@dataclass(frozen=True, slots=True)
class Choice:
    """`used` are the places of the passages that `answer` rests on; no answer: refused."""

    used: tuple[int, ...]
    answer: dict[str, Any] | None
    calls: tuple[int, ...]
    judged: int = 0
    likely: int = 0  # passages whose likelihood of the question was computed

    @property
    def text(self) -> str:
        return str(self.answer["text"]) if self.answer else ""


@dataclass(frozen=True)
class Case:
    """A record, or what is left of it when only `places` of its passages had been found."""

    record: Record
    places: tuple[int, ...]
    tokens: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", self.record["tokens"])

    def said(self, place: int) -> Record:
        found: Record = self.record["pair"] if place == PAIR else self.record["judged"][place]
        return found

    def no(self, place: int, judge: str) -> float:
        return float(self.said(place)[judge]["no"])

    def likely(self, place: int) -> float:
        return float(self.said(place)["likely"])

    @property
    def has_pair(self) -> bool:
        return self.record["pair"] is not None and {0, 1} <= set(self.places)

    @property
    def second(self) -> int:
        """Tokens of the second passage, which has to be computed behind the first."""
        return int(self.record["hits"][1]["tokens"])

    def score(self, place: int) -> float:
        return float(self.record["hits"][place]["score"])

    @property
    def asked(self) -> int:
        return self.tokens["opening"] + self.tokens["question"]

    @property
    def margin(self) -> float:
        """Of the first passage's fused score over the second's; 1 if it is the only one."""
        if len(self.places) < 2:
            return 1.0
        return self.score(self.places[0]) - self.score(self.places[1])

    @property
    def likelihood(self) -> int:
        """Tokens of one passage's likelihood: the logits of all of the question's tokens cost a
        sixth more (the output layer has 0.23 of 1.5 billion weights)."""
        return self.asked + round(self.tokens["question"] / 6)

    def judgement(self, judge: str) -> int:
        """Tokens of one judgement from the passage on."""
        if judge == "first":
            return self.tokens["opening"] + self.tokens["first"]
        return self.asked + self.tokens[judge]

    def answer(self, judge: str | None = None) -> int:
        """Tokens of the answer's prompt; behind a judgement that put the question first, only what
        follows the question."""
        return self.tokens["answer"] + (self.asked if judge in (None, "first") else 0)

    def alone(self, place: int, calls: tuple[int, ...], **counts: int) -> Choice:
        used = (0, 1) if place == PAIR else (place,)
        return Choice(used, self.said(place)["answer"], calls, **counts)

    def refused(self, calls: tuple[int, ...], **counts: int) -> Choice:
        return Choice((), None, calls, **counts)


def four(case: Case) -> Choice:
    hits = case.record["hits"]
    tokens = sum(hit["tokens"] for hit in hits) + case.answer()
    return Choice(tuple(range(len(hits))), case.record["four"], (tokens,))


def first(case: Case) -> Choice:
    return case.alone(case.places[0], (case.answer(),))


def always_pair(case: Case, *, kept: bool, judge: str = "first", refuse: float = 9.0) -> Choice:
    """`kept`: the second passage's keys and values behind the first are cached too. With `refuse`,
    one judgement of both passages together."""
    place = PAIR if case.has_pair else case.places[0]
    second = case.second if case.has_pair and not kept else 0
    if refuse > 1:
        return case.alone(place, (second + case.answer(),))
    calls: tuple[int, ...] = (second + case.judgement(judge),)
    if case.no(place, judge) > refuse:
        return case.refused(calls, judged=1)
    return case.alone(place, (*calls, case.answer(judge)), judged=1)


def pair_if_unsure(
    case: Case, *, judge: str, sure: float, refuse: float, refuse_one: float = 9.0,
    trusted: float = 9.0, close: float = 9.0, kept: bool = False,
) -> Choice:  # fmt: skip
    """Judge the first passage; unless it is `sure`, judge and answer from the first two together.

    No judgement at all if the search trusts the first (as in `one_by_one`); refused already after
    the first if its doubt is above `refuse_one`.
    """
    if case.score(case.places[0]) >= trusted and case.margin >= close:
        return first(case)
    doubt = case.no(case.places[0], judge)
    calls: tuple[int, ...] = (case.judgement(judge),)
    if doubt > refuse_one or (not case.has_pair and doubt > refuse):
        return case.refused(calls, judged=1)
    if doubt <= sure or not case.has_pair:
        return case.alone(case.places[0], (*calls, case.answer(judge)), judged=1)
    calls += ((0 if kept else case.second) + case.judgement(judge),)
    if case.no(PAIR, judge) > refuse:
        return case.refused(calls, judged=2)
    return case.alone(PAIR, (*calls, case.answer(judge)), judged=2)


def one_by_one(
    case: Case, *, judge: str, sure: float, refuse: float, most: int = 3, close: float = 9.0,
    trusted: float = 9.0, both: float = 0.0,
) -> Choice:  # fmt: skip
    """Judge passages in the search's order until one is sure, then answer from the surest.

    No judgement at all if the first one's fused score is `trusted` and leads by `close`. With
    `both`, an answer whose best passage leaves more doubt than that comes from the first two.
    """
    if case.score(case.places[0]) >= trusted and case.margin >= close:
        return first(case)
    calls: tuple[int, ...] = ()
    doubts: list[tuple[float, int]] = []
    for place in case.places[:most]:
        doubts.append((case.no(place, judge), place))
        calls += (case.judgement(judge),)
        if doubts[-1][0] <= sure:
            return case.alone(place, (*calls, case.answer(judge)), judged=len(doubts))
    doubts.sort()
    if doubts[0][0] > refuse:
        return case.refused(calls, judged=len(doubts))
    if both and doubts[0][0] > both and case.has_pair and doubts[0][1] in (0, 1):
        return case.alone(PAIR, (*calls, case.second + case.answer()), judged=len(doubts))
    return case.alone(doubts[0][1], (*calls, case.answer(judge)), judged=len(doubts))


def likelihood(
    case: Case, *, weight: float, judge: str, refuse: float, sure: float = 9.0, most: int = 3,
    trusted: float = 9.0, close: float = 9.0, both: float = 0.0,
) -> Choice:  # fmt: skip
    """The passage behind which the question is likeliest, the fused score counting `weight`; one
    judgement, of that passage, unless the question is as likely as `sure` behind it.

    The questions stand behind all candidates in one decode. The first passage alone is looked at
    if the search trusts it.
    """
    places = case.places[:most]
    if case.score(places[0]) >= trusted and case.margin >= close:
        places = places[:1]
    if len(places) == 1:
        return first(case)
    calls: tuple[int, ...] = (case.likelihood * len(places),)
    counts = {"likely": len(places)}
    ranked = sorted(places, key=lambda p: -(case.likely(p) + weight * case.score(p)))
    left = case.tokens["answer"]
    winner = ranked[0]
    if case.likely(winner) >= sure:
        return case.alone(winner, (*calls, left), **counts)
    # The question-first judge goes on behind the question; the other one reads it again.
    calls += (case.judgement(judge) if judge == "first" else case.tokens[judge],)
    counts["judged"] = 1
    if case.no(winner, judge) > refuse:
        return case.refused(calls, **counts)
    if both and case.no(winner, judge) > both and case.has_pair and winner in (0, 1):
        return case.alone(PAIR, (*calls, case.second + case.answer()), **counts)
    return case.alone(winner, (*calls, left), **counts)


def blend(
    case: Case, *, weight: float, doubt: float, judge: str, refuse: float, most: int = 3
) -> Choice:
    """Likelihood, fused score and doubt of every candidate in one sum, and a refusal by doubt."""
    places = case.places[:most]
    ranked = sorted(
        places,
        key=lambda p: -(case.likely(p) + weight * case.score(p) - doubt * case.no(p, judge)),
    )
    each = case.likelihood + (case.judgement(judge) if judge == "first" else case.tokens[judge])
    calls: tuple[int, ...] = (each * len(places),)
    counts = {"likely": len(places), "judged": len(places)}
    if case.no(ranked[0], judge) > refuse:
        return case.refused(calls, **counts)
    return case.alone(ranked[0], (*calls, case.tokens["answer"]), **counts)
