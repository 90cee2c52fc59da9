"""Facts about servers that die, are full, or whose answers get lost, on Valkey and on Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
import redis.asyncio

from agent.errors import NotFound, StoreUnavailable
from agent.storage.redis import ConversationStore, VersionConflict
from tests.agent.storage.conversations import (
    conversation,
    delta,
    following,
    said,
    texts,
    with_turn,
)
from tests.redis_servers import MortalServer


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[ConversationStore]:
    store = await ConversationStore.open(url)
    try:
        yield store
    finally:
        await store.close()


class LossyLine:
    """Stands before a server; on demand it swallows the answer to a script and hangs up."""

    def __init__(self, server_url: str, folder: Path) -> None:
        self._server = unquote(server_url.removeprefix("unix://"))
        self._path = folder / "line.sock"
        self.url = f"unix://{self._path}"
        self.losses_due = 0
        self.lost = 0

    async def __aenter__(self) -> "LossyLine":
        self._listener = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_unix_connection(self._server)
        try:
            while asked := await client.read(65536):
                server.write(asked)
                answer = await answers.read(65536)
                if b"EVALSHA" in asked and self.losses_due and not answer.startswith(b"-NOSCRIPT"):
                    self.losses_due -= 1
                    self.lost += 1
                    return
                back.write(answer)
        finally:
            server.close()
            back.close()


async def test_a_write_whose_answer_was_lost_happens_once(
    mortal_server: MortalServer, socket_folder: Path
) -> None:
    async with LossyLine(mortal_server.url, socket_folder) as line, opened(line.url) as store:
        header = with_turn(conversation())
        line.losses_due = 1
        await store.create(header.model_copy(update={"turn": None, "version": 0}))
        line.losses_due = 1
        first = await store.commit(header, [said("one"), said("two")], sent=("b-1", "m_1", 1))
        line.losses_due = 1
        second = await store.append(header.id, header.last_epoch, [delta("three")])
        assert line.lost == 3
        assert await store.events(header.id) == [*first, *second]
        assert await store.sent(header.id, "b-1") == ("m_1", first[1].id)


async def test_a_killed_server_has_every_event_that_it_confirmed(
    mortal_server: MortalServer,
) -> None:
    async with opened(mortal_server.url) as store:
        running = with_turn(conversation())
        await store.create(running.model_copy(update={"turn": None, "version": 0}))
        await store.commit(running, [said("question")])
        confirmed: list[str] = []
        enough = asyncio.Event()

        async def write() -> None:
            for number in range(100_000):
                await store.append(running.id, running.last_epoch, [delta(f"{number}")])
                confirmed.append(f"{number}")
                if number == 200:
                    enough.set()

        writing = asyncio.create_task(write())
        await enough.wait()
        mortal_server.kill()
        with pytest.raises(StoreUnavailable):
            await writing
        with pytest.raises(StoreUnavailable):
            await store.ping()
        mortal_server.restart()
        found = texts(await store.events(running.id))
        assert found[: len(confirmed)] == confirmed
        assert len(found) <= len(confirmed) + 1  # the one that was under way
        assert await store.running_turns() == [running.id]


async def test_a_store_goes_on_when_its_server_is_back(mortal_server: MortalServer) -> None:
    async with opened(mortal_server.url) as store:
        header = conversation()
        await store.create(header)
        await asyncio.gather(*(store.get(header.id) for _ in range(20)))  # many connections
        mortal_server.kill()
        with pytest.raises(StoreUnavailable, match="FRONTDESK_REDIS_URL"):
            await store.get(header.id)
        mortal_server.restart()
        found = await asyncio.gather(*(store.get(header.id) for _ in range(20)))
        assert found == [header] * 20


async def test_a_full_server_refuses_whole_and_says_what_to_do(
    mortal_server: MortalServer,
) -> None:
    async with opened(mortal_server.url) as store:
        header = conversation()
        await store.create(header)
        running = with_turn(header)
        events = await store.commit(running, [said("question")])
        async with redis.asyncio.Redis.from_url(mortal_server.url) as admin:
            await admin.config_set("maxmemory", "1mb")
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await store.append(running.id, running.last_epoch, [delta("a"), delta("b")])
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await store.commit(following(running, turn=None), [said("a"), said("b")])
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await store.create(conversation())
            assert await store.get(header.id) == running
            assert await store.events(header.id) == events
            await store.erase(header.id)
            with pytest.raises(NotFound):
                await store.events(header.id)
            await admin.config_set("maxmemory", "0")


async def test_memory_that_ends_while_writing_leaves_no_half_commit(
    mortal_server: MortalServer,
) -> None:
    """The limit is met at some point of a series of large commits, wherever that is."""
    async with opened(mortal_server.url) as store:
        header = conversation()
        await store.create(header)
        async with redis.asyncio.Redis.from_url(mortal_server.url) as admin:
            used = int((await admin.info("memory"))["used_memory"])
            await admin.config_set("maxmemory", str(used + 1_000_000))

            async def write_until_it_is_full() -> None:
                nonlocal header
                for number in range(200):
                    batch = [said(f"{number}.{part}" + "x" * 5000) for part in range(5)]
                    await store.commit(following(header), batch)
                    header = following(header)

            with pytest.raises(StoreUnavailable):
                await write_until_it_is_full()
            await admin.config_set("maxmemory", "0")
        events = await store.events(header.id)
        stored = await store.get(header.id)
        assert stored is not None
        assert stored.version == header.version
        assert len(events) == 5 * header.version


async def test_writers_that_try_again_through_a_crash_double_nothing(
    mortal_server: MortalServer,
) -> None:
    async with opened(mortal_server.url) as store:
        header = conversation()
        await store.create(header)
        written = asyncio.Event()

        async def post(number: int) -> None:
            while True:
                try:
                    if await store.sent(header.id, f"b-{number}") is not None:
                        return
                    current = await store.get(header.id)
                    assert current is not None
                    await store.commit(
                        following(current), [said(str(number))], sent=(f"b-{number}", "m", 0)
                    )
                except VersionConflict:
                    continue
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    written.set()

        posting = [asyncio.create_task(post(number)) for number in range(30)]
        await written.wait()
        mortal_server.kill()
        mortal_server.restart()
        await asyncio.gather(*posting)
        contents = [event.data["message"]["content"] for event in await store.events(header.id)]
        assert sorted(contents, key=int) == [str(number) for number in range(30)]
