"""Facts about following a conversation, on the embedded Valkey and on a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent.domain import Event
from agent.errors import InvalidRequest, StoreUnavailable
from agent.events.broadcast import Broadcaster
from agent.events.log import LogTrimmed
from agent.storage.redis import ConversationStore
from tests.agent.storage.conversations import (
    conversation,
    delta,
    following,
    said,
    texts,
    with_turn,
)
from tests.redis_servers import MortalServer


async def gathered(stream: AsyncIterator[Event | None], count: int) -> list[Event]:
    """The next `count` events; heartbeats do not count."""
    found: list[Event] = []
    async for event in stream:
        if event is not None:
            found.append(event)
        if len(found) == count:
            break
    return found


async def test_a_reader_gets_what_is_stored_and_then_what_happens(
    store: ConversationStore, broadcaster: Broadcaster
) -> None:
    running = with_turn(conversation())
    await store.create(running.model_copy(update={"turn": None, "version": 0}))
    stored = await store.commit(running, [said("one"), said("two")])
    stream = broadcaster.follow(running.id, "0-0")
    assert await gathered(stream, 2) == stored
    stream = broadcaster.follow(running.id, stored[0].id)
    assert await gathered(stream, 1) == stored[1:]

    stream = broadcaster.follow(running.id, stored[-1].id)
    waiting = asyncio.create_task(gathered(stream, 3))
    live = await store.append(running.id, running.last_epoch, [delta("a"), delta("b")])
    live += await store.commit(following(running, turn=None), [said("three")])
    assert await waiting == live


async def test_every_reader_gets_everything_once_and_in_order(
    store: ConversationStore, broadcaster: Broadcaster
) -> None:
    headers = [with_turn(conversation()) for _ in range(3)]
    for header in headers:
        await store.create(header.model_copy(update={"turn": None, "version": 0}))
        await store.commit(header, [])
    readers = [
        asyncio.create_task(gathered(broadcaster.follow(header.id, "0-0"), 200))
        for header in headers
        for _ in range(5)
    ]

    async def write(number: int) -> None:
        header = headers[number]
        for piece in range(200):
            await store.append(header.id, header.last_epoch, [delta(f"{number}:{piece}")])

    await asyncio.gather(*(write(number) for number in range(3)))
    for place, found in enumerate(await asyncio.gather(*readers)):
        assert texts(found) == [f"{place // 5}:{piece}" for piece in range(200)]


async def test_a_slow_reader_misses_nothing(
    store: ConversationStore, broadcaster: Broadcaster
) -> None:
    running = with_turn(conversation())
    await store.create(running.model_copy(update={"turn": None, "version": 0}))
    first = await store.commit(running, [said("one")])
    stream = broadcaster.follow(running.id, "0-0")
    assert await gathered(stream, 1) == first
    stream = broadcaster.follow(running.id, first[0].id)
    reading = asyncio.create_task(gathered(stream, 1200))
    for batch in range(12):
        pieces = [delta(f"{batch}.{number}") for number in range(100)]
        await store.append(running.id, running.last_epoch, pieces)
    assert texts(await reading) == [f"{b}.{n}" for b in range(12) for n in range(100)]


async def test_silence_is_broken_by_heartbeats(store: ConversationStore) -> None:
    header = conversation()
    await store.create(header)
    broadcaster = Broadcaster(store, heartbeat_s=0.01)
    await broadcaster.start()
    stream = broadcaster.follow(header.id, "0-0")
    assert [await anext(stream) for _ in range(3)] == [None, None, None]
    await broadcaster.close()


async def test_a_missed_wake_up_costs_a_heartbeat_and_no_event(store: ConversationStore) -> None:
    header = conversation()
    await store.create(header)
    deaf = Broadcaster(store, heartbeat_s=0.01)  # never started: nothing wakes its readers
    stream = deaf.follow(header.id, "0-0")
    assert await anext(stream) is None
    events = await store.commit(following(header), [said("one")])
    assert await gathered(stream, 1) == events


async def test_a_reader_ends_with_its_conversation(
    store: ConversationStore, broadcaster: Broadcaster
) -> None:
    header = following(conversation())
    await store.create(header.model_copy(update={"version": 0}))
    await store.commit(header, [said("one")])
    reading = asyncio.create_task(gathered(broadcaster.follow(header.id, "0-0"), 2))
    await store.erase(header.id)
    assert len(await reading) <= 1
    assert await gathered(broadcaster.follow("c_unknown", "0-0"), 1) == []


async def test_staff_who_began_before_anything_happened_are_told_the_first_events(
    store: ConversationStore, broadcaster: Broadcaster
) -> None:
    header = conversation()
    await store.create(header)
    stream = broadcaster.follow_all(await broadcaster.position())
    waiting = asyncio.ensure_future(anext(stream))
    events = await store.commit(following(header), [said("one")])
    moment = await waiting
    assert moment is not None
    assert moment.events == tuple(events)
    await stream.aclose()


async def test_readers_end_when_the_broadcaster_closes(store: ConversationStore) -> None:
    header = conversation()
    await store.create(header)
    broadcaster = Broadcaster(store)
    await broadcaster.start()
    reading = asyncio.create_task(gathered(broadcaster.follow(header.id, "0-0"), 1))
    await asyncio.sleep(0)
    await broadcaster.close()
    assert await reading == []


async def test_readers_that_leave_leave_nothing_behind(
    store: ConversationStore, broadcaster: Broadcaster
) -> None:
    header = following(conversation())
    await store.create(header.model_copy(update={"version": 0}))
    await store.commit(header, [said("one")])
    stream = broadcaster.follow(header.id, "0-0")
    await anext(stream)
    assert broadcaster.readers == 1
    await stream.aclose()
    assert broadcaster.readers == 0


async def test_a_reader_from_before_the_log_is_told_to_begin_anew(redis_url: str) -> None:
    store = await ConversationStore.open(redis_url, prefix="trimmed", log_limit=4)
    header = following(conversation())
    await store.create(header.model_copy(update={"version": 0}))
    events = await store.commit(header, [said(str(number)) for number in range(8)])
    broadcaster = Broadcaster(store)
    with pytest.raises(LogTrimmed):
        await anext(broadcaster.follow(header.id, events[0].id))
    assert await gathered(broadcaster.follow(header.id, events[-2].id), 1) == events[-1:]
    with pytest.raises(InvalidRequest):
        await anext(broadcaster.follow(header.id, "yesterday"))
    await store.close()


async def test_a_reader_outlives_its_server_and_gets_everything_once(
    mortal_server: MortalServer,
) -> None:
    """The server is killed and started again while a turn is written and two readers follow."""
    store = await ConversationStore.open(mortal_server.url)
    broadcaster = Broadcaster(store)
    await broadcaster.start()
    running = with_turn(conversation())
    await store.create(running.model_copy(update={"turn": None, "version": 0}))
    await store.commit(running, [])
    pieces = [f"piece {number}" for number in range(60)]
    readers = [
        asyncio.create_task(gathered(broadcaster.follow(running.id, "0-0"), len(pieces)))
        for _ in range(2)
    ]

    async def write(piece: str) -> None:
        while True:
            try:
                if piece in texts(await store.events(running.id)):
                    return
                await store.append(running.id, running.last_epoch, [delta(piece)])
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return

    for piece in pieces[:30]:
        await write(piece)
    mortal_server.kill()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    mortal_server.restart()
    for piece in pieces[30:]:
        await write(piece)
    stored = await store.events(running.id)
    assert texts(stored) == pieces
    assert await asyncio.gather(*readers) == [stored, stored]
    await broadcaster.close()
    await store.close()
