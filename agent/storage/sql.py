"""The SQL database: SQLite in the data directory or PostgreSQL by URL, through SQLAlchemy.

Knows no table's meaning. Every method blocks: call it through `asyncio.to_thread`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Engine, MetaData, Table, create_engine, event, func, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.schema import CreateIndex, CreateTable

from agent.errors import SetupError, StoreUnavailable

_TABLES_LOCK: Final = 4_022_250_974

metadata = MetaData()


class Database:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """`sqlite:///…` or `postgresql://…`; makes the tables that are not there yet.

        Raises SetupError if it is no such URL, StoreUnavailable if the database does not answer.
        """
        engine = _engine(url)
        try:
            with _mapped_errors():
                _make_tables(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction. Raises StoreUnavailable with the remedy."""
        with _mapped_errors(), self._engine.begin() as connection:
            yield connection

    def upsert(self, table: Table) -> Any:
        """Both dialects have ON CONFLICT, but SQLAlchemy has no common word for it."""
        made = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        return made(table)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _no_database_url() from error
    if parsed.get_backend_name() == "postgresql":
        options = {"connect_timeout": 5, "options": "-c statement_timeout=15000"}
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), connect_args=options, pool_pre_ping=True
        )
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise _no_database_url()
    path = Path(parsed.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # before SQLite makes it readable
    except OSError as error:
        raise SetupError(
            f"The database file cannot be written ({error.strerror}): see to its folder's owner "
            "and free space, or set FRONTDESK_DATABASE_URL."
        ) from error
    engine = create_engine(parsed.set(drivername="sqlite+pysqlite"), connect_args={"timeout": 15})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A conversation leaves Redis once it is here, so what is committed must be on disk.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _make_tables(engine: Engine) -> None:
    """Several servers may do so at once: SQLite's statements take turns, PostgreSQL's do not."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_TABLES_LOCK)))
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            _add_columns(connection, table)
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))


def _add_columns(connection: Connection, table: Table) -> None:
    """Those that an older version did not have: what is new to a table may be null."""
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            kind = column.type.compile(connection.dialect)
            connection.execute(
                text(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}')
            )


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        full = "full" in str(error) or "No space" in str(error)
        raise StoreUnavailable(
            "The SQL database's disk is full: free some space there."
            if full
            else "The SQL database does not answer: see that it runs, that FRONTDESK_DATABASE_URL "
            "is right, and that its files can be written."
        ) from error


def _no_database_url() -> SetupError:
    return SetupError(
        "FRONTDESK_DATABASE_URL is no URL that Frontdesk knows: use sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME."
    )
