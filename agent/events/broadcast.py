"""Lets any number of readers follow conversations live, each at its own speed.

Reads the log through a port and writes nothing. Invariant: what a reader gets is read from its
conversation's own log after its own position, so nothing is lost or doubled whatever happens to
wake-ups; a slow reader costs one flag, not a queue.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from agent.domain import Event
from agent.errors import NotFound, StoreUnavailable
from agent.events.log import START, EventLog, LogTrimmed, position

log = logging.getLogger(__name__)

HEARTBEAT_S: Final = 8.0  # the contract has 15 s; an outage's failed read may take some of it
_PAGE: Final = 500
_FEED_WAIT_S: Final = 2.0
_AT_ONCE_S: Final = 0.001  # 0 would wait for ever
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What one change of one conversation added to its log; `position` is its place in the feed."""

    position: str
    events: tuple[Event, ...]


class Broadcaster:
    def __init__(self, event_log: EventLog, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._log = event_log
        self._heartbeat_s = heartbeat_s
        self._flags: dict[str, set[asyncio.Event]] = {}
        self._watching: set[asyncio.Event] = set()
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def readers(self) -> int:
        """How many follow right now."""
        return sum(len(flags) for flags in self._flags.values()) + len(self._watching)

    async def start(self) -> None:
        reached = await self._log.feed_position()
        self._reader = asyncio.create_task(self._read_feed(reached), name="feed reader")

    async def close(self) -> None:
        """Ends every `follow` and the reader."""
        self._closed = True
        self._wake_all()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def follow(self, conversation_id: str, after: str) -> AsyncGenerator[Event | None]:
        """Every event after `after`, in order, once; None after a time of silence.

        Ends when the conversation is erased or the broadcaster closed. Raises LogTrimmed if the
        log does not reach back to `after`, InvalidRequest if that is no event id.
        """
        flag = asyncio.Event()
        self._flags.setdefault(conversation_id, set()).add(flag)
        pause = _FIRST_PAUSE_S
        try:
            while not self._closed:
                flag.clear()
                try:
                    events = await self._log.events(conversation_id, after, _PAGE)
                except NotFound:
                    return
                except StoreUnavailable:
                    yield None
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S)
                    continue
                pause = _FIRST_PAUSE_S
                for event in events:
                    after = event.id
                    yield event
                if not events and not await self._woken(flag):
                    yield None
        finally:
            self._forget(conversation_id, flag)

    async def position(self) -> str:
        """Where the feed ends now: what happens later can be followed from here."""
        return await self._log.feed_position()

    async def follow_all(self, after: str) -> AsyncGenerator[Moment | None]:
        """What happens in any conversation after `after`, in the order of the feed, once; None
        after a time of silence. Raises LogTrimmed if the feed does not reach back so far, or if
        what happened cannot be told event by event: take new snapshots then."""
        flag = asyncio.Event()
        self._watching.add(flag)
        pause = _FIRST_PAUSE_S
        try:
            while not self._closed:
                flag.clear()
                try:
                    oldest = await self._log.oldest_announcement()
                    # Who began before the very first line has missed nothing.
                    if after != START and position(after) < position(oldest):
                        raise LogTrimmed("This position is older than the feed: read again.")
                    lines = await self._log.announcements(after, _AT_ONCE_S)
                    for line in lines:
                        if line.last == START:
                            raise LogTrimmed("Something happened out of sight: read again.")
                        events = await self._log.between(
                            line.conversation_id, line.first, line.last
                        )
                        after = line.position
                        yield Moment(after, tuple(events))
                except StoreUnavailable:
                    yield None
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S)
                    continue
                pause = _FIRST_PAUSE_S
                if not lines and not await self._woken(flag):
                    yield None
        finally:
            self._watching.discard(flag)

    async def _woken(self, flag: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await flag.wait()
        except TimeoutError:
            return False

    def _forget(self, conversation_id: str, flag: asyncio.Event) -> None:
        flags = self._flags[conversation_id]
        flags.discard(flag)
        if not flags:
            del self._flags[conversation_id]

    def _wake_all(self) -> None:
        for flags in (*self._flags.values(), self._watching):
            for flag in flags:
                flag.set()

    async def _read_feed(self, reached: str) -> None:
        pause = 0.0
        while not self._closed:
            try:
                lines = await self._log.announcements(reached, _FEED_WAIT_S)
            except StoreUnavailable as error:
                if not pause:
                    log.warning("Live events wait until the store is back: %s", error)
                pause = min(max(pause * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                await asyncio.sleep(pause)
                continue
            except Exception:
                log.exception("The feed could not be read; readers go on at their heartbeat")
                pause = _LONGEST_PAUSE_S
                await asyncio.sleep(pause)
                continue
            if pause:
                pause = 0.0
                self._wake_all()  # what happened during the outage may have been announced to none
            for line in lines:
                reached = line.position
                for flag in (*self._flags.get(line.conversation_id, ()), *self._watching):
                    flag.set()
