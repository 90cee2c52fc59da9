"""What passes beside the events of a stream takes nothing from them."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

from agent.conversation.presence import Passing, alongside


async def test_every_event_comes_once_and_in_order_beside_what_passes() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))

    async def events() -> AsyncGenerator[int]:
        for number in range(300):
            for _ in range(number % 4):
                await asyncio.sleep(0)
            yield number

    async def signs() -> AsyncGenerator[Passing]:
        for number in range(10_000):
            for _ in range(number % 3 + 1):
                await asyncio.sleep(0)
            yield Passing("typing", "c_1", {})

    found = [one async for one in alongside(events(), signs())]
    assert [one for one in found if isinstance(one, int)] == list(range(300))
    assert any(isinstance(one, Passing) for one in found)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
