"""Server-sent events: how a source of values becomes a response that ends cleanly.

Owns the wire format, the heartbeat, and the ends of a stream (the reader leaves, the server stops,
the source ends). Refuses to know what an event means. Invariant: the source is iterated and closed
in one task of its own, so that leaving the response in any way ends it, exactly once.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, Generic, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Send

# A comment goes out after this much silence; the contract promises one at least every 15 s.
HEARTBEAT_S: Final = 10.0
HEARTBEAT: Final = b": heartbeat\n\n"

# The event loop itself keeps only weak references to tasks.
_pumping: set[asyncio.Task[None]] = set()

T = TypeVar("T")


def frame(data: Any, *, event: str | None = None, event_id: str | None = None) -> bytes:
    """One event. `data` is sent as JSON, which never holds a line break."""
    head = (f"id: {event_id}\n" if event_id else "") + (f"event: {event}\n" if event else "")
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}data: {text}\n\n".encode()


class EventStream(StreamingResponse):
    """`text/event-stream` that nothing between here and the reader may keep or rewrite."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes], pump: "Pump[Any]") -> None:
        super().__init__(
            frames, headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        )
        self._frames = frames
        self._pump = pump

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            # A generator that never began runs no `finally` of its own.
            self._pump.stop()
            await self._frames.aclose()


async def close(source: AsyncIterator[Any]) -> None:
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()


class Pump(Generic[T]):
    """Iterates a source in a task of its own; `None` stands for a silence.

    A reader that is slower than its source holds the source up: nothing is queued but one value.
    The values end when the source does, or when `closing` is set.
    """

    def __init__(
        self,
        source: AsyncIterator[T],
        *,
        closing: asyncio.Event | None = None,
        silence_s: float | None = None,
    ) -> None:
        self._slot: asyncio.Queue[tuple[T] | Exception | None] = asyncio.Queue(1)
        self._closing = closing or asyncio.Event()
        self._silence_s = silence_s
        self._task = asyncio.create_task(self._run(source))
        _pumping.add(self._task)
        self._task.add_done_callback(_pumping.discard)

    async def _run(self, source: AsyncIterator[T]) -> None:
        end: Exception | None = None
        try:
            try:
                async for value in source:
                    await self._slot.put((value,))
            finally:
                await close(source)
        except Exception as error:  # noqa: BLE001  # raised again where the values are read
            end = error
        await self._slot.put(end)

    async def values(self) -> AsyncGenerator[T | None]:
        closing = asyncio.create_task(self._closing.wait())
        getter: asyncio.Task[tuple[T] | Exception | None] | None = None
        try:
            while True:
                getter = getter or asyncio.create_task(self._slot.get())
                await asyncio.wait(
                    {getter, closing},
                    timeout=self._silence_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if closing.done():
                    return
                if not getter.done():
                    yield None
                    continue
                got, getter = getter.result(), None
                if isinstance(got, Exception):
                    raise got
                if got is None:
                    return
                yield got[0]
        finally:
            for task in (getter, closing):
                if task is not None:
                    task.cancel()
            self.stop()

    def stop(self) -> None:
        """End the source, wherever it is."""
        self._task.cancel()
