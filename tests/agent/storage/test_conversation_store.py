"""Facts about live conversations, each on the embedded Valkey and on a real Redis."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio

from agent.domain import Conversation, EventDraft
from agent.errors import Conflict, InvalidRequest, NotFound, SetupError, StoreUnavailable
from agent.events.events import fold, fold_onto
from agent.events.log import position
from agent.storage.redis import ConversationStore, LogTrimmed, StaleTurn, VersionConflict
from tests.agent.storage.conversations import (
    conversation,
    delta,
    following,
    said,
    texts,
    verified,
    with_turn,
)


async def created(store: ConversationStore, header: Conversation | None = None) -> Conversation:
    header = header or conversation()
    await store.create(header)
    return header


async def keys_with(url: str, prefix: str) -> list[str]:
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
        return [key async for key in client.scan_iter(f"{prefix}:*", count=1000)]


async def test_what_was_stored_is_read_back(store: ConversationStore) -> None:
    header = await created(store, conversation(locale="de", page_url="https://example.org/ä"))
    assert await store.get(header.id) == header
    assert await store.get("c_unknown") is None


async def test_an_id_is_taken_only_once(store: ConversationStore) -> None:
    header = await created(store)
    with pytest.raises(Conflict):
        await store.create(header.model_copy(update={"token_hash": "1" * 64}))
    assert await store.get(header.id) == header


async def test_a_commit_writes_the_header_and_all_events(store: ConversationStore) -> None:
    header = await created(store)
    after = following(header, status="open")
    drafts = [said("Is the café open?\n\x01☃"), delta("a"), delta("b")]
    events = await store.commit(after, drafts)
    assert await store.get(header.id) == after
    assert await store.events(header.id) == events
    assert [(event.type, event.data) for event in events] == [(d.type, d.data) for d in drafts]
    assert {event.conversation_id for event in events} == {header.id}


async def test_an_outdated_header_writes_nothing(store: ConversationStore) -> None:
    header = await created(store)
    first = following(header, assignee="u_1")
    events = await store.commit(first, [said("one")])
    for version in (header.version, first.version, first.version + 2):
        late = header.model_copy(update={"version": version, "assignee": "u_2"})
        with pytest.raises(VersionConflict):
            await store.commit(late, [said("two")])
    assert await store.get(header.id) == first
    assert await store.events(header.id) == events


async def test_a_conversation_that_is_not_there_takes_nothing(store: ConversationStore) -> None:
    stranger = with_turn(conversation())
    with pytest.raises(NotFound):
        await store.commit(stranger, [said("hello?")])
    with pytest.raises(StaleTurn):
        await store.append(stranger.id, 1, [delta("hello?")])
    with pytest.raises(NotFound):
        await store.events(stranger.id)
    with pytest.raises(NotFound):
        await store.snapshot(stranger.id)


async def test_twenty_writers_at_once_lose_nothing_and_double_nothing(
    store: ConversationStore,
) -> None:
    header = await created(store)

    async def write(number: int) -> str:
        while True:
            current = await store.get(header.id)
            assert current is not None
            try:
                events = await store.commit(following(current), [said(f"message {number}")])
            except VersionConflict:
                continue
            return events[0].id

    ids = await asyncio.gather(*(write(number) for number in range(20)))
    events = await store.events(header.id)
    assert sorted(ids, key=position) == [event.id for event in events]
    assert {m.content for m in (await store.snapshot(header.id)).messages} == {
        f"message {number}" for number in range(20)
    }
    current = await store.get(header.id)
    assert current is not None
    assert current.version == 20


async def test_ids_rise_in_the_order_of_the_log(store: ConversationStore) -> None:
    header = await created(store)
    running = with_turn(header)
    await store.commit(running, [said("question")])
    for number in range(50):
        await store.append(header.id, 1, [delta(f"{number} "), delta("and ")])
    positions = [position(event.id) for event in await store.events(header.id)]
    assert positions == sorted(set(positions))
    assert len(positions) == 101


async def test_a_log_is_read_page_by_page(store: ConversationStore) -> None:
    header = await created(store)
    events = await store.commit(following(header), [said(str(number)) for number in range(7)])
    assert await store.events(header.id, limit=3) == events[:3]
    assert await store.events(header.id, events[2].id, 3) == events[3:6]
    assert await store.events(header.id, events[6].id) == []


@pytest.mark.parametrize("after", ["", "abc", "1", "1-", "-1", "1-2-3", "٣-0", f"{2**64}-0", "$"])
async def test_what_is_no_event_id_is_refused(store: ConversationStore, after: str) -> None:
    header = await created(store)
    with pytest.raises(InvalidRequest):
        await store.events(header.id, after)


# -- turns


async def test_a_writer_appends_while_its_turn_runs(store: ConversationStore) -> None:
    running = with_turn(await created(store))
    await store.commit(running, [said("question")])
    await store.append(running.id, 1, [delta("Yes, "), delta("it ")])
    await store.append(running.id, 1, [delta("is.")])
    assert texts(await store.events(running.id)) == ["Yes, ", "it ", "is."]


async def test_a_writer_whose_turn_is_over_writes_nothing(store: ConversationStore) -> None:
    first = with_turn(await created(store))
    await store.commit(first, [])
    second = with_turn(first)
    await store.commit(second, [])
    with pytest.raises(StaleTurn):
        await store.append(first.id, 1, [delta("late")])
    await store.append(first.id, 2, [delta("now")])
    await store.commit(following(second, turn=None), [])
    with pytest.raises(StaleTurn):
        await store.append(first.id, 2, [delta("late")])
    assert texts(await store.events(first.id)) == ["now"]


async def test_running_turns_are_found_until_they_end(store: ConversationStore) -> None:
    headers = [with_turn(await created(store)) for _ in range(3)]
    for header in headers:
        await store.commit(header, [])
    await store.commit(following(headers[0], turn=None), [])
    assert set(await store.running_turns()) == {headers[1].id, headers[2].id}


async def test_a_turn_in_place_of_another_stays_found(store: ConversationStore) -> None:
    first = with_turn(await created(store))
    await store.commit(first, [])
    await store.commit(with_turn(first), [])
    assert await store.running_turns() == [first.id]


async def test_a_turn_that_was_announced_but_never_committed_is_not_found(
    store: ConversationStore,
) -> None:
    header = await created(store)
    await store.commit(following(header), [])
    with pytest.raises(VersionConflict):
        await store.commit(with_turn(header), [])
    assert await store.running_turns() == []


# -- client message ids


async def test_a_client_message_id_is_remembered_with_its_message(
    store: ConversationStore,
) -> None:
    header = await created(store)
    drafts = [EventDraft(type="status.changed", data={"from": "open", "to": "pending"}), said("x")]
    events = await store.commit(following(header), drafts, sent=("browser-1", "m_1", 1))
    assert await store.sent(header.id, "browser-1") == ("m_1", events[1].id)
    assert await store.sent(header.id, "browser-2") is None


async def test_a_client_message_id_is_never_stored_twice(store: ConversationStore) -> None:
    header = await created(store)
    first = following(header)
    events = await store.commit(first, [said("x")], sent=("browser-1", "m_1", 0))
    with pytest.raises(VersionConflict):
        await store.commit(following(first), [said("x")], sent=("browser-1", "m_2", 0))
    assert await store.events(header.id) == events
    assert await store.sent(header.id, "browser-1") == ("m_1", events[0].id)


# -- snapshots


async def test_a_snapshot_shows_an_unfinished_reply(store: ConversationStore) -> None:
    running = with_turn(await created(store))
    assert running.turn is not None
    reply = running.turn.message_id
    started = EventDraft(type="turn.started", data={"message_id": reply, "in_reply_to": "m_1"})
    await store.commit(running, [said("May I?", "m_1"), started])
    events = await store.append(running.id, 1, [delta("Yes, you", reply)])
    snapshot = await store.snapshot(running.id)
    assert [(m.content, m.pending) for m in snapshot.messages] == [
        ("May I?", None),
        ("Yes, you", True),
    ]
    assert snapshot.last_event_id == events[-1].id


async def test_customers_see_no_notes(store: ConversationStore) -> None:
    header = await created(store)
    visible = await store.commit(following(header), [said("hello")])
    note = EventDraft(type="note.created", data={"content": "a regular"})
    moved = EventDraft(type="conversation.updated", data={"assignee": "u_1"})
    hidden = await store.commit(following(following(header)), [note, moved])
    for_customer = await store.snapshot(header.id, "customer")
    for_staff = await store.snapshot(header.id, "staff")
    assert (for_customer.assignee, for_customer.last_event_id) == (None, visible[0].id)
    assert (for_staff.assignee, for_staff.last_event_id) == ("u_1", hidden[-1].id)


async def test_a_long_log_is_trimmed_and_its_snapshot_stays_the_same(
    redis_url: str, prefix: str
) -> None:
    store = await ConversationStore.open(redis_url, prefix=prefix, log_limit=10)
    header = await created(store)
    everything = []
    for number in range(30):
        header = following(header)
        everything += await store.commit(header, [said(f"message {number}")])
    kept = await store.events(header.id, everything[-3].id)
    assert kept == everything[-2:]
    with pytest.raises(LogTrimmed):
        await store.events(header.id, everything[0].id)
    with pytest.raises(LogTrimmed):
        await store.events(header.id)
    for audience in ("customer", "staff"):
        assert await store.snapshot(header.id, audience) == fold(header.id, everything)
    await store.close()


async def test_nothing_is_missing_where_the_trimmed_part_ends(redis_url: str, prefix: str) -> None:
    store = await ConversationStore.open(redis_url, prefix=prefix, log_limit=4)
    header = following(await created(store))
    events = await store.commit(header, [said(str(number)) for number in range(6)])
    assert await store.events(header.id, events[3].id) == events[4:]
    start = fold(header.id, events[:4])
    assert fold_onto(start, events[4:]) == await store.snapshot(header.id)
    await store.close()


# -- lists


async def test_idle_conversations_are_found_longest_first(store: ConversationStore) -> None:
    days = [(datetime.now(UTC) - timedelta(days=n)).isoformat() for n in (3, 30, 10)]
    headers = [conversation().model_copy(update={"active_at": day}) for day in days]
    for header in headers:
        await store.create(header)
    week = datetime.now(UTC) - timedelta(days=7)
    assert await store.idle_since(week) == [headers[1].id, headers[2].id]
    await store.commit(following(headers[1]), [])
    assert await store.idle_since(week) == [headers[2].id]


async def test_a_verified_customer_has_a_list_and_nobody_else_is_in_it(
    store: ConversationStore,
) -> None:
    old = verified("anna@example.org").model_copy(update={"created_at": "2026-01-01T00:00:00Z"})
    anonymous = await created(store)
    for header in (old, verified("ben@example.org")):
        await store.create(header)
    bound = verified("anna@example.org").identity
    await store.commit(following(anonymous, identity=bound), [])
    assert await store.conversations_of("anna@example.org") == [anonymous.id, old.id]
    assert await store.conversations_of("nobody@example.org") == []


async def test_a_failed_identification_puts_nothing_into_the_list(
    store: ConversationStore,
) -> None:
    header = await created(store)
    await store.commit(following(header), [])
    with pytest.raises(VersionConflict):
        await store.commit(following(header, identity=verified("anna").identity), [])
    assert await store.conversations_of("anna") == []


# -- erasing


async def test_erasing_leaves_no_key_but_a_bare_tombstone(
    store: ConversationStore, redis_url: str, prefix: str
) -> None:
    running = with_turn(await created(store, verified("anna@example.org")))
    await store.commit(running, [said("my secret")], sent=("browser-1", "m_1", 0))
    await store.append(running.id, 1, [delta("my secret")])
    await store.erase(running.id)
    assert set(await keys_with(redis_url, prefix)) == {
        f"{prefix}:{{{running.id}}}:erased",
        f"{prefix}:feed",
        f"{prefix}:layout",
    }
    assert await store.running_turns() == []


async def test_no_late_writer_brings_an_erased_conversation_back(
    store: ConversationStore, redis_url: str, prefix: str
) -> None:
    running = with_turn(await created(store))
    await store.commit(running, [said("question")])
    kept = await store.transcript(running.id)
    await store.erase(running.id)
    with pytest.raises(StaleTurn):
        await store.append(running.id, 1, [delta("late")])
    with pytest.raises(NotFound):
        await store.commit(following(running), [said("late")])
    with pytest.raises(NotFound):
        await store.create(running)
    with pytest.raises(NotFound):
        await store.restore(kept)
    assert await store.get(running.id) is None
    assert [k for k in await keys_with(redis_url, prefix) if running.id in k] == [
        f"{prefix}:{{{running.id}}}:erased"
    ]


# -- the feed


async def test_every_change_is_announced(store: ConversationStore) -> None:
    start = await store.feed_position()
    running = with_turn(await created(store))
    await store.commit(running, [said("question")])
    await store.append(running.id, 1, [delta("answer")])
    await store.erase(running.id)
    lines = await store.announcements(start, 1.0)
    assert [line.conversation_id for line in lines] == [running.id] * 3
    assert await store.announcements(lines[-1].position, 0.01) == []


async def test_the_feed_tells_of_each_event_once_and_in_the_order_of_the_log(
    store: ConversationStore,
) -> None:
    """A turn's writer and people write at the same time, over many connections."""
    start = await store.feed_position()
    running = with_turn(await created(store))
    await store.commit(running, [said("question")])

    async def speak(number: int) -> None:
        await store.append(running.id, 1, [delta(f"{number}a"), delta(f"{number}b")])

    async def write(number: int) -> None:
        while True:
            current = await store.get(running.id)
            assert current is not None
            try:
                await store.commit(following(current), [said(f"{number}")])
            except VersionConflict:
                continue
            return

    await asyncio.gather(*(speak(n) for n in range(30)), *(write(n) for n in range(10)))
    lines = await store.announcements(start, 1.0)
    told = [e for line in lines for e in await store.between(running.id, line.first, line.last)]
    assert told == await store.events(running.id)


# -- what can be wrong with the server


async def test_nobody_there_is_said_with_its_remedy(tmp_path: object) -> None:
    with pytest.raises(StoreUnavailable, match="FRONTDESK_REDIS_URL"):
        await ConversationStore.open("redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="FRONTDESK_REDIS_URL"):
        await ConversationStore.open(f"unix://{tmp_path}/nobody.sock")


async def test_what_is_no_redis_url_is_said(store: ConversationStore) -> None:
    with pytest.raises(SetupError, match="redis://"):
        await ConversationStore.open("postgresql://secret@localhost/")


@pytest.mark.parametrize("steps", range(8))
async def test_a_call_can_be_cancelled_at_any_point(store: ConversationStore, steps: int) -> None:
    await store.ping()
    waiting = asyncio.create_task(store.announcements("0-0", 1.0))
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await store.ping()
