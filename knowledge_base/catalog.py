"""The record of what was written and what is shown: documents, revisions, passages, generations.

Owns every SQL statement but the schema. Refuses to know Chroma, embeddings and files.
Invariant: readers see the generation that the pointer names, and the pointer moves in one
transaction together with the visibility it stands for.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from knowledge_base import register, schema
from knowledge_base.errors import KnowledgeUnavailable, RevisionNotFound
from knowledge_base.model import UNSIGNED, Change, DocumentSummary, Passage, Revision, Showing
from knowledge_base.parsing import Parsed
from knowledge_base.register import PASSAGE, passage, same_revision
from knowledge_base.schema import (
    documents,
    generations,
    meta,
    passages,
    preparing,
    revisions,
    visibility,
)

_ADVISORY_LOCK = 0x6B6E6F77  # any number that nothing else in the database uses


@dataclass(frozen=True, slots=True)
class Pointer:
    catalogue_id: str
    generation: int
    collection: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage and the generations in which it is visible (`to` None: still)."""

    passage: Passage
    from_generation: int
    to_generation: int | None


class Catalog:
    def __init__(self, url: str, lock_path: Path) -> None:
        self._lock_path = lock_path
        self._engine = schema.open_engine(url)
        self._place = self._engine.url.render_as_string(hide_password=True)

    def prepare(self) -> None:
        with self.writing(), self.transaction() as connection:
            schema.prepare(connection)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._reachable(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError):
            raise  # ours to mend, not the operator's
        except (DBAPIError, PoolTimeout) as error:
            raise KnowledgeUnavailable(
                f"The database {self._place} cannot be used ({_first_line(error)}); "
                "check that it runs, that its disk has room and that the URL is right."
            ) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time, in this process and in others; ends with the process."""
        if self._engine.dialect.name == "postgresql":
            with self._advisory_lock():
                yield
        else:
            with self._lock_path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    @contextmanager
    def _advisory_lock(self) -> Iterator[None]:
        """Held by a session of its own, so no transaction stays open meanwhile."""
        with self._reachable():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self._reachable():
                connection.execute(text(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})"))
            yield
        finally:
            connection.invalidate()  # the server lets the lock go with the session
            connection.close()

    # What is shown

    def pointer(self) -> Pointer:
        with self.transaction() as connection:
            row = connection.execute(
                select(meta.c.catalogue_id, meta.c.generation, meta.c.collection)
            ).one()
        return Pointer(*row)

    def point_at_collection(self, name: str) -> None:
        with self.transaction() as connection:
            connection.execute(update(meta).values(collection=name))

    def begin(self, generation: int) -> None:
        with self.transaction() as connection:
            connection.execute(insert(preparing).values(generation=generation))

    def unfinished(self) -> list[int]:
        with self.transaction() as connection:
            return list(connection.execute(select(preparing.c.generation)).scalars())

    def forget(self, generation: int) -> None:
        with self.transaction() as connection:
            connection.execute(delete(preparing).where(preparing.c.generation == generation))

    def show(self, generation: int, changes: Mapping[str, int | None]) -> None:
        """Make `generation` the visible one: each document at its revision, or (None) gone."""
        with self.transaction() as connection:
            for document_id, revision in changes.items():
                connection.execute(
                    update(visibility)
                    .where(
                        visibility.c.document_id == document_id,
                        visibility.c.to_generation.is_(None),
                    )
                    .values(to_generation=generation)
                )
                connection.execute(
                    update(documents)
                    .where(documents.c.id == document_id)
                    .values(retired=revision is None, vanished=None)
                )
                if revision is not None:
                    connection.execute(
                        insert(visibility).values(
                            document_id=document_id, revision=revision, from_generation=generation
                        )
                    )
            connection.execute(
                insert(generations).values(generation=generation, shown_at=schema.now())
            )
            connection.execute(update(meta).values(generation=generation))
            connection.execute(delete(preparing).where(preparing.c.generation == generation))

    def generation_at(self, moment: datetime) -> int:
        """The generation that was visible then; 0, in which nothing is, before the first one. Those
        of a catalogue that did not keep the time yet count as visible from its beginning."""
        known = select(func.min(generations.c.generation), func.max(generations.c.generation))
        with self.transaction() as connection:
            first, _ = connection.execute(known).one()
            at = connection.execute(
                known.where(generations.c.shown_at <= moment.astimezone(UTC))
            ).one()[1]
            if at is not None:
                return cast("int", at)
            if first is not None:
                return cast("int", first) - 1
            return cast("int", connection.execute(select(meta.c.generation)).scalar_one())

    def shown(self, *, since: int, until: int) -> list[Shown]:
        """Passages visible in any of the generations `since` … `until`, in a stable order."""
        condition = and_(
            visibility.c.from_generation <= until,
            or_(visibility.c.to_generation.is_(None), visibility.c.to_generation > since),
        )
        joined = (
            select(visibility.c.from_generation, visibility.c.to_generation, *PASSAGE)
            .join_from(visibility, revisions, same_revision(visibility))
            .join(passages, same_revision(passages))
            .where(condition)
            .order_by(passages.c.document_id, passages.c.revision, passages.c.position)
        )
        with self.transaction() as connection:
            rows = connection.execute(joined).all()
        return [Shown(passage(row), row.from_generation, row.to_generation) for row in rows]

    def passages(self, keys: Iterable[tuple[str, int]]) -> list[Passage]:
        found: list[Passage] = []
        statement = select(*PASSAGE).join_from(revisions, passages, same_revision(passages))
        with self.transaction() as connection:
            for document_id, number in keys:
                one = statement.where(
                    revisions.c.document_id == document_id, revisions.c.number == number
                ).order_by(passages.c.position)
                found += [passage(row) for row in connection.execute(one)]
        return found

    # What was written

    def add(
        self,
        document_id: str,
        source: str,
        key: str,
        parsed: Parsed,
        pieces: Sequence[tuple[str | None, str]],
        by: Change = UNSIGNED,
    ) -> tuple[int, bool]:
        """The revision's number, and whether it is new: the latest one's content is not repeated.
        `pieces` are the sections and texts of its passages."""
        with self.transaction() as connection:
            latest = connection.execute(
                select(revisions.c.number, revisions.c.sha256)
                .where(revisions.c.document_id == document_id)
                .order_by(revisions.c.number.desc())
                .limit(1)
            ).first()
            if latest is not None and latest.sha256 == parsed.sha256:
                return latest.number, False
            if latest is None:
                connection.execute(
                    insert(documents).values(
                        id=document_id,
                        source=source,
                        key=key,
                        retired=False,
                        created_at=schema.now(),
                    )
                )
            number = latest.number + 1 if latest is not None else 1
            values = {
                "title": parsed.title,
                "text": parsed.text,
                "audience": parsed.audience,
                "effective_from": parsed.effective_from,
                "effective_to": parsed.effective_to,
                "url": parsed.url,
                "sha256": parsed.sha256,
            }
            _insert_revision(connection, document_id, number, values, pieces, by)
            return number, True

    def digests(self, source: str) -> dict[tuple[str, str], str]:
        """The newest revision's digest, by source and key."""
        statement = (
            select(documents.c.source, documents.c.key, revisions.c.sha256)
            .join_from(documents, revisions, revisions.c.document_id == documents.c.id)
            .where(documents.c.source == source)
            .order_by(revisions.c.number)
        )
        with self.transaction() as connection:
            return {(row.source, row.key): row.sha256 for row in connection.execute(statement)}

    def mark_vanished(self, document_ids: Sequence[str]) -> None:
        with self.transaction() as connection:
            for one in document_ids:
                connection.execute(
                    update(documents).where(documents.c.id == one).values(vanished=True)
                )

    def vanished(self) -> set[str]:
        """The documents that are retired because their files are gone."""
        with self.transaction() as connection:
            chosen = select(documents.c.id).where(documents.c.retired, documents.c.vanished)
            return set(connection.execute(chosen).scalars())

    def copy(self, document_id: str, number: int, by: Change = UNSIGNED) -> int:
        """A new revision with the content of `number`."""
        with self.transaction() as connection:
            row = connection.execute(
                select(revisions).where(
                    revisions.c.document_id == document_id, revisions.c.number == number
                )
            ).first()
            if row is None:
                raise RevisionNotFound(document_id, number)
            pieces = connection.execute(
                select(passages.c.section, passages.c.text)
                .where(passages.c.document_id == document_id, passages.c.revision == number)
                .order_by(passages.c.position)
            ).all()
            newest = connection.execute(
                select(func.max(revisions.c.number)).where(revisions.c.document_id == document_id)
            ).scalar_one()
            given = ("title", "text", "audience", "effective_from", "effective_to", "url", "sha256")
            values = {name: getattr(row, name) for name in given}
            copied = [(piece.section, piece.text) for piece in pieces]
            _insert_revision(connection, document_id, newest + 1, values, copied, by)
            return cast("int", newest) + 1

    # What is asked about it

    def documents(self, document_id: str | None = None) -> list[DocumentSummary]:
        """All documents, or the one; a document shows its published revision, else its latest."""
        with self.transaction() as connection:
            return register.list_documents(connection, document_id)

    def numbers(self, document_id: str) -> list[int]:
        """The document's revision numbers, ascending."""
        with self.transaction() as connection:
            return register.list_numbers(connection, document_id)

    def revisions(self, document_id: str) -> list[Revision]:
        with self.transaction() as connection:
            return register.list_revisions(connection, document_id)

    def showings(self, document_id: str) -> list[Showing]:
        with self.transaction() as connection:
            return register.list_showings(connection, document_id)

    def unretire(self, document_id: str) -> None:
        with self.transaction() as connection:
            connection.execute(
                update(documents).where(documents.c.id == document_id).values(retired=False)
            )


def _insert_revision(
    connection: Connection,
    document_id: str,
    number: int,
    values: Mapping[str, Any],
    pieces: Sequence[tuple[str | None, str]],
    by: Change,
) -> None:
    connection.execute(
        insert(revisions).values(
            document_id=document_id,
            number=number,
            created_at=schema.now(),
            author=by.author,
            note=by.note,
            **values,
        )
    )
    connection.execute(
        insert(passages),
        [
            {
                "document_id": document_id, "revision": number, "position": position,
                "section": section, "text": body,
            }
            for position, (section, body) in enumerate(pieces)
        ],
    )  # fmt: skip


def _first_line(error: DBAPIError | PoolTimeout) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().split("\n")[0]
