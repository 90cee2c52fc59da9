"""Facts about conversations on their way from Redis to SQL and back."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agent.domain import Conversation
from agent.errors import NotFound
from agent.events.broadcast import Broadcaster
from agent.storage.archive import ArchivedStore, archive_idle, archive_one
from agent.storage.records import Records
from agent.storage.redis import VersionConflict
from tests.agent.storage.conversations import (
    conversation,
    following,
    said,
    verified,
    with_turn,
)

LONG_AGO = (datetime.now(UTC) - timedelta(days=30)).isoformat()


async def idle(store: ArchivedStore, header: Conversation | None = None) -> Conversation:
    """A conversation of one message, last active long ago."""
    first = (header or conversation()).model_copy(update={"active_at": LONG_AGO})
    await store.create(first)
    second = following(first, active_at=LONG_AGO)
    await store.commit(second, [said("hello", "m_1")], sent=("b-1", "m_1", 0))
    return second


async def test_an_idle_conversation_moves_and_reads_as_before(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    before = await store.transcript(header.id)
    assert await archive_idle(store, records, idle_days=7) == 1
    assert await store.live(header.id) is None
    assert await store.get(header.id) == header
    assert await store.transcript(header.id) == before
    assert await store.snapshot(header.id) == before.snapshot("customer")
    assert await store.events(header.id) == list(before.events)
    assert await store.events(header.id, before.events[-1].id) == []
    assert await store.sent(header.id, "b-1") == ("m_1", before.events[0].id)
    assert await store.sent(header.id, "b-2") is None
    assert await archive_idle(store, records, idle_days=7) == 0


@pytest.mark.parametrize("status", ["open", "snoozed"])
async def test_what_a_person_has_is_never_archived(
    archived_store: ArchivedStore, records: Records, status: str
) -> None:
    header = await idle(archived_store, conversation(status=status))
    assert await archive_idle(archived_store, records, idle_days=7) == 0
    assert await archived_store.live_header(header.id) == header
    assert header in await archived_store.listed(None, None, 0, 10)


async def test_an_archived_conversation_comes_back_with_its_next_message(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    old = await store.events(header.id)
    await archive_idle(store, records, idle_days=7)
    running = with_turn(header)
    new = await store.commit(running, [said("me again")], sent=("b-2", "m_2", 0))
    assert await store.live_header(header.id) == running
    assert await store.events(header.id) == [*old, *new]
    assert await store.sent(header.id, "b-1") == ("m_1", old[0].id)
    assert await store.running_turns() == [header.id]
    with pytest.raises(VersionConflict):
        await store.commit(following(header), [said("late")])


async def test_a_conversation_moves_as_often_as_it_rests(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    for number in range(3):
        assert await archive_one(store, records, header.id)
        header = following(header)
        await store.commit(header, [said(f"again {number}")])
    assert await archive_one(store, records, header.id)
    contents = [message.content for message in (await store.snapshot(header.id)).messages]
    assert contents == ["hello", "again 0", "again 1", "again 2"]


async def test_many_writers_to_an_archived_conversation_lose_nothing(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)

    async def write(number: int) -> None:
        while True:
            current = await store.get(header.id)
            assert current is not None
            try:
                await store.commit(following(current), [said(str(number))])
            except VersionConflict:
                continue
            return

    async def keep_archiving() -> None:
        while True:
            await archive_one(store, records, header.id)

    archiving = asyncio.create_task(keep_archiving())
    await asyncio.gather(*(write(number) for number in range(10)))
    archiving.cancel()
    await asyncio.gather(archiving, return_exceptions=True)
    messages = (await store.snapshot(header.id)).messages
    assert sorted(message.content for message in messages) == sorted(
        ["hello", *(str(number) for number in range(10))]
    )


async def test_a_late_restorer_cannot_bring_an_older_state_back(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    assert await archive_one(store, records, header.id)
    read_too_early = records.archived(header.id)
    assert read_too_early is not None
    current = await store.get(header.id)
    assert current is not None
    await store.commit(following(current), [said("acknowledged")])
    assert await archive_one(store, records, header.id)
    with pytest.raises(VersionConflict):
        await store.restore(read_too_early)
    messages = (await store.snapshot(header.id)).messages
    assert [message.content for message in messages] == ["hello", "acknowledged"]


async def test_a_late_archiver_cannot_put_an_older_copy_over_a_newer_one(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    older = await store.transcript(header.id)
    await store.commit(following(older.conversation), [said("acknowledged")])
    assert await archive_one(store, records, header.id)
    records.archive(older)
    messages = (await store.snapshot(header.id)).messages
    assert [message.content for message in messages] == ["hello", "acknowledged"]


async def test_what_runs_or_was_active_stays_in_redis(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    running = with_turn(await idle(store)).model_copy(update={"active_at": LONG_AGO})
    await store.commit(running, [])
    recent = conversation()
    await store.create(recent)
    assert await archive_idle(store, records, idle_days=7) == 0
    assert await store.live_header(running.id) == running
    assert await store.live_header(recent.id) == recent


async def test_what_changes_while_it_is_copied_stays_in_redis(
    archived_store: ArchivedStore,
) -> None:
    store = archived_store
    header = await idle(store)
    copied = await store.transcript(header.id)
    await store.commit(following(header), [said("wait!")])
    assert not await store.release(copied)
    assert len(await store.events(header.id)) == 2


async def test_erasing_reaches_redis_and_the_archive(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    archived, live = await idle(store, verified("anna")), conversation()
    await store.create(live)
    await archive_one(store, records, archived.id)
    for header in (archived, live):
        await store.erase(header.id)
        assert await store.get(header.id) is None
        with pytest.raises(NotFound):
            await store.events(header.id)
        with pytest.raises(NotFound):
            await store.commit(following(header), [said("late")])
    assert await store.conversations_of("anna") == []


async def test_an_archiver_that_read_before_the_erasure_brings_nothing_back(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    read = await store.transcript(header.id)
    await store.erase(header.id)
    records.archive(read)
    assert await store.get(header.id) is None
    with pytest.raises(NotFound):
        await store.restore(read)


async def test_a_customers_list_has_live_and_archived_conversations(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    archived, live, back = [await idle(store, verified("anna")) for _ in range(3)]
    for header in (archived, back):
        await archive_one(store, records, header.id)
    await store.commit(following(back), [])
    found = await store.conversations_of("anna")
    assert sorted(found) == sorted([archived.id, live.id, back.id])
    assert found[-1] == archived.id


async def test_an_archived_conversation_can_be_followed(
    archived_store: ArchivedStore, records: Records
) -> None:
    store = archived_store
    header = await idle(store)
    await archive_one(store, records, header.id)
    broadcaster = Broadcaster(store)
    await broadcaster.start()
    following_it = broadcaster.follow(header.id, "0-0")
    first = await anext(following_it)
    new = await store.commit(following(header), [said("me again")])
    second = await anext(following_it)
    assert first is not None
    assert first.data["message"]["content"] == "hello"
    assert second == new[0]
    await broadcaster.close()
