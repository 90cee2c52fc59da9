"""Moves the visible knowledge base from one generation to the next.

Owns the order of writes that keeps readers on the old state or the new one: the new passages go to
Chroma for generation G+1 only, the old ones end there, and then one SQL transaction moves the
pointer. What a crash leaves behind is undone before the next writing. Refuses to parse and to
search. Invariant: in every generation that is kept, Chroma shows what the catalogue says.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence

from knowledge_base.catalog import Catalog, Pointer, Shown
from knowledge_base.chroma import CollectionMissing, VectorRecord, VectorStore
from knowledge_base.embedding import PassageEmbedder, Report

# A turn keeps the generation it began with. So many publications may happen meanwhile.
KEPT_GENERATIONS = 8
_log = logging.getLogger(__name__)


class Indexer:
    """Every method must be called while `catalog.writing()` is held."""

    def __init__(self, catalog: Catalog, store: VectorStore, embedder: PassageEmbedder) -> None:
        self._catalog = catalog
        self._store = store
        self._embedder = embedder

    def recover(self, report: Report | None = None) -> None:
        """Undo a publication that was cut off; rebuild what Chroma has lost."""
        self._tidy()
        pointer = self._catalog.pointer()
        if not self._intact(pointer):
            self.rebuild(report)

    def publish(self, changes: Mapping[str, int | None], report: Report | None = None) -> None:
        """Show each document at the revision, or (None) not at all: all in one generation."""
        if not changes:
            return
        self._tidy()
        pointer = self._catalog.pointer()
        generation = pointer.generation + 1
        wanted = [(document, number) for document, number in changes.items() if number is not None]
        passages = self._catalog.passages(wanted)
        records = self._records([Shown(passage, generation, None) for passage in passages], report)
        self._catalog.begin(generation)
        self._store.prune(pointer.collection, generation - KEPT_GENERATIONS)
        self._store.write(pointer.collection, records)
        self._store.end(pointer.collection, list(changes), generation)
        self._catalog.show(generation, changes)

    def rebuild(self, report: Report | None = None) -> None:
        """Fill a new collection from the catalogue and point at it.

        The old one stays until the next writing: a search that is still reading a collection
        while it is dropped finds nothing, without an error (chromadb 1.5).
        """
        self._tidy()
        pointer = self._catalog.pointer()
        oldest = max(0, pointer.generation - KEPT_GENERATIONS)
        shown = self._catalog.shown(since=oldest, until=pointer.generation)
        records = self._records(shown, report)
        name = f"{_prefix(pointer)}{uuid.uuid4().hex[:12]}"
        self._store.create(name, {"embedding": self._embedder.name})
        self._store.write(name, records)
        self._catalog.point_at_collection(name)
        self._embedder.forget_other_models()

    def _tidy(self) -> None:
        """Undo what a crash left half done, and drop the collections nobody points at."""
        for generation in self._catalog.unfinished():
            _log.warning("Undoing the publication of generation %d, which was cut off.", generation)
            try:
                self._store.undo(self._catalog.pointer().collection, generation)
            except CollectionMissing:
                _log.warning("Its collection is gone with it.")
            self._catalog.forget(generation)
        pointer = self._catalog.pointer()
        for name in self._store.names(_prefix(pointer)):
            if name != pointer.collection:
                self._store.drop(name)

    def _intact(self, pointer: Pointer) -> bool:
        try:
            description = self._store.description(pointer.collection) if pointer.collection else {}
            if description.get("embedding") != self._embedder.name:
                return False
            visible = self._store.visible(pointer.collection, pointer.generation)
        except CollectionMissing:
            return False
        shown = self._catalog.shown(since=pointer.generation, until=pointer.generation)
        return visible == {one.passage.id for one in shown}

    def _records(self, shown: Sequence[Shown], report: Report | None) -> list[VectorRecord]:
        vectors = self._embedder.passages([one.passage for one in shown], report)
        return [
            VectorRecord(
                passage_id=one.passage.id,
                document_id=one.passage.document_id,
                vector=vector,
                from_generation=one.from_generation,
                to_generation=one.to_generation,
                audience=one.passage.audience,
                effective_from=one.passage.effective_from,
                effective_to=one.passage.effective_to,
            )
            for one, vector in zip(shown, vectors, strict=True)
        ]


def _prefix(pointer: Pointer) -> str:
    return f"kb-{pointer.catalogue_id}-"
