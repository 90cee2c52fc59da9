"""Facts about the lists across conversations: they are what a reading of every header would say,
whatever is done and whoever dies in between, on Valkey and on Redis."""

import asyncio
import itertools
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.domain import Conversation, Identity
from agent.errors import Conflict, NotFound, StoreUnavailable
from agent.storage.redis import ConversationStore, VersionConflict
from tests.agent.storage.conversations import conversation, following, said, verified, with_turn
from tests.redis_servers import MortalServer

STATUSES = ("pending", "open", "snoozed", "resolved")
PEOPLE = ("u_1", "u_2")
IMPORTANCE = ("urgent", "high", "medium", "low")
MOMENTS = [
    (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n)).isoformat().replace("+00:00", "Z")
    for n in range(6)
]


def urgency(header: Conversation) -> tuple[Any, ...]:
    active = -datetime.fromisoformat(header.active_at).timestamp()
    if header.status != "open" or header.waiting_since is None:
        return True, 0, "", active, header.id
    priority = "low" if header.priority == "none" else header.priority
    return False, IMPORTANCE.index(priority), header.waiting_since, 0, header.id


async def assert_listed(store: ConversationStore, ids: Sequence[str]) -> None:
    """Every list, compared with what the headers themselves say."""
    headers = [h for h in [await store.live_header(one) for one in ids] if h is not None]
    headers.sort(key=urgency)
    for status, who in itertools.product((None, *STATUSES), (None, "", *PEOPLE)):
        fitting = [
            h for h in headers if status in (None, h.status) and who in (None, h.assignee or "")
        ]
        assert await store.listed(status, who, 0, 100) == fitting  # type: ignore[arg-type]
        assert await store.listed(status, who, 1, 2) == fitting[1:3]  # type: ignore[arg-type]
    counted = await store.statuses()
    assert counted == {s: sum(h.status == s for h in headers) for s in STATUSES}
    waiting = [h for h in headers if h.status == "open" and h.waiting_since]
    assert await store.waiting() == len(waiting)
    for moment in MOMENTS:
        due = {h.id for h in headers if h.status == "snoozed" and (h.snoozed_until or "") <= moment}
        assert set(await store.due(moment, 100)) == due
        at = datetime.fromisoformat(moment)
        answered = await store.answered_since(at, PEOPLE)
        assert answered == {p: sum(h.replied.get(p, "") >= moment for h in headers) for p in PEOPLE}
        idle = {h.id for h in headers if datetime.fromisoformat(h.active_at) < at}
        assert set(await store.idle_since(at)) == idle
    assert set(await store.running_turns()) == {h.id for h in headers if h.turn}
    annas = {h.id for h in headers if h.identity.identifier == "anna"}
    assert set(await store.conversations_of("anna")) == annas


def changed(header: Conversation, chance: random.Random) -> Conversation:
    """Some next header: any combination that the lists could get to see."""
    status = chance.choice(STATUSES)
    fields: dict[str, Any] = {
        "status": status,
        "assignee": chance.choice([None, *PEOPLE]),
        "priority": chance.choice([*IMPORTANCE, "none"]),
        "waiting_since": chance.choice([None, *MOMENTS]) if status in {"open", "snoozed"} else None,
        "snoozed_until": chance.choice(MOMENTS) if status == "snoozed" else None,
        "replied": {p: chance.choice(MOMENTS) for p in PEOPLE if chance.random() < 0.3},
        "active_at": chance.choice(MOMENTS),
        "turn": None,
    }
    if chance.random() < 0.2:
        fields["identity"] = Identity(level="verified", method="hmac", identifier="anna")
    base = with_turn(header) if status == "pending" and chance.random() < 0.7 else None
    if base is not None:
        fields |= {"turn": base.turn, "last_epoch": base.last_epoch}
    return following(header, **fields)


class Story:
    """Things that happen to four conversations, some of them broken off in the middle."""

    def __init__(self, store: ConversationStore, chance: random.Random) -> None:
        self.store = store
        self.chance = chance
        self.ids = [f"c_{n}_{uuid.uuid4().hex}" for n in range(4)]
        self.let_go: dict[str, Any] = {}

    async def create(self, one: str) -> None:
        made = verified("anna") if self.chance.random() < 0.3 else conversation()
        await self.store.create(made.model_copy(update={"id": one}))

    async def change(self, one: str) -> None:
        header = await self.store.live_header(one)
        if header is not None:
            await self.store.commit(changed(header, self.chance), [said("x")])

    async def change_too_late(self, one: str) -> None:
        header = await self.store.live_header(one)
        if header is not None:
            stale = header.model_copy(
                update={"version": header.version + self.chance.choice([-1, 1])}
            )
            await self.store.commit(changed(stale, self.chance), [said("x")])

    async def release(self, one: str) -> None:
        transcript = await self.store.live(one)
        if transcript is not None and await self.store.release(transcript):
            self.let_go[one] = transcript

    async def restore(self, one: str) -> None:
        if one in self.let_go:
            await self.store.restore(self.let_go[one])

    async def erase(self, one: str) -> None:
        await self.store.erase(one)

    async def step(self, verb: str, *, breaks_off_after: int | None) -> None:
        """A writer that dies: it is cancelled after some turns of the event loop."""
        run: Callable[[str], Any] = getattr(self, verb)
        task = asyncio.ensure_future(run(self.chance.choice(self.ids)))
        if breaks_off_after is not None:
            for _ in range(breaks_off_after):
                await asyncio.sleep(0)
            task.cancel()
        with suppress(Conflict, NotFound, asyncio.CancelledError):
            await task


