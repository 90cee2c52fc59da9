"""Puts what an earlier version stored into the lists that this one keeps, once, at the first start.

Invariant: it may be broken off, repeated and done by several servers at once, for a conversation is
placed by a script that takes nothing but the newest header.
"""

import asyncio
from typing import Final

from agent.domain import Conversation
from agent.events.log import START
from agent.storage import lists, scripts
from agent.storage.connection import RedisCalls

_AT_ONCE: Final = 32
# What versions without lists kept: ids by last activity, "EPOCH ID", and "VERSION ID" of commits
# that were stored and not announced.
_OLD_ACTIVE: Final = "active"
_OLD_RUNNING: Final = "running"
_OLD_OWED: Final = "owed"
_OLD_CUSTOMERS: Final = "customer:*"


async def carry_over(calls: RedisCalls, prefix: str) -> None:
    """Nothing to do, and one question to Redis, if it was done."""
    mark = f"{prefix}:layout"
    if await calls.one("GET", mark) == lists.LAYOUT:
        return
    ids: set[str] = set()
    for known in (f"{prefix}:{_OLD_ACTIVE}", f"{prefix}:lists:{lists.ACTIVE}"):
        ids.update(await calls.one("ZRANGE", known, 0, -1))
    left = sorted(ids)
    while left:
        batch, left = left[:_AT_ONCE], left[_AT_ONCE:]
        async with asyncio.TaskGroup() as group:
            for one in batch:
                group.create_task(_place(calls, prefix, one))
    for entry in await calls.one("SMEMBERS", f"{prefix}:{_OLD_OWED}"):
        owed = ("c", entry.partition(" ")[2], "from", START, "to", START)
        await calls.one("XADD", f"{prefix}:feed", "*", *owed)
    old = [f"{prefix}:{name}" for name in (_OLD_ACTIVE, _OLD_RUNNING, _OLD_OWED)]
    await calls.one("DEL", *old, *await _matching(calls, f"{prefix}:{_OLD_CUSTOMERS}"))
    await calls.one("SET", mark, lists.LAYOUT)


async def _place(calls: RedisCalls, prefix: str, conversation_id: str) -> None:
    key = f"{prefix}:{{{conversation_id}}}:header"
    while stored := await calls.one("HGET", key, "json"):
        header = Conversation.model_validate_json(stored)
        arguments = (header.version, f"{prefix}:lists:", header.id, lists.packed(header))
        if await calls.script(scripts.PLACE, (key,), arguments):
            return


async def _matching(calls: RedisCalls, pattern: str) -> list[str]:
    found: list[str] = []
    cursor: str | int = 0
    while True:
        cursor, keys = await calls.one("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        found += keys
        if int(cursor) == 0:
            return found
