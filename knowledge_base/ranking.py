"""Finds the passages for a question in one set of them: dense and lexical search, fused.

Owns which passages are candidates. Refuses to know where the vectors are kept.
Invariant: both halves look at the same passages, the same audience and the same day.
"""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import islice
from typing import Protocol

from knowledge_base.embedding import Vector
from knowledge_base.fusion import Candidate, fused
from knowledge_base.index import LexicalIndex
from knowledge_base.model import Audience, Hit

CANDIDATES = 30  # of each half
MOST_NAMED = 200  # passages of what the conversation is about


class Vectors(Protocol):
    """The passages' vectors, searched: Chroma's, or some in memory."""

    def nearest(
        self, vector: Vector, limit: int, shown: Callable[[str], bool]
    ) -> list[tuple[str, float]]:
        """Passage ids with their cosine similarity, best first, of those that are `shown`."""

    def similarities(self, vector: Vector, passage_ids: Sequence[str]) -> dict[str, float]:
        """The cosine similarity of each passage that is there."""


def ranked(
    index: LexicalIndex,
    vectors: Vectors,
    query: str,
    vector: Vector,
    k: int,
    *,
    before: Sequence[str],
    audience: Audience,
    on: date,
) -> list[Hit]:
    """The best `k`, best first. `vector` is the query's; `before` is what was said before it."""
    limit = max(CANDIDATES, k)
    scores = index.scores(query)
    lexical = [one for one, _ in index.best(scores, limit, audience=audience, on=on)]

    def shown(one: str) -> bool:
        passage = index.by_id.get(one)
        return passage is not None and passage.open_to(audience) and passage.in_force(on)

    dense = vectors.nearest(vector, limit, shown)
    similarity = {one: cosine for one, cosine in dense if one in index.by_id}
    near = list(similarity)
    # A first question is found by its own words; to prefer a folder that they name costs eight
    # of 100 right first passages (DuckDuckGo help).
    subject = index.subjects.of([*before, query]) if before else {}
    named = [one for one in islice(subject, MOST_NAMED) if shown(one)]
    others = [one for one in dict.fromkeys((*lexical, *named)) if one not in similarity]
    similarity |= vectors.similarities(vector, others)
    dense_ranks, lexical_ranks = _ranks(near), _ranks(lexical)
    candidates = [
        Candidate(
            passage=index.by_id[one],
            similarity=similarity.get(one, 0.0),
            bm25=index.score(scores, one),
            dense_rank=dense_ranks.get(one),
            lexical_rank=lexical_ranks.get(one),
            subject=subject.get(one, 0.0),
        )
        for one in dict.fromkeys([*near, *lexical, *named])
    ]
    return fused(candidates, k, query_weight=index.weight(query))


def _ranks(ids: list[str]) -> dict[str, int]:
    return {one: rank for rank, one in enumerate(ids, start=1)}