VERBS = ["create", "change", "change", "change", "change_too_late", "release", "restore", "erase"]
STEPS = st.lists(
    st.tuples(st.sampled_from(VERBS), st.one_of(st.none(), st.integers(0, 12))), max_size=25
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, seed=st.integers(0, 2**32))
async def test_a_header_and_its_places_never_disagree(
    redis_url: str, steps: list[tuple[str, int | None]], seed: int
) -> None:
    store = await ConversationStore.open(redis_url, prefix=f"t{uuid.uuid4().hex}")
    story = Story(store, random.Random(seed))
    for one in story.ids[:2]:
        await story.create(one)
    for verb, breaks_off_after in steps:
        await story.step(verb, breaks_off_after=breaks_off_after)
        await assert_listed(store, story.ids)
    await store.close()


async def test_they_agree_after_the_server_was_killed_among_writers(
    mortal_server: MortalServer,
) -> None:
    store = await ConversationStore.open(mortal_server.url)
    chance = random.Random(1)
    story = Story(store, chance)
    for one in story.ids:
        await story.create(one)
    written = itertools.count()
    enough = asyncio.Event()

    async def write() -> None:
        while True:
            try:
                await story.change(chance.choice(story.ids))
            except VersionConflict:
                continue
            if next(written) == 100:
                enough.set()

    writers = [asyncio.create_task(write()) for _ in range(8)]
    await enough.wait()
    mortal_server.kill()
    ends = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(end, StoreUnavailable) for end in ends)
    mortal_server.restart()
    await assert_listed(store, story.ids)
    await store.close()


async def test_they_agree_when_memory_ended_among_writes(mortal_server: MortalServer) -> None:
    store = await ConversationStore.open(mortal_server.url)
    story = Story(store, random.Random(2))
    for one in story.ids:
        await story.create(one)
    async with redis.asyncio.Redis.from_url(mortal_server.url) as admin:
        used = int((await admin.info("memory"))["used_memory"])
        await admin.config_set("maxmemory", str(used + 500_000))

        async def write_until_it_is_full() -> None:
            for number in itertools.count():
                one = f"c_full_{number}"
                story.ids.append(one)
                await store.create(conversation(locale="x" * 5000).model_copy(update={"id": one}))
                await story.change(one)

        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await write_until_it_is_full()
        await story.erase(story.ids[0])
        await admin.config_set("maxmemory", "0")
    headers = [h for one in story.ids if (h := await store.live_header(one)) is not None]
    assert len(headers) > 10
    assert sum((await store.statuses()).values()) == len(headers)
    await store.close()


# -- what an earlier version left


async def as_an_earlier_version_left_it(url: str, prefix: str) -> None:
    """No lists, but what there was before them."""
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
        headers = [key async for key in client.scan_iter(f"{prefix}:*:header", count=1000)]
        for key in headers:
            one = key.split("{")[1].split("}")[0]
            await client.hdel(key, "lists")
            await client.zadd(f"{prefix}:active", {one: 1})
            await client.zadd(f"{prefix}:customer:abc", {one: 1})
            await client.sadd(f"{prefix}:running", f"1 {one}")
            await client.sadd(f"{prefix}:owed", f"1 {one}")
        made = [key async for key in client.scan_iter(f"{prefix}:lists:*", count=1000)]
        await client.delete(f"{prefix}:layout", *made)


async def test_conversations_of_an_earlier_version_are_carried_over(
    redis_url: str, prefix: str
) -> None:
    before = await ConversationStore.open(redis_url, prefix=prefix)
    chance = random.Random(3)
    ids = [f"c_{n}" for n in range(90)]
    for one in ids:
        header = conversation().model_copy(update={"id": one})
        await before.create(header)
        await before.commit(changed(header, chance), [said("hello")])
    await before.close()
    await as_an_earlier_version_left_it(redis_url, prefix)

    first = asyncio.create_task(ConversationStore.open(redis_url, prefix=prefix))
    for _ in range(40):
        await asyncio.sleep(0)
    first.cancel()  # dies on the way
    await asyncio.gather(first, return_exceptions=True)
    opened = await asyncio.gather(
        *(ConversationStore.open(redis_url, prefix=prefix) for _ in range(3))
    )
    for store in opened:
        await assert_listed(store, ids)
    lines = await opened[0].announcements("0-0", 0.1)
    assert [line.last for line in lines[len(ids) :]].count("0-0") >= len(ids), "announced after all"
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        left = {key async for key in client.scan_iter(f"{prefix}:*", count=1000)}
    assert not left & {f"{prefix}:{old}" for old in ("active", "running", "owed", "customer:abc")}
    for store in opened:
        await store.close()
