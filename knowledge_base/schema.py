"""The catalogue's SQL tables, and how an engine is opened for them.

Owns names, types and the version of the tables. Refuses to know what is written when.
Invariant: every visible passage can be read here; Chroma holds nothing that is not here.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)

from knowledge_base.errors import KnowledgeUnavailable

VERSION = 1
metadata = MetaData()

meta = Table(
    "kb_meta",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("catalogue_id", String(32), nullable=False),  # names this catalogue's collections
    Column("generation", Integer, nullable=False),  # the pointer: what a search sees,
    Column("collection", String(64), nullable=False),  # and where it looks
)
documents = Table(
    "kb_documents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("vanished", Boolean),  # retired because its file is gone
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("source", "key"),
)
revisions = Table(
    "kb_revisions",
    metadata,
    Column("document_id", ForeignKey("kb_documents.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("audience", String(8), nullable=False),
    Column("effective_from", Date),
    Column("effective_to", Date),
    Column("url", Text),
    Column(
        "sha256", String(64), nullable=False
    ),  # of the file as given and of what was stated with it
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("author", Text),
    Column("note", Text),
)
passages = Table(
    "kb_passages",
    metadata,
    Column("document_id", String(32), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("section", Text),
    Column("text", Text, nullable=False),
    ForeignKeyConstraint(
        ["document_id", "revision"], ["kb_revisions.document_id", "kb_revisions.number"]
    ),
)
# A revision is visible in the generations from_generation <= g < to_generation (NULL: still).
visibility = Table(
    "kb_visibility",
    metadata,
    Column("document_id", String(32), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("from_generation", Integer, primary_key=True),
    Column("to_generation", Integer, index=True),
    ForeignKeyConstraint(
        ["document_id", "revision"], ["kb_revisions.document_id", "kb_revisions.number"]
    ),
)
generations = Table(
    "kb_generations",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("shown_at", DateTime(timezone=True), nullable=False),
)
# A row here is a publication that has begun and has not been shown: it is finished or undone.
preparing = Table("kb_preparing", metadata, Column("generation", Integer, primary_key=True))
vectors = Table(
    "kb_vectors",
    metadata,
    Column("embedding", String(200), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # little-endian float32
)


def open_engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def prepare(connection: Connection) -> None:
    """Make the tables that are missing, and check that they are ours."""
    metadata.create_all(connection)
    _add_columns(connection)
    version = connection.execute(select(meta.c.version)).scalar()
    if version is None:
        catalogue_id = uuid.uuid4().hex[:12]
        connection.execute(
            insert(meta).values(
                id=1, version=VERSION, catalogue_id=catalogue_id, generation=0, collection=""
            )
        )
    elif version != VERSION:
        raise KnowledgeUnavailable(
            f"The knowledge base's tables have version {version} and this program needs {VERSION}; "
            "run the program that wrote them, or start with an empty database."
        )


def _add_columns(connection: Connection) -> None:
    """What older tables lack; only columns that may be empty are ever added."""
    there = inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    for table in metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(connection.dialect)
                connection.execute(
                    text(f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}")
                )


def now() -> datetime:
    return datetime.now(UTC)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
