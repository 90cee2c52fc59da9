"""What is known across conversations: which run, which idle, whose they are, and the feed.

Knows the names of its keys and no conversation's content; is given a door to Redis. Invariant: an
entry is written before the conversation where a missing one would lose something, so an entry
without its conversation is tolerated, and a missing entry never happens.

The feed says that something happened in a conversation, never what: erasing needs nothing from it.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from agent.domain import Conversation, Event
from agent.events.log import START, Announcement
from agent.storage import scripts
from agent.storage.connection import Command, RedisCalls

_FEED_LIMIT: Final = 20_000


class Indexes:
    def __init__(self, calls: RedisCalls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix
        self._running = f"{prefix}:running"  # "EPOCH ID"
        self._active = f"{prefix}:active"  # id by time of last activity, in ms
        self._owed = f"{prefix}:owed"  # "VERSION ID" of commits that are not announced yet
        self._feed = f"{prefix}:feed"

    def entries_of(self, conversation: Conversation) -> list[Command]:
        """What has to be there before the header is."""
        active = milliseconds(conversation.active_at)
        entries: list[Command] = [("ZADD", self._active, active, conversation.id)]
        if conversation.turn is not None:
            running = f"{conversation.turn.epoch} {conversation.id}"
            entries.append(("SADD", self._running, running))
        if identifier := verified_identifier(conversation):
            created = milliseconds(conversation.created_at)
            entries.append(("ZADD", self._customer(identifier), created, conversation.id))
        return entries

    def without(self, conversation_id: str, header: Conversation | None) -> list[Command]:
        """Takes a conversation out of all of them."""
        traces: list[Command] = [("ZREM", self._active, conversation_id)]
        if header is not None:
            traces.append(self.paid(header))
            traces.append(self.not_running(header.last_epoch, conversation_id))
            traces.extend(self.not_of_customer(header))
        return traces

    async def running(self) -> list[tuple[int, str]]:
        """(epoch, conversation id) of every turn that was begun and not seen to end."""
        return sorted(
            _numbered(entry) for entry in await self._calls.one("SMEMBERS", self._running)
        )

    def not_running(self, epoch: int | str, conversation_id: str) -> Command:
        return ("SREM", self._running, f"{epoch} {conversation_id}")

    async def idle_since(self, before: datetime) -> list[str]:
        score = f"({int(before.timestamp() * 1000)}"
        found: list[str] = await self._calls.one("ZRANGEBYSCORE", self._active, "-inf", score)
        return found

    async def forget_idle(self, conversation_id: str, before: datetime) -> None:
        """Takes it from the idle list unless it has been active since `before`."""
        await self._calls.script(
            scripts.FORGET_IDLE, (self._active,), (conversation_id, int(before.timestamp() * 1000))
        )

    async def of_customer(self, identifier: str) -> list[str]:
        found: list[str] = await self._calls.one("ZREVRANGE", self._customer(identifier), 0, -1)
        return found

    def not_of_customer(self, header: Conversation) -> list[Command]:
        identifier = verified_identifier(header)
        return [("ZREM", self._customer(identifier), header.id)] if identifier else []

    async def feed_position(self) -> str:
        newest = await self._calls.one("XREVRANGE", self._feed, "+", "-", "COUNT", 1)
        return str(newest[0][0]) if newest else START

    async def oldest_announcement(self) -> str:
        oldest = await self._calls.one("XRANGE", self._feed, "-", "+", "COUNT", 1)
        return str(oldest[0][0]) if oldest else START

    async def active(self, first: int, count: int) -> list[str]:
        """Ids of the conversations that were active last, from the place `first` on."""
        found: list[str] = await self._calls.one(
            "ZREVRANGE", self._active, first, first + count - 1
        )
        return found

    async def announcements(self, after: str, wait_s: float) -> list[Announcement]:
        block = int(wait_s * 1000)
        found = await self._calls.one(
            "XREAD", "COUNT", 1000, "BLOCK", block, "STREAMS", self._feed, after
        )
        return [
            Announcement(line, fields["c"], fields["from"], fields["to"])
            for _, lines in found or ()
            for line, fields in lines
        ]

    def announcement(self, conversation_id: str, events: Sequence[Event] = ()) -> Command:
        """A line of the feed; without events it means: anything may have happened."""
        span = (events[0].id, events[-1].id) if events else (START, START)
        line = ("c", conversation_id, "from", span[0], "to", span[1])
        return ("XADD", self._feed, "MAXLEN", "~", _FEED_LIMIT, "*", *line)

    async def owed(self) -> list[tuple[int, str]]:
        """(version, conversation id) of every commit whose announcement was not seen to be made."""
        return sorted(_numbered(entry) for entry in await self._calls.one("SMEMBERS", self._owed))

    def owe(self, header: Conversation) -> Command:
        return ("SADD", self._owed, f"{header.version} {header.id}")

    def paid(self, header: Conversation) -> Command:
        return self.paid_for(header.version, header.id)

    def paid_for(self, version: int, conversation_id: str) -> Command:
        return ("SREM", self._owed, f"{version} {conversation_id}")

    def _customer(self, identifier: str) -> str:
        return f"{self._prefix}:customer:{hashlib.sha256(identifier.encode()).hexdigest()}"


def verified_identifier(conversation: Conversation) -> str | None:
    identity = conversation.identity
    return identity.identifier if identity.level == "verified" else None


def milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _numbered(entry: str) -> tuple[int, str]:
    number, _, conversation_id = entry.partition(" ")
    return int(number), conversation_id
