"""When each of the staff was last seen with an open console, in Redis.

Knows no stream and no conversation. Invariant: only what a console itself has reported is kept; who
never had one open is unknown, not away.
"""

from typing import Final

from agent.storage.connection import RedisCalls

_KEPT_S: Final = 90 * 24 * 3600


class AttendanceStore:
    def __init__(self, url: str, *, prefix: str = "fd") -> None:
        self._calls = RedisCalls(url)
        self._key = f"{prefix}:attendance"

    async def close(self) -> None:
        await self._calls.close()

    async def seen(self, user_ids: list[str], moment: float) -> None:
        """`moment` in seconds since 1970."""
        entries = [part for user_id in user_ids for part in (moment, user_id)]
        await self._calls.together(
            ("ZADD", self._key, *entries),
            ("ZREMRANGEBYSCORE", self._key, "-inf", moment - _KEPT_S),
        )

    async def last_seen(self) -> dict[str, float]:
        found = await self._calls.one("ZRANGE", self._key, 0, -1, "WITHSCORES")
        pairs = [one if isinstance(one, list | tuple) else None for one in found]
        if all(pair is not None for pair in pairs):  # RESP3 answers in pairs, RESP2 in a row
            return {str(pair[0]): float(pair[1]) for pair in pairs if pair}
        return dict(zip(map(str, found[::2]), map(float, found[1::2]), strict=True))
