"""Joins the two searches into one ranking.

Owns the fusion and its measured constant. Refuses to know stores: rankings in, hits out.
Invariant: scores lie in [0, 1], and equal rankings give equal orders.
"""

import re
from collections.abc import Mapping, Sequence

from knowledge_base.model import Hit, Passage

# score = share x cosine + (1 - share) x BM25 / the question's best BM25. Measured with MiniLM
# against reciprocal rank fusion (k 60, equal weights), hit@1, 30 candidates of each half:
#                                       dense  BM25   RRF    0.5    0.6    0.7
#   DuckDuckGo help, 87 questions       0.931  0.943  0.943  0.977  0.977  0.977
#   the same, heading lines removed     0.598  0.575  0.598  0.667  0.690  0.690
#   Arduino help, 115, lines removed    0.748  0.583  0.722  0.704  0.739  0.739
#   OR-ShARC, first 400                 0.630  0.623  0.698  0.698  0.728  0.725
#   MTRAG-UN, 103 answerable            0.796  0.728  0.796  0.835  0.854  0.854
DENSE_SHARE = 0.6

Ranking = Sequence[tuple[str, float]]  # passage ids and native scores, best first


def fused(
    dense: Ranking, lexical: Ranking, passages: Mapping[str, Passage], limit: int
) -> list[Hit]:
    """The best `limit` passages of both; of passages with the same words only the best."""
    near = {found: (rank, score) for rank, (found, score) in enumerate(dense, start=1)}
    worded = {found: (rank, score) for rank, (found, score) in enumerate(lexical, start=1)}
    # What dense search left out is at most as near as the last that it brought.
    floor = dense[-1][1] if dense else 0.0
    best = lexical[0][1] if lexical else 1.0
    hits = []
    for passage_id in dict.fromkeys([*near, *worded]):
        dense_rank, similarity = near.get(passage_id, (None, None))
        lexical_rank, bm25 = worded.get(passage_id, (None, None))
        cosine = floor if similarity is None else similarity
        score = DENSE_SHARE * max(0.0, cosine) + (1 - DENSE_SHARE) * (bm25 or 0.0) / best
        hits.append(
            Hit(
                passage=passages[passage_id],
                score=min(1.0, score),
                dense_similarity=similarity,
                dense_rank=dense_rank,
                lexical_rank=lexical_rank,
                lexical_score=bm25,
            )
        )
    # Rounded, because a nearest-neighbour index adds noise in the last places.
    hits.sort(key=lambda hit: (-round(hit.score, 5), hit.passage.id))
    return _distinct(hits)[:limit]


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    seen: set[str] = set()
    kept = []
    for hit in hits:
        words = "".join(re.findall(r"\w+", hit.passage.text.casefold()))
        if words not in seen:
            seen.add(words)
            kept.append(hit)
    return kept
