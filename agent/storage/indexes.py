"""What is known across conversations: the lists they stand in, and the feed.

Knows no conversation's content; is given a door to Redis. Both are written by the scripts that
write a conversation, in the same step. Invariant: a conversation stands exactly where its stored
header says, and the feed tells of its events in the order of its log, each once.

The feed says that something happened in a conversation, never what: erasing needs nothing from it.
"""

from collections.abc import Sequence

from agent.domain import Conversation
from agent.events.log import START, Announcement
from agent.storage import scripts
from agent.storage.connection import RedisCalls


class Indexes:
    def __init__(self, calls: RedisCalls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix
        self.lists = f"{prefix}:lists:"  # what the names of the lists begin with
        self.feed = f"{prefix}:feed"
        self._layout = f"{prefix}:layout"

    # -- the lists

    async def headers(self, name: str, first: int, count: int) -> list[Conversation]:
        """Those who stand in the list, from the place `first` on; all as of one moment."""
        stored = await self._calls.script(
            scripts.READ_LIST,
            (self.lists + name,),
            (first, first + count - 1, f"{self._prefix}:"),
        )
        return [Conversation.model_validate_json(one) for one in stored]

    async def sizes(self, names: Sequence[str], *, since: int = 0) -> list[int]:
        """How many stand in each, at the place `since` or behind it; all as of one moment."""
        keys = [self.lists + name for name in names]
        found: list[int] = await self._calls.script(scripts.COUNT, keys, (since,))
        return found

    async def ids(self, name: str, *, below: int | None = None, most: int = -1) -> list[str]:
        """Ids in the list's order, all or those whose place is below."""
        end = "+inf" if below is None else f"({below}"
        command = ("ZRANGEBYSCORE", self.lists + name, "-inf", end, "LIMIT", 0, most)
        found: list[str] = await self._calls.one(*command)
        return found

    async def newest_first(self, name: str) -> list[str]:
        found: list[str] = await self._calls.one("ZREVRANGE", self.lists + name, 0, -1)
        return found

    # -- the feed

    async def feed_position(self) -> str:
        newest = await self._calls.one("XREVRANGE", self.feed, "+", "-", "COUNT", 1)
        return str(newest[0][0]) if newest else START

    async def oldest_announcement(self) -> str:
        oldest = await self._calls.one("XRANGE", self.feed, "-", "+", "COUNT", 1)
        return str(oldest[0][0]) if oldest else START

    async def announcements(self, after: str, wait_s: float) -> list[Announcement]:
        block = int(wait_s * 1000)
        found = await self._calls.one(
            "XREAD", "COUNT", 1000, "BLOCK", block, "STREAMS", self.feed, after
        )
        return [
            Announcement(line, fields["c"], fields["from"], fields["to"])
            for _, lines in found or ()
            for line, fields in lines
        ]
