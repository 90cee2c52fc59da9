"""Synchronous access to asynchronous sources, for callers with and without an event loop.

Owns one event loop on one daemon thread, made when it is first needed. Refuses to know what runs
on it. Invariant: a source is iterated and closed in one task on that loop, so it never matters
whose thread asks, or whether that thread has a loop of its own.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="frontdesk-langchain", daemon=True).start()
    return loop


def iterate(source: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """The source's values, as they come. Leaving early ends the source before this returns."""
    values: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()

    async def pump() -> None:
        end: BaseException | None = None
        try:
            async for value in source():
                values.put((value,))
        except BaseException as error:
            end = error
            raise
        finally:
            values.put(end)

    running = asyncio.run_coroutine_threadsafe(pump(), _loop())
    try:
        while (got := values.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            yield got[0]
    finally:
        running.cancel()
