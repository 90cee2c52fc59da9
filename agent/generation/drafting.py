"""Guesses the next tokens of an answer from what it is written from: prompt-lookup decoding.

An answer from policy repeats the policy's words, so what followed the answer's last tokens where
they stood before is a good guess (A. Saxena, "Prompt Lookup Decoding", 2023; llama.cpp's `lookup`
example). The model then computes the guess together with the token it would have computed anyway
and keeps what it would have chosen itself: the answer is the same, in fewer steps.

How far ahead it pays depends on how often guesses come true and on what a step costs with so many
rows on this machine; both are known, so the best number is computed, not configured. How often one
comes true is learnt by how many tokens it agreed with before: on 48 answers 0.45 after two, 0.65
after four, 0.93 after eight, and that says more than how the same answer went so far.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

LONGEST_MATCH: Final = 8
SHORTEST_MATCH: Final = 2
ROWS: Final = (1, 2, 4, 8, 16, 32)
# Seconds of a step with so many rows, until this machine's are known: 1.5B Q4_K_M on two cores.
TYPICAL: Final = (0.031, 0.044, 0.066, 0.110, 0.133, 0.238)
# How much of what is known each tried token decides, and how fast it is forgotten of guesses that
# are not tried any more, so that they are tried again.
_LEARNS: Final = 0.05
_FORGETS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Guess:
    """`tokens` that may follow; `match` tokens before them are the same as where they stood."""

    tokens: tuple[int, ...] = ()
    match: int = 0


def guess(tokens: Sequence[int], limit: int) -> Guess:
    """At most `limit` tokens: what stood behind the latest earlier place of the longest ending
    found, else none."""
    if limit <= 0:
        return Guess()
    last = len(tokens) - 1
    best, found = 0, -1
    for at in range(last - 1, -1, -1):
        if tokens[at] != tokens[last]:
            continue
        match = 1
        while match < LONGEST_MATCH and match <= at and tokens[at - match] == tokens[last - match]:
            match += 1
        if match > best:
            best, found = match, at
            if best == LONGEST_MATCH:
                break
    if best < SHORTEST_MATCH:
        return Guess()
    return Guess(tuple(tokens[found + 1 : found + 1 + limit]), best)


def _at_first() -> list[float]:
    return [min(0.25 + 0.1 * match, 0.93) for match in range(LONGEST_MATCH + 1)]


@dataclass(slots=True)
class Trust:
    """How likely a guessed token comes true if those before it did, by length of the match."""

    rates: list[float] = field(default_factory=_at_first)

    def chances(self, guessed: Guess) -> list[float]:
        """Of each token in turn: with every one that comes true the match is longer."""
        return [self.rates[self._place(guessed, at)] for at in range(len(guessed.tokens))]

    def saw(self, guessed: Guess, accepted: int) -> None:
        """The first `accepted` tokens came true."""
        for at in range(min(accepted + 1, len(guessed.tokens))):
            place = self._place(guessed, at)
            self.rates[place] += _LEARNS * ((at < accepted) - self.rates[place])

    def passed(self, guessed: Guess) -> None:
        """It was not worth a try."""
        place = self._place(guessed, 0)
        self.rates[place] += _FORGETS * (_at_first()[place] - self.rates[place])

    def _place(self, guessed: Guess, at: int) -> int:
        return min(guessed.match + at, LONGEST_MATCH)


def step_seconds(rows: int, costs: Sequence[float] = TYPICAL) -> float:
    """What a step with so many rows takes: between `ROWS` in a straight line, and on beyond."""
    steps = list(zip(ROWS, costs, strict=True))
    for (fewer, low), (more, high) in pairwise(steps):
        if rows <= more or more == ROWS[-1]:
            return low + (high - low) * (rows - fewer) / (more - fewer)
    raise AssertionError("ROWS has at least two members")


def worthwhile(
    offers: Sequence[Sequence[float]], rows: int, most: int, costs: Sequence[float] = TYPICAL
) -> list[int]:
    """How many tokens of each guess to compute in a step of `rows` rows without them.

    An offer has a probability for each token of a guess: that it comes true, given that those
    before it did. What pays most goes first, up to `most` in all, and as many are taken as give the
    most tokens a second."""
    taken = [0] * len(offers)
    best = list(taken)
    gained = float(len(offers))  # every answer gets one token anyway
    fastest = gained / step_seconds(max(rows, 1), costs)
    queue = [(-offer[0], index) for index, offer in enumerate(offers) if offer]
    heapq.heapify(queue)
    for extra in range(1, most + 1):
        if not queue:
            break
        chance, index = heapq.heappop(queue)
        gained -= chance
        taken[index] += 1
        if taken[index] < len(offers[index]):
            heapq.heappush(queue, (chance * offers[index][taken[index]], index))
        if (rate := gained / step_seconds(rows + extra, costs)) > fastest:
            fastest, best = rate, list(taken)
    return best
