"""The wire format of events, and the ends of a stream."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from agent.http import sse


def test_a_frame_is_one_line_of_json_whatever_the_text_holds() -> None:
    frame = sse.frame({"text": "one\ntwo\r\u2028€"}, event="reply.delta", event_id="1-0")
    head, data = frame.decode().split("data: ")
    assert head == "id: 1-0\nevent: reply.delta\n"
    assert data.endswith("}\n\n")
    assert data.count("\n") == 2
    assert json.loads(data) == {"text": "one\ntwo\r\u2028€"}


class Source:
    """Counts up to `end`, then raises `error` or waits for good; knows how it was left."""

    def __init__(self, end: int, *, error: Exception | None = None, wait: bool = False) -> None:
        self.end, self.error, self.wait = end, error, wait
        self.begun, self.closed = asyncio.Event(), asyncio.Event()

    async def values(self) -> AsyncIterator[int]:
        self.begun.set()
        try:
            for number in range(self.end):
                yield number
            if self.wait:
                await asyncio.Event().wait()
            if self.error:
                raise self.error
        finally:
            self.closed.set()


async def test_a_pump_hands_every_value_on_and_ends_with_its_source() -> None:
    source = Source(3)
    assert [value async for value in sse.Pump(source.values()).values()] == [0, 1, 2]
    assert source.closed.is_set()


async def test_an_error_of_the_source_reaches_the_reader() -> None:
    values = sse.Pump(Source(1, error=ValueError("broken")).values()).values()
    assert await anext(values) == 0
    with pytest.raises(ValueError, match="broken"):
        await anext(values)


async def test_leaving_the_values_closes_the_source() -> None:
    source = Source(1, wait=True)
    values = sse.Pump(source.values()).values()
    await anext(values)
    await values.aclose()
    await asyncio.wait_for(source.closed.wait(), 10)


async def test_values_that_nobody_read_do_not_keep_the_source_open() -> None:
    source = Source(5)
    pump = sse.Pump(source.values())
    await source.begun.wait()
    pump.stop()
    await asyncio.wait_for(source.closed.wait(), 10)


async def test_a_silence_is_told_and_loses_nothing() -> None:
    woken = asyncio.Event()

    async def late() -> AsyncIterator[str]:
        await woken.wait()
        yield "at last"

    values = sse.Pump(late(), silence_s=0.01).values()
    assert await anext(values) is None
    woken.set()
    assert "at last" in [value async for value in values]


async def test_the_servers_end_ends_a_stream_that_waits() -> None:
    closing = asyncio.Event()
    source = Source(1, wait=True)
    values = sse.Pump(source.values(), closing=closing).values()
    assert await anext(values) == 0
    asyncio.get_running_loop().call_soon(closing.set)
    assert [value async for value in values] == []
    await asyncio.wait_for(source.closed.wait(), 10)
