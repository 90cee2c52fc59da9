"""Joins the two searches into one ranking.

Owns the fusion and its measured constant. Refuses to know stores: candidates in, hits out.
Invariant: scores lie in [0, 1], and equal candidates give equal orders.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge_base.model import Hit, Passage

# score = share x cosine + (1 - share) x BM25 / scale, over the candidates of both halves, where the
# scale is the question's best BM25, but at least half of what a passage with all of its words would
# score: where only "bring" of "bring my puppy" is known, its passage gets no full marks for it.
# Measured with MiniLM against reciprocal rank fusion (k 60) on 1,000-character passages, hit@1:
#                                             dense  BM25   RRF    0.6    0.65
#   DuckDuckGo help, 87 questions             0.931  0.943  0.943  0.977  0.977
#   the same, heading lines removed           0.598  0.575  0.598  0.736  0.736
#   Arduino help, 115, heading lines removed  0.748  0.583  0.722  0.730  0.739
#   OR-ShARC, 400                             0.630  0.623  0.698  0.710  0.725
#   MTRAG-UN, 103 answerable                  0.796  0.728  0.796  0.845  0.864
DENSE_SHARE = 0.65
LEAST_SCALE = 0.5
# Beside these, where the conversation named something: (score + weight x subject) / (1 + weight).
# The 46 dev questions of the DSTC9 subset (2,900 FAQs on 145 things), hit@1 and @5 by the weight:
#   0: 0.413, 0.652   0.2: 0.652, 0.891   0.5: 0.717, 0.913   1: 0.696, 0.913
SUBJECT_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage with what both halves say of it; a rank is None where a half did not bring it.
    `subject`, from 0 to 1: how much it belongs to what the conversation is about."""

    passage: Passage
    similarity: float
    bm25: float
    dense_rank: int | None
    lexical_rank: int | None
    subject: float = 0.0


def fused(candidates: Sequence[Candidate], limit: int, *, query_weight: float) -> list[Hit]:
    """The best `limit` of them; of passages with the same words only the best. `query_weight` is
    the BM25 score of a passage with all of the question's words."""
    scale = max([LEAST_SCALE * query_weight, *(one.bm25 for one in candidates)]) or 1.0
    weight = SUBJECT_WEIGHT if any(one.subject for one in candidates) else 0.0
    hits = [
        Hit(
            passage=one.passage,
            score=sum(parts),
            dense_similarity=one.similarity,
            dense_rank=one.dense_rank,
            lexical_rank=one.lexical_rank,
            lexical_score=one.bm25,
            subject=one.subject,
            parts=parts,
        )
        for one in candidates
        for parts in (_parts(one, scale, weight),)
    ]
    # Rounded, because a nearest-neighbour index adds noise in the last places.
    hits.sort(key=lambda hit: (-round(hit.score, 5), hit.passage.id))
    return _distinct(hits)[:limit]


def _parts(one: Candidate, scale: float, subject_weight: float) -> tuple[float, float, float]:
    """What the two halves and the subject give of the score."""
    whole = 1 + subject_weight
    dense = DENSE_SHARE * min(1.0, max(0.0, one.similarity)) / whole
    lexical = (1 - DENSE_SHARE) * one.bm25 / scale / whole
    return dense, lexical, subject_weight * one.subject / whole


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    seen: set[str] = set()
    kept = []
    for hit in hits:
        words = "".join(re.findall(r"\w+", hit.passage.text.casefold()))
        if words not in seen:
            seen.add(words)
            kept.append(hit)
    return kept
