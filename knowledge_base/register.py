"""What the catalogue can tell of documents and their revisions.

Owns the questions asked of the tables, each over a connection it is given. Refuses to write.
Invariant: a document shows its published revision, else its latest.
"""

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, and_, func, select

from knowledge_base.errors import DocumentNotFound
from knowledge_base.model import Audience, DocumentSummary, Passage, Revision, Showing, Status
from knowledge_base.schema import documents, generations, passages, revisions, visibility


def list_documents(connection: Connection, document_id: str | None = None) -> list[DocumentSummary]:
    """All documents, or the one."""
    latest = (
        select(revisions.c.document_id, func.max(revisions.c.number).label("number"))
        .group_by(revisions.c.document_id)
        .subquery()
    )
    newest = revisions.alias()
    pieces = (
        select(passages.c.document_id, passages.c.revision, func.count().label("passages"))
        .group_by(passages.c.document_id, passages.c.revision)
        .subquery()
    )
    number = func.coalesce(visibility.c.revision, latest.c.number)
    statement = (
        select(
            documents.c.id, documents.c.source, documents.c.key, documents.c.retired,
            visibility.c.revision.label("shown"), latest.c.number.label("latest"),
            newest.c.created_at.label("changed_at"), newest.c.author, pieces.c.passages,
            *(revisions.c[name] for name in (
                "number", "title", "audience", "effective_from", "effective_to"
            )),
        )
        .join_from(documents, latest, latest.c.document_id == documents.c.id)
        .outerjoin(
            visibility,
            and_(
                visibility.c.document_id == documents.c.id, visibility.c.to_generation.is_(None)
            ),
        )
        .join(
            revisions,
            and_(revisions.c.document_id == documents.c.id, revisions.c.number == number),
        )
        .join(
            newest,
            and_(newest.c.document_id == documents.c.id, newest.c.number == latest.c.number),
        )
        .outerjoin(
            pieces,
            and_(pieces.c.document_id == documents.c.id, pieces.c.revision == number),
        )
        .order_by(documents.c.source, documents.c.key)
    )  # fmt: skip
    if document_id is not None:
        statement = statement.where(documents.c.id == document_id)
    rows = connection.execute(statement).all()
    if document_id is not None and not rows:
        raise DocumentNotFound(document_id)
    return [
        DocumentSummary(
            id=row.id, title=row.title, source=row.source, key=row.key, revision=row.number,
            status=_status(row.shown is not None, row.retired), audience=row.audience,
            latest=row.latest, passages=row.passages or 0, changed_at=_aware(row.changed_at),
            changed_by=row.author, effective_from=row.effective_from,
            effective_to=row.effective_to,
        )
        for row in rows
    ]  # fmt: skip


def list_numbers(connection: Connection, document_id: str) -> list[int]:
    """The document's revision numbers, ascending."""
    statement = (
        select(revisions.c.number)
        .where(revisions.c.document_id == document_id)
        .order_by(revisions.c.number)
    )
    found = list(connection.execute(statement).scalars())
    if not found:
        raise DocumentNotFound(document_id)
    return found


def list_revisions(connection: Connection, document_id: str) -> list[Revision]:
    """Ascending by number."""
    shown = (
        select(
            visibility.c.document_id,
            visibility.c.revision,
            func.count().label("times"),
            func.count(visibility.c.to_generation).label("ended"),
        )
        .group_by(visibility.c.document_id, visibility.c.revision)
        .subquery()
    )
    statement = (
        select(revisions, shown.c.times, shown.c.ended)
        .outerjoin(
            shown,
            and_(
                shown.c.document_id == revisions.c.document_id,
                shown.c.revision == revisions.c.number,
            ),
        )
        .where(revisions.c.document_id == document_id)
        .order_by(revisions.c.number)
    )
    rows = connection.execute(statement).all()
    if not rows:
        raise DocumentNotFound(document_id)
    return [_revision(row) for row in rows]


def list_showings(connection: Connection, document_id: str) -> list[Showing]:
    """Oldest first."""
    begun, ended = generations.alias(), generations.alias()
    statement = (
        select(
            visibility.c.revision, visibility.c.to_generation,
            begun.c.shown_at.label("since"), ended.c.shown_at.label("until"),
        )
        .outerjoin_from(visibility, begun, begun.c.generation == visibility.c.from_generation)
        .outerjoin(ended, ended.c.generation == visibility.c.to_generation)
        .where(visibility.c.document_id == document_id)
        .order_by(visibility.c.from_generation)
    )  # fmt: skip
    return [
        Showing(row.revision, row.since and _aware(row.since), row.until and _aware(row.until))
        for row in connection.execute(statement)
    ]


PASSAGE = (
    passages.c.document_id, passages.c.revision, passages.c.position, passages.c.section,
    passages.c.text, revisions.c.title, revisions.c.audience, revisions.c.url,
    revisions.c.effective_from, revisions.c.effective_to, revisions.c.created_at,
)  # fmt: skip


def passage_id(document_id: str, revision: int, position: int) -> str:
    return f"{document_id}.{revision}.{position}"


def same_revision(table: Any) -> Any:
    return and_(
        table.c.document_id == revisions.c.document_id, table.c.revision == revisions.c.number
    )


def passage(row: Any) -> Passage:
    """Of a row of `PASSAGE`."""
    return Passage(
        id=passage_id(row.document_id, row.revision, row.position),
        document_id=row.document_id, revision=row.revision, title=row.title, section=row.section,
        text=row.text, position=row.position, audience=cast("Audience", row.audience), url=row.url,
        effective_from=row.effective_from, effective_to=row.effective_to,
        revised_on=row.created_at.date(),
    )  # fmt: skip


def _revision(row: Any) -> Revision:
    times, ended = row.times or 0, row.ended or 0
    return Revision(
        document_id=row.document_id, number=row.number, title=row.title, text=row.text,
        audience=row.audience, effective_from=row.effective_from, effective_to=row.effective_to,
        created_at=_aware(row.created_at), status=_status(times > ended, times > 0), url=row.url,
        author=row.author, note=row.note,
    )  # fmt: skip


def _aware(moment: datetime) -> datetime:
    """SQLite forgets the zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _status(shown: bool, was_shown: bool) -> Status:
    return "published" if shown else "retired" if was_shown else "draft"
