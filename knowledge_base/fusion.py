"""Joins the two searches into one ranking.

Owns the fusion and its measured constants. Refuses to know stores: rankings in, hits out.
Invariant: scores lie in (0, 1], 1 for a passage that both searches put first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowledge_base.model import Hit, Passage

RANK_CONSTANT = 60  # k of reciprocal rank fusion
DENSE_WEIGHT = 1.0
LEXICAL_WEIGHT = 1.0

Ranking = Sequence[tuple[str, float]]  # passage ids and native scores, best first


@dataclass(frozen=True, slots=True)
class Fusion:
    dense: float = DENSE_WEIGHT
    lexical: float = LEXICAL_WEIGHT
    constant: int = RANK_CONSTANT


def fused(
    dense: Ranking,
    lexical: Ranking,
    passages: Mapping[str, Passage],
    limit: int,
    fusion: Fusion = Fusion(),
) -> list[Hit]:
    """The best `limit` passages of both; of passages with the same words only the best."""
    near = {found: (rank, score) for rank, (found, score) in enumerate(dense, start=1)}
    worded = {found: (rank, score) for rank, (found, score) in enumerate(lexical, start=1)}
    hits = []
    for passage_id in dict.fromkeys([*near, *worded]):
        dense_rank, similarity = near.get(passage_id, (None, None))
        lexical_rank, bm25 = worded.get(passage_id, (None, None))
        hits.append(
            Hit(
                passage=passages[passage_id],
                score=_score(dense_rank, lexical_rank, fusion),
                dense_similarity=similarity,
                dense_rank=dense_rank,
                lexical_rank=lexical_rank,
                lexical_score=bm25,
            )
        )
    hits.sort(key=lambda hit: hit.score, reverse=True)
    return _distinct(hits)[:limit]


def _score(dense_rank: int | None, lexical_rank: int | None, fusion: Fusion) -> float:
    best = (fusion.dense + fusion.lexical) / (fusion.constant + 1)
    gained = 0.0
    if dense_rank is not None:
        gained += fusion.dense / (fusion.constant + dense_rank)
    if lexical_rank is not None:
        gained += fusion.lexical / (fusion.constant + lexical_rank)
    return gained / best


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    seen: set[str] = set()
    kept = []
    for hit in hits:
        words = "".join(re.findall(r"\w+", hit.passage.text.casefold()))
        if words not in seen:
            seen.add(words)
            kept.append(hit)
    return kept
