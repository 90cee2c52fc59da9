"""What can be asked of the knowledge base: its documents and revisions, and what is found in them.

Owns every question; the library, which changes what is here, stands on it. Refuses to write.
Invariant: a search sees one generation, whole, and nothing its audience or its day may not see.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from knowledge_base.catalog import Catalog, Shown
from knowledge_base.chroma import VectorStore
from knowledge_base.conflicts import Conflict, conflicts
from knowledge_base.embedding import PassageEmbedder
from knowledge_base.errors import RevisionNotFound
from knowledge_base.indexing import Indexer
from knowledge_base.model import (
    Audience,
    DocumentSummary,
    Hit,
    Passage,
    Progress,
    Revision,
    Showing,
)
from knowledge_base.retrieval import Retriever
from knowledge_base.settings import KnowledgeSettings
from knowledge_base.view import Kept, View

Report = Callable[[Progress], None]


class Shelf:
    """Safe to read from any thread."""

    def __init__(
        self, settings: KnowledgeSettings, catalog: Catalog, store: VectorStore,
        embedder: PassageEmbedder,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._embedder = embedder
        self._indexer = Indexer(catalog, store, embedder)
        self._retriever = Retriever(catalog, store, embedder)
        self._views = Kept()
        self._listeners: list[Callable[[], None]] = []

    def ping(self) -> None:
        """Raises KnowledgeUnavailable when a store cannot be reached."""
        self._catalog.pointer()
        self._store.ping()

    @property
    def generation(self) -> int:
        """The visible generation; a turn that must see one state passes it to `search`."""
        return self._catalog.pointer().generation

    def when_shown(self, listener: Callable[[], None]) -> None:
        """Call it, from whatever thread, as soon as something else was shown through this."""
        self._listeners.append(listener)

    def documents(self) -> list[DocumentSummary]:
        return self._catalog.documents()

    def document(self, document_id: str) -> DocumentSummary:
        return self._catalog.documents(document_id)[0]

    def revisions(self, document_id: str) -> list[Revision]:
        return self._catalog.revisions(document_id)

    def revision(self, document_id: str, number: int) -> Revision:
        for revision in self._catalog.revisions(document_id):
            if revision.number == number:
                return revision
        raise RevisionNotFound(document_id, number)

    def showings(self, document_id: str) -> list[Showing]:
        """When which revision was shown, oldest first."""
        self.document(document_id)
        return self._catalog.showings(document_id)

    def passages(self, document_id: str, revision: int) -> list[Passage]:
        self.revision(document_id, revision)
        return self._catalog.passages([(document_id, revision)])

    def search(
        self,
        query: str,
        *,
        k: int = 5,
        before: Sequence[str] = (),
        audience: Audience = "public",
        on: date | None = None,
        generation: int | None = None,
    ) -> list[Hit]:
        """The best `k` passages, best first. `before` is what was said before, oldest first: what
        it names is what the query is about. `on` is today if None. A generation too old to be kept
        is answered from the visible one."""
        day = on or self._today()
        return self._retriever.search(
            query, k, before=before, audience=audience, on=day, generation=generation
        )

    def view(
        self,
        changes: Mapping[str, int | None] | None = None,
        *,
        drafts: bool = False,
        at: datetime | None = None,
        progress: Report | None = None,
    ) -> View:
        """What is published, or was at a moment gone by; with each document's newest revision, if
        `drafts`; with each of `changes` at its revision, or (None) gone. What is shown meanwhile
        stays as it is. The last views are kept. Raises DocumentNotFound or RevisionNotFound."""
        generation = self.generation if at is None else self._catalog.generation_at(at)
        documents = self._catalog.documents()
        wanted: dict[str, int | None] = {}
        if drafts:
            wanted = {one.id: one.latest for one in documents if one.status != "retired"}
        wanted |= changes or {}
        for document_id, number in wanted.items():
            if number is not None and number not in self._catalog.numbers(document_id):
                raise RevisionNotFound(document_id, number)
        day = self._today(at)

        def make() -> View:
            shown = [
                one
                for one in self._catalog.shown(since=generation, until=generation)
                if one.passage.document_id not in wanted
            ]
            added = [(document_id, number) for document_id, number in wanted.items() if number]
            shown += [Shown(one, generation, None) for one in self._catalog.passages(added)]
            keys = {one.id: one.key for one in documents}
            return View(shown, keys, self._embedder, day, progress)

        return self._views.get((generation, tuple(sorted(wanted.items())), day), make)

    def conflicts(
        self, document_id: str | None = None, revision: int | None = None
    ) -> list[Conflict]:
        """Where a revision (the newest if None) says otherwise than what is published, or the same
        again, or so within itself; without a document, all that is published, each pair once.
        Raises DocumentNotFound or RevisionNotFound."""
        visible = self.generation
        published = [s.passage for s in self._catalog.shown(since=visible, until=visible)]
        if document_id is None:
            vectors = self._embedder.passages(published)
            found = conflicts(published, published, vectors, vectors)
            return [
                one
                for one in found
                if one.mine.passage.document_id <= one.theirs.passage.document_id
            ]
        mine = self.passages(document_id, revision or self._catalog.numbers(document_id)[-1])
        theirs = [*mine, *(one for one in published if one.document_id != document_id)]
        vectors = self._embedder.passages(theirs)
        return conflicts(mine, theirs, vectors[: len(mine)], vectors)

    def today(self) -> date:
        """The day it is where effective dates are of."""
        return self._today()

    def _today(self, at: datetime | None = None) -> date:
        zone = ZoneInfo(self._settings.time_zone)
        return (datetime.now(zone) if at is None else at.astimezone(zone)).date()
