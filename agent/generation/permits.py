"""How many generations may be under way or waiting at once, and who may take the last places.

Knows no model. Invariant: never more than `limit` permits are out, and only customers may take
the last `kept_for_customers` of them.
"""

import threading
from collections.abc import Callable

from agent.errors import EngineBusy
from agent.generation.requests import Priority


class PermitPool:
    """`retry_after` estimates the seconds until a permit comes free."""

    def __init__(
        self, limit: int, *, kept_for_customers: int, retry_after: Callable[[], float]
    ) -> None:
        self._limit = limit
        self._kept_for_customers = kept_for_customers
        self._retry_after = retry_after
        # Re-entrant: the garbage collector may release a forgotten permit at any allocation.
        self._lock = threading.RLock()
        self._out = 0

    @property
    def out(self) -> int:
        return self._out

    def take(self, priority: Priority) -> "PoolPermit":
        limit = self._limit
        if priority is not Priority.CUSTOMER:
            limit -= self._kept_for_customers
        with self._lock:
            if self._out < limit:
                self._out += 1
                return PoolPermit(self)
        raise EngineBusy(
            "All places at the model are taken; try again in a moment.",
            retry_after=self._retry_after(),
        )

    def _give_back(self) -> None:
        with self._lock:
            self._out -= 1


class PoolPermit:
    """One place. Releasing it again does nothing; one that is forgotten releases itself."""

    def __init__(self, pool: PermitPool) -> None:
        self._pool: PermitPool | None = pool
        self._lock = threading.RLock()

    def release(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool._give_back()  # noqa: SLF001 - the two classes are one thing

    def __del__(self) -> None:
        self.release()
