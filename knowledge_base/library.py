"""The knowledge base as a whole: add, publish, search.

Owns the stores' lifetime and the order in which the parts are called. Refuses to know the service
around it; every method is synchronous and safe to call from any thread.
Invariant: a search sees one generation, whole, and nothing its audience or its day may not see.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Self

from langchain_core.embeddings import Embeddings

from knowledge_base import parsing, revising
from knowledge_base.archives import is_archive
from knowledge_base.catalog import Catalog
from knowledge_base.checkout import change_of
from knowledge_base.chroma import VectorStore
from knowledge_base.chunking import cut
from knowledge_base.embedding import PassageEmbedder
from knowledge_base.errors import (
    KnowledgeMoved,
    KnowledgeUnavailable,
    RevisionNotFound,
    UnreadableDocument,
)
from knowledge_base.files import FoundFile, found_files, in_archive
from knowledge_base.intake import Source, parsed_files
from knowledge_base.model import (
    UNSIGNED,
    Added,
    Audience,
    Change,
    Format,
    Revision,
)
from knowledge_base.parsing import Parsed, Stated
from knowledge_base.previewing import Preview, preview
from knowledge_base.settings import KnowledgeSettings
from knowledge_base.shelf import Report, Shelf


class Library(Shelf):
    """Everything a shelf answers, and what changes it."""

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
        parsed = list(parsed_files(found_files(paths, source), progress))
        with self._catalog.writing():
            added = [self._taken(file, one) for file, one in parsed]
            return self._published(added, progress) if publish else added

    def add_archive(
        self, *, source: str, name: str, content: bytes, publish: bool = False,
        by: Change = UNSIGNED,
    ) -> list[Added]:  # fmt: skip
        """Every document in an uploaded ZIP file, under its path inside. Else as `add_paths`."""
        parsed = list(parsed_files(in_archive(name, content, source), None))
        with self._catalog.writing():
            added = [self._taken(file, one, by) for file, one in parsed]
            return self._published(added) if publish else added

    def sync(
        self,
        folder: Path | str,
        *,
        source: str,
        publish: bool = False,
        progress: Report | None = None,
    ) -> list[Added]:
        """Make the source's documents those of the folder (or ZIP file): new and changed files are
        revisions, drafts unless `publish`; those whose file is gone are retired in any case; other
        sources are left alone. The folder's commit signs the revisions, if it is a Git checkout.
        Raises UnreadableDocument without a folder, SourceEmpty if it has become empty."""
        place = Path(folder).absolute()
        if not place.is_dir() and not is_archive(place.name):
            raise UnreadableDocument(f"{place} is no folder; name one that exists.")
        by = change_of(place)
        known = self._catalog.digests(source)
        parsed = list(parsed_files(found_files([place], source), progress, known))
        with self._catalog.writing():
            documents = {one.key: one for one in self.documents() if one.source == source}
            before = Source(source, documents, self._catalog.vanished())
            gone = before.without(parsed)
            done = [
                before.kept(file.key) if one is None else self._taken(file, one, by)
                for file, one in parsed
            ]
            wanted = before.to_show(done) if publish else {}
            self._publish(wanted, progress, gone=[one.id for one in gone])
            self._catalog.mark_vanished([one.id for one in gone])
        shown = [replace(one, published=one.document_id in wanted) for one in done]
        return shown + before.retired(gone)

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

    def revise(
        self,
        document_id: str,
        content: str | bytes,
        *,
        name: str,
        stated: Stated,
        cleared: Collection[str] = (),
        by: Change = UNSIGNED,
    ) -> Added:
        """A new revision of a document from a file called `name`, or from its edited Markdown. What
        neither `stated` nor the file itself says stays as it is in the newest revision; `cleared`
        are dates to take away. Raises as `add_text`."""
        file = parsing.parse_file(name, content, stated) if isinstance(content, bytes) else None
        with self._catalog.writing():
            one = self.document(document_id)
            before = self.revision(document_id, one.latest)
            if file is None:
                titled = replace(stated, title=stated.title or before.title)
                file = parsing.parse_text(name, str(content), "markdown", titled)
            wanted = revising.following(file, before, stated, cleared)
            if revising.says_the_same(wanted, before):
                title = before.title
                return Added(one.source, one.key, one.id, one.latest, title, unchanged=True)
            return self._add(one.source, one.key, wanted, by)

    def preview(self, content: str | bytes, *, name: str, stated: Stated) -> Preview:
        """What a file, or a Markdown text, would become; nothing is kept. Raises as `add_text`."""
        if isinstance(content, bytes):
            parsed = parsing.parse_file(name, content, stated)
        else:
            parsed = parsing.parse_text(name, content, "markdown", stated)
        return preview(parsed, self._settings.passages, self.today())

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

    def show(self, changes: Mapping[str, int | None], *, since: int | None = None) -> None:
        """Show each document at its revision, or (None) no more, all of them at once. With `since`
        raises KnowledgeMoved unless that generation is still the visible one."""
        with self._catalog.writing():
            if since not in (None, self.generation):
                raise KnowledgeMoved
            self._publish({one: number for one, number in changes.items() if number}, gone=[
                one for one, number in changes.items()
                if number is None and self.document(one).status != "retired"
            ])  # fmt: skip

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
                self._publish({}, gone=[document_id])

    def unpublish(self, document_id: str) -> None:
        """Show the document no more, and have it as a draft again."""
        with self._catalog.writing():
            if self.document(document_id).status == "published":
                self._publish({}, gone=[document_id])
            self._catalog.unretire(document_id)

    def restore(self, document_id: str) -> None:
        """Undo `retire`: show what was shown last; what never was is a draft again."""
        with self._catalog.writing():
            if self.document(document_id).status == "retired":
                shown = self._catalog.showings(document_id)
                if shown:
                    self._publish({document_id: shown[-1].revision})
                self._catalog.unretire(document_id)

    def rebuild(self, progress: Report | None = None) -> None:
        """Make Chroma again from the catalogue; searches go on meanwhile."""
        with self._catalog.writing():
            self._indexer.rebuild(progress)

    # Shared steps; `catalog.writing()` is held

    def _add(self, source: str, key: str, parsed: Parsed, by: Change = UNSIGNED) -> Added:
        document_id = document_id_of(source, key)
        pieces = [
            (piece.section, parsed.text[piece.start : piece.end])
            for piece in cut(parsed.text, parsed.title, self._settings.passages)
        ]
        number, new = self._catalog.add(document_id, source, key, parsed, pieces, by)
        return Added(
            source, key, document_id, number, parsed.title, passages=len(pieces),
            unchanged=not new, warnings=parsed.warnings,
        )  # fmt: skip

    def _taken(self, file: FoundFile, read: Parsed | str | None, by: Change = UNSIGNED) -> Added:
        if isinstance(read, Parsed):
            return self._add(file.source, file.key, read, by)
        return Added(file.source, file.key, None, None, None, error=read)

    def _published(self, added: Sequence[Added], progress: Report | None = None) -> list[Added]:
        wanted = {one.document_id: one.revision for one in added if one.document_id}
        self._publish(wanted, progress)
        return [replace(one, published=one.document_id is not None) for one in added]

    def _publish(
        self,
        wanted: Mapping[str, int | None],
        progress: Report | None = None,
        gone: Sequence[str] = (),
    ) -> None:
        known = {one.id: one for one in self._catalog.documents()}
        changes: dict[str, int | None] = dict.fromkeys(gone)
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
        for listener in self._listeners:
            listener()


def document_id_of(source: str, key: str) -> str:
    """Opaque and URL-safe; the same source and key always meet in the same document."""
    return hashlib.blake2b(f"{source}\0{key}".encode(), digest_size=10).hexdigest()
