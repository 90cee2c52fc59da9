"""Followers of the live streams who keep the books: what came, when, and whether it is true.

A follower folds what it got onto its first snapshot and compares the result with a fresh one, at
any moment. Nothing here decides what is fast enough.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from agent.domain import Event, Snapshot
from agent.events.events import fold_onto, seen_by
from agent.events.log import position

PATIENCE_S = 30.0  # until an event that a snapshot has counts as lost


@dataclass
class Books:
    """What one kind of follower found. `delays_ms` are from an event's own time to its reading."""

    delays_ms: list[float] = field(default_factory=list)
    events: int = 0
    doubled: int = 0
    out_of_order: int = 0
    lost: int = 0
    compared: int = 0
    different: list[str] = field(default_factory=list)
    resumed: int = 0

    @property
    def right(self) -> bool:
        wrong = self.doubled or self.out_of_order or self.lost or self.different
        return not wrong and self.compared > 0


class Follower:
    """One stream: `/conversations/{id}/events` of a customer, or `/staff/events`.

    What an interrupted stream told without moving the reader on counts as not told.
    """

    def __init__(self, client: httpx.AsyncClient, path: str, books: Books) -> None:
        self.books = books
        self.events: dict[str, list[Event]] = {}
        self._connected = asyncio.Event()
        self._client = client
        self._path = path
        self._at: str | None = None
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def start(self, after: str | None = None) -> None:
        self._at = after
        self._task = asyncio.create_task(self._follow())

    async def interrupt(self) -> None:
        """The connection is lost and made again where it was left."""
        if self._at is None:
            return  # staff who were told nothing yet have no place to go on from
        await self.stop()
        self.books.resumed += 1
        self.start(self._at)

    async def is_connected(self) -> None:
        """Returns when the stream has begun; raises TimeoutError if it does not."""
        async with asyncio.timeout(PATIENCE_S):
            await self._connected.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def reaches(self, conversation_id: str, event_id: str) -> bool:
        """Whether the event, or a later one of the conversation, comes within the patience."""

        def there() -> bool:
            if self._task is not None and self._task.done():
                self._task.result()  # nobody listens any more: say why
            known = self.events.get(conversation_id)
            return bool(known) and position(known[-1].id) >= position(event_id)

        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S), self._news:
                await self._news.wait_for(there)
                return True
        return False

    async def _follow(self) -> None:
        while True:
            with suppress(httpx.HTTPError):
                await self._read()
            await asyncio.sleep(0.05)

    async def _read(self) -> None:
        headers = {"Last-Event-ID": self._at} if self._at else {}
        async with self._client.stream("GET", self._path, headers=headers, timeout=30) as response:
            assert response.status_code == 200, await response.aread()
            told: list[tuple[Event, float]] = []
            async for block in _blocks(response):
                self._connected.set()
                if "data" not in block:
                    continue
                assert block["event"] != "reset", block
                data = json.loads(block["data"])
                if "id" in data:  # what only passes, like somebody typing, has none
                    told.append((Event.model_validate(data), time.time()))
                if "id" in block:
                    self._at = block["id"]
                    await self._take(told)
                    told = []

    async def _take(self, told: list[tuple[Event, float]]) -> None:
        for event, moment in told:
            known = self.events.setdefault(event.conversation_id, [])
            if known and position(event.id) <= position(known[-1].id):
                seen = any(one.id == event.id for one in known)
                self.books.doubled += seen
                self.books.out_of_order += not seen
            known.append(event)
            self.books.events += 1
            made = datetime.fromisoformat(event.at).timestamp()
            self.books.delays_ms.append((moment - made) * 1000)
        async with self._news:
            self._news.notify_all()


async def _blocks(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Server-sent events as they stand on the wire; comments are blocks without fields."""
    block: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            yield block
            block = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            block[name] = value


def differs(known: Snapshot, events: list[Event], fresh: Snapshot) -> str | None:
    """What the events up to the fresh snapshot make of the known one, if it is not that."""
    start, end = position(known.last_event_id), position(fresh.last_event_id)
    between = [event for event in events if start < position(event.id) <= end]
    made = fold_onto(known, between)
    return None if made == fresh else f"{made.wire()} is not {fresh.wire()}"


class Comparison:
    """One conversation as one follower sees it, from its first snapshot on."""

    def __init__(
        self, client: httpx.AsyncClient, path: str, follower: Follower, known: Snapshot
    ) -> None:
        self._client = client
        self._path = path
        self.follower = follower
        self.known = known

    @classmethod
    async def begin(cls, client: httpx.AsyncClient, path: str, follower: Follower) -> "Comparison":
        return cls(client, path, follower, await _snapshot(client, path))

    async def compare(self) -> None:
        books = self.follower.books
        fresh = await _snapshot(self._client, self._path)
        if fresh.last_event_id != self.known.last_event_id and not await self.follower.reaches(
            fresh.id, fresh.last_event_id
        ):
            books.lost += 1
            return
        books.compared += 1
        difference = differs(self.known, self.follower.events.get(fresh.id, []), fresh)
        if difference is not None:
            books.different.append(difference)


async def _snapshot(client: httpx.AsyncClient, path: str) -> Snapshot:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return Snapshot.model_validate({name: told[name] for name in Snapshot.model_fields})


def told_alike(customer: Follower, staff: Follower, conversation_id: str) -> bool:
    """The staff's stream holds for this conversation what its customer got, and nothing else that
    customers may see."""
    mine = customer.events.get(conversation_id, [])
    theirs = seen_by("customer", staff.events.get(conversation_id, []))
    return mine == theirs


async def now_and_then(chance: random.Random, mean_s: float) -> None:
    await asyncio.sleep(chance.uniform(0.2, 1.8) * mean_s)
