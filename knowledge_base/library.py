"""The knowledge base as a whole: add, publish, search.

Owns the stores' lifetime and the order in which the parts are called. Refuses to know the service
around it; every method is synchronous and safe to call from any thread.
Invariant: a search sees one generation, whole, and nothing its audience or its day may not see.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from langchain_core.embeddings import Embeddings

from knowledge_base import parsing
from knowledge_base.catalog import Catalog, Shown
from knowledge_base.chroma import VectorStore
from knowledge_base.chunking import cut
from knowledge_base.embedding import PassageEmbedder
from knowledge_base.errors import InvalidDocument, KnowledgeUnavailable, RevisionNotFound
from knowledge_base.files import FoundFile, found_files
from knowledge_base.indexing import Indexer
from knowledge_base.model import (
    UNSIGNED,
    Added,
    Audience,
    Change,
    DocumentSummary,
    Format,
    Hit,
    Passage,
    Progress,
    Revision,
)
from knowledge_base.parsing import Parsed
from knowledge_base.retrieval import Retriever
from knowledge_base.settings import KnowledgeSettings
from knowledge_base.view import Kept, View

Report = Callable[[Progress], None]


class Library:
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

    @classmethod
    def open(
        cls,
        settings: KnowledgeSettings,
        embeddings: Embeddings,
        embedding_name: str,
        progress: Report | None = None,
    ) -> Self:
        """Raises KnowledgeUnavailable. What a crash or another embedder left behind is put right
        here, which can take as long as `rebuild`."""
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KnowledgeUnavailable(
                f"{settings.data_dir} cannot be made ({error.strerror}); choose a folder that this "
                "user may write."
            ) from error
        with ExitStack() as opened:
            catalog = Catalog(settings.database_url, settings.data_dir / "knowledge.lock")
            opened.callback(catalog.close)
            catalog.prepare()
            store = VectorStore(settings.data_dir / "chroma", settings.chroma_url)
            opened.callback(store.close)
            embedder = PassageEmbedder(embeddings, embedding_name, catalog)
            library = cls(settings, catalog, store, embedder)
            with catalog.writing():
                library._indexer.recover(progress)
            library._retriever.warm()
            opened.pop_all()
        return library

    def close(self) -> None:
        self._store.close()
        self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ping(self) -> None:
        """Raises KnowledgeUnavailable when a store cannot be reached."""
        self._catalog.pointer()
        self._store.ping()

    @property
    def generation(self) -> int:
        """The visible generation; a turn that must see one state passes it to `search`."""
        return self._catalog.pointer().generation

    # Writing

    def add_paths(
        self,
        paths: Iterable[Path | str],
        *,
        source: str | None = None,
        publish: bool = False,
        progress: Report | None = None,
    ) -> list[Added]:
        """Files, and the documents in folders; all of them become visible at once.

        A file that cannot be read is an entry with `error`, except when it was named itself: then
        UnreadableDocument or DocumentTooLarge is raised, before anything is written.
        """
        files = found_files(paths, source)
        parsed: list[tuple[FoundFile, Parsed | str]] = []
        for done, file in enumerate(files):
            if progress:
                progress(Progress("reading", done, len(files)))
            try:
                parsed.append((file, parsing.parse_file(file.path.name, file.read())))
            except InvalidDocument as error:
                if file.named:
                    raise
                parsed.append((file, str(error)))
        if progress:
            progress(Progress("reading", len(files), len(files)))
        with self._catalog.writing():
            added = [
                self._add(file.source, file.key, one)
                if isinstance(one, Parsed)
                else Added(file.source, file.key, None, None, None, error=one)
                for file, one in parsed
            ]
            return self._published(added, progress) if publish else added

    def add_text(
        self,
        *,
        source: str,
        key: str,
        text: str,
        kind: Format = "markdown",
        title: str | None = None,
        audience: Audience | None = None,
        effective_from: date | None = None,
        effective_to: date | None = None,
        publish: bool = False,
        by: Change = UNSIGNED,
    ) -> Added:
        """One document from its text. What is stated here wins over the text's own header; where
        neither says so, a document is public. Raises UnreadableDocument or DocumentTooLarge."""
        stated = parsing.Stated(title, audience, effective_from, effective_to)
        parsed = parsing.parse_text(key, text, kind, stated)
        return self._add_all(source, [(key, parsed)], publish, by=by)[0]

    def add_file(
        self,
        *,
        source: str,
        key: str,
        name: str,
        content: bytes,
        title: str | None = None,
        audience: Audience | None = None,
        effective_from: date | None = None,
        effective_to: date | None = None,
        publish: bool = False,
        by: Change = UNSIGNED,
    ) -> Added:
        """One document from an uploaded file; `name` decides its kind. Else as `add_text`."""
        stated = parsing.Stated(title, audience, effective_from, effective_to)
        parsed = parsing.parse_file(name, content, stated)
        return self._add_all(source, [(key, parsed)], publish, by=by)[0]

    def add_texts(
        self,
        texts: Iterable[tuple[str, str, str | None]],
        *,
        source: str,
        publish: bool = False,
        progress: Report | None = None,
    ) -> list[Added]:
        """Many Markdown texts `(key, text, title)` at once, in one generation."""
        parsed = [
            (key, parsing.parse_text(key, text, "markdown", parsing.Stated(title)))
            for key, text, title in texts
        ]
        return self._add_all(source, parsed, publish, progress)

    def _add_all(
        self,
        source: str,
        documents: Sequence[tuple[str, Parsed]],
        publish: bool,
        progress: Report | None = None,
        by: Change = UNSIGNED,
    ) -> list[Added]:
        with self._catalog.writing():
            added = [self._add(source, key, parsed, by) for key, parsed in documents]
            return self._published(added, progress) if publish else added

    def publish(self, document_id: str, revision: int | None = None) -> None:
        """Show the revision (the latest one if None); nothing changes if it is shown already."""
        self.publish_all({document_id: revision})

    def publish_all(self, changes: Mapping[str, int | None]) -> None:
        """Show each document at its revision (None: its latest), all of them at once."""
        with self._catalog.writing():
            self._publish(changes)

    def rollback(self, document_id: str, revision: int, by: Change = UNSIGNED) -> Revision:
        """Publish a new revision with the content of `revision`."""
        with self._catalog.writing():
            self.document(document_id)
            number = self._catalog.copy(document_id, revision, by)
            self._publish({document_id: number})
        return self.revision(document_id, number)

    def retire(self, document_id: str) -> None:
        """Show the document no more; its revisions stay, and publishing brings it back."""
        with self._catalog.writing():
            if self.document(document_id).status != "retired":
                self._indexer.publish({document_id: None})
                self._retriever.warm()

    def rebuild(self, progress: Report | None = None) -> None:
        """Make Chroma again from the catalogue; searches go on meanwhile."""
        with self._catalog.writing():
            self._indexer.rebuild(progress)

    # Reading

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

    def _today(self, at: datetime | None = None) -> date:
        zone = ZoneInfo(self._settings.time_zone)
        return (datetime.now(zone) if at is None else at.astimezone(zone)).date()

    # Shared steps; `catalog.writing()` is held

    def _add(self, source: str, key: str, parsed: Parsed, by: Change = UNSIGNED) -> Added:
        document_id = document_id_of(source, key)
        pieces = [
            (piece.section, parsed.text[piece.start : piece.end])
            for piece in cut(parsed.text, parsed.title, self._settings.passages)
        ]
        number, new = self._catalog.add(document_id, source, key, parsed, pieces, by)
        return Added(
            source, key, document_id, number, parsed.title, passages=len(pieces), unchanged=not new
        )

    def _published(self, added: Sequence[Added], progress: Report | None = None) -> list[Added]:
        wanted = {one.document_id: one.revision for one in added if one.document_id}
        self._publish(wanted, progress)
        return [replace(one, published=one.document_id is not None) for one in added]

    def _publish(self, wanted: Mapping[str, int | None], progress: Report | None = None) -> None:
        known = {one.id: one for one in self._catalog.documents()}
        changes: dict[str, int | None] = {}
        for document_id, number in wanted.items():
            numbers = self._catalog.numbers(document_id)
            chosen = numbers[-1] if number is None else number
            if chosen not in numbers:
                raise RevisionNotFound(document_id, chosen)
            one = known[document_id]
            if (one.status, one.revision) != ("published", chosen):
                changes[document_id] = chosen
        self._indexer.publish(changes, progress)
        self._retriever.warm()


def document_id_of(source: str, key: str) -> str:
    """Opaque and URL-safe; the same source and key always meet in the same document."""
    return hashlib.blake2b(f"{source}\0{key}".encode(), digest_size=10).hexdigest()
