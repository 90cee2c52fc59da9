"""A store and a broadcaster on it."""

import uuid
from collections.abc import AsyncIterator

import pytest

from agent.events.broadcast import Broadcaster
from agent.storage.redis import ConversationStore
from tests.redis_servers import mortal_server, redis_url, socket_folder

__all__ = ["mortal_server", "redis_url", "socket_folder"]


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[ConversationStore]:
    store = await ConversationStore.open(redis_url, prefix=f"t{uuid.uuid4().hex}")
    yield store
    await store.close()


@pytest.fixture
async def broadcaster(store: ConversationStore) -> AsyncIterator[Broadcaster]:
    broadcaster = Broadcaster(store)
    await broadcaster.start()
    yield broadcaster
    await broadcaster.close()
