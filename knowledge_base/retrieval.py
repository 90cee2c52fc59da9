"""Finds the passages for a question: dense and lexical search over one generation, fused.

Owns the index in memory of each generation in use. Refuses to write anything.
Invariant: both halves look at the same generation, the same audience and the same day.
"""

import threading
from collections.abc import Sequence
from datetime import date
from itertools import islice

from knowledge_base.catalog import Catalog, Pointer
from knowledge_base.chroma import CollectionMissing, VectorStore, record_id
from knowledge_base.embedding import PassageEmbedder, Vector
from knowledge_base.fusion import Candidate, fused
from knowledge_base.index import LexicalIndex
from knowledge_base.indexing import KEPT_GENERATIONS
from knowledge_base.model import Audience, Hit

CANDIDATES = 30  # of each half
MOST_NAMED = 200  # passages of what the conversation is about
_INDEXES_IN_MEMORY = 2  # the visible generation, and the one that running turns began with


class Retriever:
    def __init__(self, catalog: Catalog, store: VectorStore, embedder: PassageEmbedder) -> None:
        self._catalog = catalog
        self._store = store
        self._embedder = embedder
        self._indexes: dict[int, LexicalIndex] = {}
        self._lock = threading.Lock()

    def search(
        self,
        query: str,
        k: int,
        *,
        before: Sequence[str],
        audience: Audience,
        on: date,
        generation: int | None,
    ) -> list[Hit]:
        """`before` is what was said before the query, oldest first."""
        if k < 1 or not query.strip():
            return []
        vector = self._embedder.query(query)
        pointer = self._catalog.pointer()
        try:
            return self._search(pointer, query, vector, k, before, audience, on, generation)
        except CollectionMissing:
            again = self._catalog.pointer()
            if again.collection == pointer.collection:
                raise
            # A rebuild put another collection in its place between the two reads.
            return self._search(again, query, vector, k, before, audience, on, generation)

    def _search(
        self,
        pointer: Pointer,
        query: str,
        vector: Vector,
        k: int,
        before: Sequence[str],
        audience: Audience,
        on: date,
        generation: int | None,
    ) -> list[Hit]:
        wanted = pointer.generation if generation is None else generation
        if not pointer.generation - KEPT_GENERATIONS <= wanted <= pointer.generation:
            wanted = pointer.generation
        index = self._index(wanted)
        limit = max(CANDIDATES, k)
        scores = index.scores(query)
        lexical = [one for one, _ in index.best(scores, limit, audience=audience, on=on)]

        def shown(one: str) -> bool:
            passage = index.by_id.get(one)
            return passage is not None and passage.open_to(audience) and passage.in_force(on)

        dense = self._store.nearest(
            *(pointer.collection, vector, limit, shown),
            generation=wanted,
            audience=audience,
            on=on,
        )
        similarity = {one: cosine for one, cosine in dense if one in index.by_id}
        near = list(similarity)
        # A first question is found by its own words; to prefer a folder that they name costs eight
        # of 100 right first passages (DuckDuckGo help).
        subject = index.subjects.of([*before, query]) if before else {}
        named = [one for one in islice(subject, MOST_NAMED) if shown(one)]
        others = {
            record_id(one, index.shown_since[one]): one
            for one in (*lexical, *named)
            if one not in similarity
        }
        for record, cosine in self._store.similarities(
            pointer.collection, vector, list(others)
        ).items():
            similarity[others[record]] = cosine
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

    def warm(self) -> None:
        """Build the visible generation's index now, so that no customer's question waits for it."""
        self._index(self._catalog.pointer().generation)

    def _index(self, generation: int) -> LexicalIndex:
        with self._lock:  # one thread builds, the others wait for the same index
            index = self._indexes.get(generation)
            if index is None:
                shown = self._catalog.shown(since=generation, until=generation)
                keys = {document.id: document.key for document in self._catalog.documents()}
                index = LexicalIndex(shown, keys)
                self._indexes[generation] = index
                for old in sorted(self._indexes)[:-_INDEXES_IN_MEMORY]:
                    del self._indexes[old]
            return index


def _ranks(ids: list[str]) -> dict[str, int]:
    return {one: rank for rank, one in enumerate(ids, start=1)}
