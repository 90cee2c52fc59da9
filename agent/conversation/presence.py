"""Who of the staff is in which conversation, and who types: told live, never stored in its log.

Owns the fan-out of signs to whoever follows. Invariant: a follower costs a bounded queue, and a
sign that finds it full is dropped: the next one says as much.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from agent.domain import now
from agent.errors import StoreUnavailable
from agent.storage.people import User
from agent.storage.presence import Doing, PresenceStore, Sign

log = logging.getLogger(__name__)

_WAIT_S: Final = 2.0
_PAUSE_S: Final = 1.0
_QUEUE: Final = 50
TOLD_EVERY_S: Final = 2.0  # what a customer is told of somebody who types
_FORGOTTEN: Final = 5000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Passing:
    """An event without an id that is told to whoever follows now, and to nobody later."""

    type: str
    conversation_id: str
    data: dict[str, Any]
    at: str = field(default_factory=now)

    @property
    def wire(self) -> dict[str, Any]:
        return asdict(self)


class Presence:
    def __init__(self, store: PresenceStore) -> None:
        self._store = store
        self._followers: dict[str | None, set[asyncio.Queue[Passing]]] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._reader = asyncio.create_task(self._read(), name="presence reader")

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._store.close()

    async def put(
        self, conversation_id: str, user: User, doing: Doing, *, audible: bool
    ) -> list[dict[str, Any]]:
        """Says what somebody does, and answers with who else is there."""
        tells = audible and doing == "typing" and self._may_tell(conversation_id, user.id)
        sign = Sign(conversation_id, user.id, user.display_name, doing, tells)
        return await self._store.put(sign)

    def _may_tell(self, conversation_id: str, user_id: str) -> bool:
        moment, key = time.monotonic(), (conversation_id, user_id)
        if moment - self._told.get(key, -TOLD_EVERY_S) < TOLD_EVERY_S:
            return False
        if len(self._told) >= _FORGOTTEN:
            self._told.clear()
        self._told[key] = moment
        return True

    async def follow(self, conversation_id: str | None) -> AsyncGenerator[Passing]:
        """Events of one conversation for its customer, or of all of them (None) for staff."""
        queue: asyncio.Queue[Passing] = asyncio.Queue(_QUEUE)
        self._followers.setdefault(conversation_id, set()).add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            followers = self._followers[conversation_id]
            followers.discard(queue)
            if not followers:
                del self._followers[conversation_id]

    async def _read(self) -> None:
        reached: str | None = None
        while True:
            try:
                reached = reached or await self._store.position()
                for line, sign in await self._store.heard(reached, _WAIT_S):
                    reached = line
                    self._tell(sign)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE_S)
            except Exception:
                log.exception("Presence could not be read; tried again soon")
                await asyncio.sleep(_PAUSE_S)

    def _tell(self, sign: Sign) -> None:
        where = sign.conversation_id
        seen = {"user_id": sign.user_id, "name": sign.name, "doing": sign.doing}
        self._hand(None, Passing("presence.updated", where, seen))
        if sign.audible:
            typing = Passing("typing", where, {"role": "human_agent", "name": sign.name})
            self._hand(where, typing)
            self._hand(None, typing)

    def _hand(self, whose: str | None, event: Passing) -> None:
        for queue in self._followers.get(whose, ()):
            if not queue.full():
                queue.put_nowait(event)


async def alongside(
    main: AsyncIterator[T], passing: AsyncGenerator[Passing]
) -> AsyncGenerator[T | Passing]:
    """What `main` gives, with what passes meanwhile in between; ends when `main` does."""
    sources: dict[str, AsyncIterator[Any]] = {"main": main, "passing": passing}
    nexts: dict[str, asyncio.Future[Any]] = {}
    try:
        while True:
            for name in sources.keys() - nexts.keys():  # one that is asked for twice loses a value
                nexts[name] = asyncio.ensure_future(anext(sources[name]))
            await asyncio.wait(nexts.values(), return_when=asyncio.FIRST_COMPLETED)
            for name in [name for name, one in nexts.items() if one.done()]:
                try:
                    value = nexts.pop(name).result()
                except StopAsyncIteration:
                    return
                yield value
    finally:
        for one in nexts.values():
            one.cancel()
        await asyncio.gather(*nexts.values(), return_exceptions=True)
        await passing.aclose()
        aclose = getattr(main, "aclose", None)
        if aclose is not None:
            await aclose()
