"""Searches what is published: one generation of it, in Chroma and in an index in memory.

Owns the index in memory of each generation in use. Refuses to write anything.
Invariant: a search sees one generation, whole, also while the next one is being written.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from knowledge_base.catalog import Catalog, Pointer
from knowledge_base.chroma import CollectionMissing, VectorStore, record_id
from knowledge_base.embedding import PassageEmbedder, Vector
from knowledge_base.index import LexicalIndex
from knowledge_base.indexing import KEPT_GENERATIONS
from knowledge_base.model import Audience, Hit
from knowledge_base.ranking import ranked

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

        def found(pointer: Pointer) -> list[Hit]:
            wanted = pointer.generation if generation is None else generation
            if not pointer.generation - KEPT_GENERATIONS <= wanted <= pointer.generation:
                wanted = pointer.generation
            index = self._index(wanted)
            vectors = _InChroma(self._store, pointer.collection, index, wanted, audience, on)
            return ranked(index, vectors, query, vector, k, before=before, audience=audience, on=on)

        pointer = self._catalog.pointer()
        try:
            return found(pointer)
        except CollectionMissing:
            again = self._catalog.pointer()
            if again.collection == pointer.collection:
                raise
            # A rebuild put another collection in its place between the two reads.
            return found(again)

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


@dataclass(frozen=True, slots=True)
class _InChroma:
    """One generation's vectors in a collection, for an audience and a day."""

    store: VectorStore
    collection: str
    index: LexicalIndex
    generation: int
    audience: Audience
    on: date

    def nearest(
        self, vector: Vector, limit: int, shown: Callable[[str], bool]
    ) -> list[tuple[str, float]]:
        return self.store.nearest(
            *(self.collection, vector, limit, shown),
            generation=self.generation,
            audience=self.audience,
            on=self.on,
        )

    def similarities(self, vector: Vector, passage_ids: Sequence[str]) -> dict[str, float]:
        records = {record_id(one, self.index.shown_since[one]): one for one in passage_ids}
        found = self.store.similarities(self.collection, vector, list(records))
        return {records[record]: cosine for record, cosine in found.items()}
