"""Puts questions that mean the same together, from their vectors; keeps a group's id when it grows.

Pure: no model, no clock, no chance. Average link: two groups become one while the mean cosine of
their questions, each of one with each of the other, is at least the threshold. Invariant: the same
vectors in the same order give the same groups.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

# Pair precision, pair recall and adjusted Rand index of questions that people labelled, by
# threshold (`python -m tests.benchmarks.gaps`). banking77's 77 intents differ by a word, clinc_oos'
# 150 are of ten domains. By the index 0.50 to 0.60 are about
# as good (means 0.48, 0.46, 0.47); what is told apart too finely costs an admin a second look, what
# is put together wrongly hides a gap and may close it: so the most precise of them.
#                       0.50              0.55              0.60              0.65
#   banking77           0.34 0.58 0.42    0.40 0.49 0.43    0.55 0.42 0.47    0.67 0.33 0.44
#   300 of banking77    0.35 0.58 0.43    0.41 0.48 0.43    0.56 0.42 0.47    0.66 0.31 0.41
#   clinc_oos           0.73 0.49 0.58    0.79 0.40 0.53    0.88 0.33 0.48    0.89 0.26 0.40
SAME_MATTER: Final = 0.60
_ROUNDING: Final = 1e-5
_NOTHING: Final = -2.0  # below every cosine


def clustered(vectors: Vectors, threshold: float = SAME_MATTER) -> list[list[int]]:
    """Groups of rows, each ascending, in the order of their first. Rows have length 1.

    By chains of nearest neighbours: a group whose nearest is below the threshold is done, for no
    later merging of others can bring them nearer than the nearest of their parts; two that are
    nearest to each other are merged. All cosines are computed once: 100 MB for 5,000 questions,
    and less than two seconds (a product a step took 135 of them beside a busy model).
    """
    near = vectors @ vectors.T
    np.fill_diagonal(near, _NOTHING)
    members = {row: [row] for row in range(len(near))}
    chain: list[int] = []
    done: list[list[int]] = []
    for first in range(len(near)):
        if first in members:
            chain.append(first)
        while chain:
            tip = chain[-1]
            nearest = int(near[tip].argmax())
            if near[tip, nearest] < threshold:
                done.append(sorted(members.pop(tip)))
                near[tip] = near[:, tip] = _NOTHING
                chain.pop()
                continue
            # Of several that are as near, the one it came from: else a chain could go round.
            before = chain[-2] if len(chain) > 1 else None
            if before is None or near[tip, before] < near[tip, nearest] - _ROUNDING:
                chain.append(nearest)
                continue
            del chain[-2:]
            _merge(near, members, before, tip)
            if not chain:
                chain.append(before)
    return sorted(done)


def _merge(near: Vectors, members: dict[int, list[int]], into: int, other: int) -> None:
    """The mean to every other group is that of both parts' means, by their sizes."""
    ours, theirs = len(members[into]), len(members[other])
    mean = (near[into] * ours + near[other] * theirs) / (ours + theirs)
    near[other] = near[:, other] = _NOTHING
    mean[[into, other]] = _NOTHING
    gone = near[into] == _NOTHING
    near[into] = near[:, into] = np.where(gone, _NOTHING, mean)
    members[into] += members.pop(other)


def by_centrality(vectors: Vectors, group: Sequence[int]) -> list[int]:
    """The group's rows, the one that is nearest to all others first."""
    rows = vectors[list(group)]
    near = rows @ rows.mean(axis=0)
    return [group[at] for at in np.argsort(-near, kind="stable")]


def kept_ids(before: Mapping[str, frozenset[str]], now: Sequence[frozenset[str]]) -> dict[int, str]:
    """Which of the groups of `now` are which of `before`: a group keeps its id where at least half
    of what is left of its members stays together. Where two come together, the larger's stays."""
    left = frozenset().union(*now) if now else frozenset()
    shared = [
        (len(members & group), len(members & left), name, at)
        for name, members in before.items()
        for at, group in enumerate(now)
        if members & group
    ]
    found: dict[int, str] = {}
    for same, all_left, name, at in sorted(shared, key=lambda one: (-one[0], one[2], one[3])):
        if at not in found and name not in found.values() and 2 * same >= all_left:
            found[at] = name
    return found
