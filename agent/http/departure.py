"""Work for one caller that is worth nothing once the caller has gone.

Owns the watch on the connection. Refuses to know the work. Invariant: when the caller leaves, the
work is cancelled and has ended before the request does.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The work's result. Raises ClientDisconnect, with the work cancelled, if the caller leaves.

    The request's body has to be read before: what arrives now can only be the end.
    """
    working = asyncio.ensure_future(_run(work))
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _run(work: Awaitable[T]) -> T:
    return await work


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
