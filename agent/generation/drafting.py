"""Guesses the next tokens of an answer from what it is written from: prompt-lookup decoding.

An answer from policy repeats the policy's words, so what followed the answer's last tokens where
they stood before is a good guess (A. Saxena, "Prompt Lookup Decoding", 2023; llama.cpp's `lookup`
example). The model then computes the guess together with the token it would have computed anyway
and keeps what it would have chosen itself: the answer is the same, in fewer steps.

How far ahead it pays depends on how often an answer's guesses came true and on what a step costs
with so many rows on this machine; both are known, so the best number is computed, not configured.
"""

import heapq
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

LONGEST_MATCH = 4
SHORTEST_MATCH = 2


def guess(tokens: Sequence[int], limit: int) -> list[int]:
    """At most `limit` tokens that may follow: what stood behind the latest earlier place of the
    longest ending found, else none."""
    if limit <= 0:
        return []
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
        return []
    return list(tokens[found + 1 : found + 1 + limit])


ROWS: Final = (1, 2, 4, 8, 16, 32)
# Seconds of a step with so many rows, until this machine's are known: 1.5B Q4_K_M on two cores.
TYPICAL: Final = (0.031, 0.044, 0.066, 0.110, 0.133, 0.238)


def step_seconds(rows: int, costs: Sequence[float] = TYPICAL) -> float:
    """What a step with so many rows takes: between `ROWS` in a straight line, and on beyond."""
    steps = list(zip(ROWS, costs, strict=True))
    for (fewer, low), (more, high) in pairwise(steps):
        if rows <= more or more == ROWS[-1]:
            return low + (high - low) * (rows - fewer) / (more - fewer)
    raise AssertionError("ROWS has at least two members")


def worthwhile(
    offers: Sequence[tuple[int, float]], rows: int, most: int, costs: Sequence[float] = TYPICAL
) -> list[int]:
    """How many tokens of each guess to compute in a step of `rows` rows without them.

    An offer is a guess's length and the probability that a token of it comes true, given that those
    before it did. What pays most goes first, up to `most` in all, and as many are taken as give the
    most tokens a second."""
    taken = [0] * len(offers)
    best = list(taken)
    gained = float(len(offers))  # every answer gets one token anyway
    fastest = gained / step_seconds(max(rows, 1), costs)
    queue = [(-trust, index) for index, (length, trust) in enumerate(offers) if length]
    heapq.heapify(queue)
    for extra in range(1, most + 1):
        if not queue:
            break
        chance, index = heapq.heappop(queue)
        gained -= chance
        taken[index] += 1
        length, trust = offers[index]
        if taken[index] < length:
            heapq.heappush(queue, (chance * trust, index))
        if (rate := gained / step_seconds(rows + extra, costs)) > fastest:
            fastest, best = rate, list(taken)
    return best
