"""Tells other programs what happens until they have heard it.

Reads the feed behind everything else and writes to SQL; senders of their own, one for each queue,
take it from there. Knows no program's words: each `Receiver` does. Invariant: whatever dies,
everything that happened is told at least once under one delivery id; a dead receiver costs nobody
but itself.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import httpx

from agent.domain import Conversation, Event
from agent.errors import NotFound, StoreUnavailable, Unavailable
from agent.events.log import START, Announcement
from agent.storage.redis import ConversationStore
from agent.storage.webhooks import Delivery, WebhookRecords

log = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 15  # the last one half a day after the first
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 3600.0
_LEASE_S: Final = 60.0
_AT_ONCE: Final = 4
_WAIT_S: Final = 2.0
_LOOK_EVERY_S: Final = 1.0
_SAVE_EVERY_S: Final = 30.0
_OUT_OF_SIGHT: Final = timedelta(hours=1)


class Receiver(Protocol):
    """A program, or several: `queues` are sent to one beside the other."""

    name: str
    queues: tuple[str, ...]

    def tells(self, event: Event) -> bool: ...

    async def deliveries(self, event: Event, header: Conversation) -> list[Delivery]: ...

    async def send(self, delivery: Delivery) -> int:
        """The status of the answer; raises what `outbound.post` raises."""


class Outbox:
    def __init__(
        self, receivers: Sequence[Receiver], store: ConversationStore, records: WebhookRecords
    ) -> None:
        self._receivers = receivers
        self._store = store
        self._records = records

    async def run(self) -> None:
        """Until cancelled; at once if there is nobody to tell."""
        if any(receiver.queues for receiver in self._receivers):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                for receiver in self._receivers:
                    for queue in receiver.queues:
                        group.create_task(self._send_all(receiver, queue))

    # -- from the feed to SQL

    async def _listen(self) -> None:
        reached: str | None = None
        saved = time.monotonic()
        while True:
            try:
                if reached is None:
                    reached = await asyncio.to_thread(self._records.position)
                    reached = reached or await self._store.feed_position()
                lines = await self._store.announcements(reached, _WAIT_S)
                made = [one for line in lines for one in await self._deliveries(line)]
                behind = lines[-1].position if lines else reached
                if made or (behind != reached and time.monotonic() - saved > _SAVE_EVERY_S):
                    await self._keep(made, behind)
                    saved = time.monotonic()
                reached = behind
            except StoreUnavailable:
                await asyncio.sleep(_WAIT_S)  # what happens is read when the store is back
            except Exception:
                log.exception("The outbox could not follow what happens; tried again soon")
                await asyncio.sleep(_WAIT_S)

    async def _keep(self, made: Sequence[Delivery], position: str) -> None:
        refused = await asyncio.to_thread(self._records.add, made, position)
        if refused:
            log.warning("%d deliveries were dropped: too many wait already", refused)

    async def _deliveries(self, line: Announcement) -> list[Delivery]:
        try:
            told = [
                (receiver, event)
                for event in await self._events(line)
                for receiver in self._receivers
                if receiver.tells(event)
            ]
            header = await self._store.get(line.conversation_id) if told else None
        except NotFound:
            return []  # erased
        if header is None:
            return []
        return [one for receiver, event in told for one in await receiver.deliveries(event, header)]

    async def _events(self, line: Announcement) -> list[Event]:
        if line.last != START:
            return await self._store.between(line.conversation_id, line.first, line.last)
        # Something happened out of sight: tell what is new; what was told already is known by id.
        since = datetime.now(UTC) - _OUT_OF_SIGHT
        events = await self._store.events(line.conversation_id)
        return [event for event in events if datetime.fromisoformat(event.at) > since]

    # -- from SQL to the receivers

    async def _send_all(self, receiver: Receiver, queue: str) -> None:
        while True:
            try:
                due = await asyncio.to_thread(self._records.claim, queue, _LEASE_S, _AT_ONCE)
                for delivery in due:
                    await self._send(receiver, delivery)
                if not due:
                    await asyncio.to_thread(self._records.forget_old)
                    await asyncio.sleep(_LOOK_EVERY_S)
            except StoreUnavailable:
                await asyncio.sleep(_WAIT_S)
            except Exception:
                log.exception("A sender stumbled; it goes on")
                await asyncio.sleep(_WAIT_S)

    async def _send(self, receiver: Receiver, delivery: Delivery) -> None:
        try:
            status = await receiver.send(delivery)
            why = f"it answered {status}" if not 200 <= status < 300 else ""
        except (httpx.HTTPError, OSError, TimeoutError, Unavailable) as error:
            why = str(error) if isinstance(error, Unavailable) else type(error).__name__
        if not why:
            await asyncio.to_thread(self._records.told, delivery.id)
            return
        last = delivery.attempts + 1 >= MAX_ATTEMPTS
        level = logging.WARNING if last else logging.INFO
        gone = " for good" if last else ""
        log.log(level, "A delivery to %s failed%s: %s", receiver.name, gone, why)
        pause = min(_FIRST_PAUSE_S * 2**delivery.attempts, _LONGEST_PAUSE_S)
        again_at = None if last else time.time() + pause
        await asyncio.to_thread(self._records.told, delivery.id, again_at=again_at)


def delivery_id(event: Event, name: str, queue: str) -> str:
    """The same whenever and by whomever it is made."""
    said = f"{event.conversation_id}\n{event.id}\n{name}\n{queue}"
    return f"d_{hashlib.sha256(said.encode()).hexdigest()[:40]}"
