"""A conversation store on the embedded Valkey and on the system's Redis; records on both SQLs."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from agent.storage.archive import ArchivedStore
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from tests.redis_servers import mortal_server, redis_url, socket_folder
from tests.servers import postgres_server

__all__ = ["mortal_server", "postgres_server", "redis_url", "socket_folder"]


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
async def store(redis_url: str, prefix: str) -> AsyncIterator[ConversationStore]:
    store = await ConversationStore.open(redis_url, prefix=prefix)
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'frontdesk.sqlite3'}"
    server: str = request.getfixturevalue("postgres_server")
    name = f"records_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def records(database_url: str) -> Iterator[Records]:
    records = Records.open(database_url)
    yield records
    records.close()


@pytest.fixture
async def archived_store(
    redis_url: str, prefix: str, records: Records
) -> AsyncIterator[ArchivedStore]:
    store = await ArchivedStore.open_over(redis_url, records, prefix=prefix)
    yield store
    await store.close()
