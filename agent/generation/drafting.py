"""Guesses the next tokens of an answer from what it is written from: prompt-lookup decoding.

An answer from policy repeats the policy's words, so what followed the answer's last tokens where
they stood before is a good guess (A. Saxena, "Prompt Lookup Decoding", 2023; llama.cpp's `lookup`
example). The model then computes the guess together with the token it would have computed anyway
and keeps what it would have chosen itself: the answer is the same, in fewer steps.
"""

from collections.abc import Sequence

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
