"""Who of the staff has a console open, and who has not for a while.

Knows no HTTP. Invariant: nobody is taken for absent who never had a console open: they may work in
another way. An outage of the store makes nobody absent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from agent.errors import StoreUnavailable
from agent.storage.attendance import AttendanceStore

REPORT_EVERY_S: Final = 10.0
AWAY_S: Final = 120.0  # a console that is gone so long is not being reloaded
ABSENT_S: Final = 900.0  # after which a waiting customer is anybody's again


class Attendance:
    def __init__(self, store: AttendanceStore) -> None:
        self._store = store
        self._here: Counter[str] = Counter()

    @contextmanager
    def at_desk(self, user_id: str) -> Iterator[None]:
        """While a console of theirs is connected."""
        self._here[user_id] += 1
        try:
            yield
        finally:
            self._here[user_id] -= 1
            if not self._here[user_id]:
                del self._here[user_id]

    async def run(self) -> None:
        """Reports who is here until it is cancelled."""
        while True:
            try:
                if self._here:
                    await self._store.seen(list(self._here), time.time())
            except StoreUnavailable:
                pass  # the next round is soon
            await asyncio.sleep(REPORT_EVERY_S)

    async def close(self) -> None:
        await self._store.close()

    async def nobody(self) -> bool:
        """True if staff work with consoles and none has been open for a while."""
        try:
            seen = await self._store.last_seen()
        except StoreUnavailable:
            return False
        since = time.time() - AWAY_S
        return not self._here and bool(seen) and max(seen.values()) < since

    async def absent(self) -> frozenset[str]:
        """Those whose console has been closed for so long that their customers need somebody."""
        seen = await self._store.last_seen()
        since = time.time() - ABSENT_S
        return frozenset(u for u, at in seen.items() if at < since and u not in self._here)
