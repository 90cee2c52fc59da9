"""Who of the staff looks at which conversation, in Redis, for seconds.

Knows no stream to a browser. Invariant: nothing here outlives `PRESENT_S` for readers, nor a minute
in Redis, and losing all of it loses nothing.
"""

import json
import time
from typing import Any, Final, Literal, NamedTuple

from agent.storage.connection import RedisCalls

Doing = Literal["looking", "typing", "gone"]
PRESENT_S: Final = 25.0  # a console that is open says so every 10 s
_KEPT_S: Final = 60
_HEARD: Final = 1000  # lines that a server which is behind can still read


class Sign(NamedTuple):
    """Somebody does something in a conversation; `audible` to the customer."""

    conversation_id: str
    user_id: str
    name: str
    doing: Doing
    audible: bool


class PresenceStore:
    def __init__(self, url: str, *, prefix: str = "fd") -> None:
        self._calls = RedisCalls(url)
        self._prefix = prefix
        self._feed = f"{prefix}:presence"

    async def close(self) -> None:
        await self._calls.close()

    async def put(self, sign: Sign) -> list[dict[str, Any]]:
        """Remembers and announces it; answers with who else is there."""
        key = f"{self._prefix}:{{{sign.conversation_id}}}:present"
        mine = json.dumps({"name": sign.name, "doing": sign.doing, "at": time.time()})
        change = (
            ("HDEL", key, sign.user_id)
            if sign.doing == "gone"
            else ("HSET", key, sign.user_id, mine)
        )
        line = json.dumps(sign._asdict(), ensure_ascii=False)
        *_, found = await self._calls.together(
            change,
            ("EXPIRE", key, _KEPT_S),
            ("XADD", self._feed, "MAXLEN", "~", _HEARD, "*", "sign", line),
            ("EXPIRE", self._feed, _KEPT_S),
            ("HGETALL", key),
        )
        present = {user_id: json.loads(text) for user_id, text in found.items()}
        return [
            {"user_id": user_id, "name": one["name"], "doing": one["doing"]}
            for user_id, one in present.items()
            if user_id != sign.user_id and time.time() - one["at"] < PRESENT_S
        ]

    async def position(self) -> str:
        newest = await self._calls.one("XREVRANGE", self._feed, "+", "-", "COUNT", 1)
        return str(newest[0][0]) if newest else "0-0"

    async def heard(self, after: str, wait_s: float) -> list[tuple[str, Sign]]:
        """What was announced after `after`, oldest first; empty after `wait_s` (< 5) of silence."""
        block = int(wait_s * 1000)
        found = await self._calls.one("XREAD", "BLOCK", block, "STREAMS", self._feed, after)
        return [
            (str(line), Sign(**json.loads(fields["sign"])))
            for _, lines in found or ()
            for line, fields in lines
        ]
