"""The engine's promises that need a model to misbehave, or to do exactly what it is told."""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence

import pytest

from agent.errors import EngineBusy, EngineDead, GenerationFailed, InvalidRequest, PromptTooLong
from agent.generation.backend import Chunk
from agent.generation.engine import LlamaEngine
from agent.generation.requests import Delta, Finished, GenerationRequest, Priority, ToolSpec

LONG = "word " * 400


class Gate:
    """Holds every decode until it is opened, and tells when one is there."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()

    def __call__(self, _chunks: Sequence[Chunk]) -> bool:
        self.reached.set()
        return self.open.wait(30)


async def whole(engine: LlamaEngine, request: GenerationRequest) -> Finished:
    parts = [part async for part in engine.generate(request)]
    assert isinstance(parts[-1], Finished)
    assert "".join(part.text for part in parts[:-1]) == parts[-1].text
    return parts[-1]


async def begun(engine: LlamaEngine, request: GenerationRequest) -> tuple[object, Delta]:
    stream = engine.generate(request)
    first = await anext(stream)
    assert isinstance(first, Delta)
    return stream, first


async def test_many_at_once_each_get_their_own_answer(scripted, ask) -> None:
    async with scripted(lambda prompt: f"🙂 {prompt[-40:]}") as engine:
        questions = [f"question number {n} " * 3 for n in range(24)]
        done = await asyncio.gather(
            *(whole(engine, ask(question, max_tokens=80)) for question in questions)
        )
        for question, finished in zip(questions, done, strict=True):
            assert question[-20:] in finished.text


async def test_several_event_loops_may_use_one_engine(scripted, ask) -> None:
    async with scripted(lambda _prompt: "the same for all") as engine:
        answers = await asyncio.gather(
            *(asyncio.to_thread(asyncio.run, whole(engine, ask(f"{n}"))) for n in range(4))
        )
        assert {answer.text for answer in answers} == {"the same for all"}


async def test_the_limit_is_answered_with_when_to_come_back(scripted, ask) -> None:
    gate = Gate()
    async with scripted(
        lambda _prompt: LONG, max_sequences=1, queue_limit=1, before_decode=gate
    ) as engine:
        first = asyncio.ensure_future(whole(engine, ask("a", max_tokens=500)))
        await asyncio.to_thread(gate.reached.wait)
        permit = engine.reserve()
        with pytest.raises(EngineBusy) as busy:
            engine.reserve()
        assert 1 <= busy.value.retry_after <= 60
        permit.release()
        permit.release()
        engine.reserve().release()
        gate.open.set()
        await first


async def test_only_customers_take_the_last_places(scripted) -> None:
    async with scripted(lambda _prompt: "", max_sequences=1, queue_limit=2) as engine:
        held = [engine.reserve(Priority.BACKGROUND), engine.reserve(Priority.STAFF)]
        with pytest.raises(EngineBusy):
            engine.reserve(Priority.STAFF)
        held.append(engine.reserve(Priority.CUSTOMER))
        with pytest.raises(EngineBusy):
            engine.reserve(Priority.CUSTOMER)


@pytest.mark.parametrize("way", ["close", "forget", "cancel the task", "raise"])
async def test_leaving_a_stream_in_any_way_frees_everything(scripted, ask, way) -> None:
    async with scripted(lambda _prompt: LONG) as engine:

        async def read() -> None:
            async for _ in engine.generate(ask("?", max_tokens=900)):
                if way == "raise":
                    raise ZeroDivisionError
                if way == "cancel the task":
                    asyncio.current_task().cancel()
                if way == "forget":
                    break

        if way == "close":
            stream, _ = await begun(engine, ask("?", max_tokens=900))
            await stream.aclose()
        else:
            await asyncio.gather(asyncio.ensure_future(read()), return_exceptions=True)
        await engine.ping()
        assert (engine.stats.running, engine.stats.waiting, engine.busy) == (0, 0, False)
        assert engine.stats.free_cells == engine.stats.cells - prefix_cells(engine)


def prefix_cells(engine: LlamaEngine) -> int:
    kept = engine._worker._scheduler.residence.kept.values()
    return sum(beginning.own_cells for beginning in kept)


async def test_a_storm_of_customers_who_leave_loses_no_cell_and_no_permit(scripted, ask) -> None:
    chance = random.Random(7)
    async with scripted(lambda _prompt: LONG, queue_limit=60) as engine:

        async def leaves(number: int) -> None:
            stream = engine.generate(
                ask(f"{number} " * chance.randint(1, 60), max_tokens=200, session=f"{number % 9}")
            )
            reading = asyncio.ensure_future(anext(stream))
            await asyncio.wait([reading], timeout=chance.random() * 0.02)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await stream.aclose()

        for storm in range(6):
            await asyncio.gather(*(leaves(40 * storm + number) for number in range(40)))
        await engine.ping()
        assert (engine.stats.running, engine.stats.waiting, engine.busy) == (0, 0, False)
        assert engine.stats.free_cells == engine.stats.cells - prefix_cells(engine)
        assert (await whole(engine, ask("?", max_tokens=20))).usage.completion_tokens == 20


async def test_a_stream_that_was_never_begun_gives_its_permit_back(scripted, ask) -> None:
    async with scripted(lambda _prompt: "") as engine:
        stream = engine.generate(ask("?"), engine.reserve())
        del stream
        assert not engine.busy


async def test_a_failed_decode_fails_its_requests_and_the_next_one_works(scripted, ask) -> None:
    fail = threading.Event()
    async with scripted(lambda _prompt: LONG, before_decode=lambda _: not fail.is_set()) as engine:
        streams = [await begun(engine, ask(f"{n}", max_tokens=900)) for n in range(3)]
        fail.set()
        for stream, _ in streams:
            with pytest.raises(GenerationFailed, match="try again"):
                async for _ in stream:
                    pass
        fail.clear()
        assert (await whole(engine, ask("again"))).text.startswith("word word")
        assert engine.stats.failed_steps >= 1


async def test_a_dead_thread_is_told_to_everybody(scripted, ask, caplog) -> None:
    die = threading.Event()

    def explode(_chunks: Sequence[Chunk]) -> bool:
        if die.is_set():
            raise MemoryError
        return True

    async with scripted(lambda _prompt: LONG, before_decode=explode) as engine:
        stream, _ = await begun(engine, ask("?", max_tokens=900))
        die.set()
        with pytest.raises(EngineDead, match="Restart"):
            async for _ in stream:
                pass
        with pytest.raises(EngineDead):
            engine.reserve()
        with pytest.raises(EngineDead):
            await engine.ping()
        assert not engine.busy
    assert "thread died" in caplog.text


async def test_closing_cancels_what_runs_and_refuses_what_comes(scripted, ask) -> None:
    async with scripted(lambda _prompt: LONG) as engine:
        stream, first = await begun(engine, ask("?", max_tokens=1900))
        await engine.close()
        *middle, last = [part async for part in stream]
        assert last.reason == "cancelled"
        assert last.text == first.text + "".join(part.text for part in middle)
        with pytest.raises(EngineDead, match="shutting down"):
            engine.reserve()
        assert engine._backend.closed


async def test_closing_lets_a_short_answer_finish(scripted, ask) -> None:
    gate = Gate()
    async with scripted(
        lambda _prompt: "short", before_decode=gate, shutdown_grace_s=30.0
    ) as engine:
        answer = asyncio.ensure_future(whole(engine, ask("?")))
        await asyncio.to_thread(gate.reached.wait)
        closing = asyncio.ensure_future(engine.close())
        gate.open.set()
        assert (await answer).text == "short"
        await closing


async def test_past_its_deadline_a_request_ends_with_what_it_has(scripted, ask) -> None:
    async with scripted(lambda _prompt: LONG) as engine:
        finished = await whole(engine, ask("?", max_tokens=1900, deadline_s=0.0))
        assert finished.reason == "cancelled"


async def test_a_slow_reader_gets_one_merged_delta(scripted, ask) -> None:
    async with scripted(lambda _prompt: "a b c d e f g h") as engine:
        stream, first = await begun(engine, ask("?"))
        while engine.busy:
            await engine.ping()
        rest = [part async for part in stream]
        assert len(rest) <= 2
        shown = first.text + "".join(part.text for part in rest[:-1])
        assert shown == rest[-1].text == "a b c d e f g h"


async def test_a_prompt_that_can_never_fit_is_refused_before_it_is_computed(scripted, ask) -> None:
    async with scripted(lambda _prompt: "", context_tokens=512) as engine:
        with pytest.raises(PromptTooLong, match="Shorten"):
            await whole(engine, ask("x" * 600))
        with pytest.raises(PromptTooLong):
            await whole(engine, ask("x", max_tokens=512))
        assert engine.stats.steps == 0
        assert not engine.busy


async def test_the_shared_system_prompt_is_computed_once(scripted, ask) -> None:
    async with scripted(lambda _prompt: "ok") as engine:
        first = await whole(engine, ask("one"))
        second = await whole(engine, ask("another"))
        assert first.usage.cached_tokens == 0
        assert second.usage.cached_tokens > len("You are the support agent")
        stats = engine.stats
        assert (stats.beginnings_computed, stats.beginnings_resident) == (1, 1)


async def test_a_full_context_makes_requests_wait_not_fail(scripted, ask) -> None:
    async with scripted(lambda _prompt: "fine", context_tokens=600) as engine:
        done = await asyncio.gather(*(whole(engine, ask(f"{n}", max_tokens=300)) for n in range(6)))
        assert {finished.text for finished in done} == {"fine"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"grammar": 'root ::= "a"', "json_schema": {}},
        {"json_schema": {}, "tools": (ToolSpec("t", "", {}),), "tool_choice": "required"},
    ],
)
async def test_contradictions_are_refused(scripted, ask, wrong) -> None:
    async with scripted(lambda _prompt: "") as engine:
        with pytest.raises(InvalidRequest):
            await whole(engine, ask("?", **wrong))
        with pytest.raises(InvalidRequest):
            await whole(engine, GenerationRequest(()))


async def test_calls_are_not_streamed_as_text(scripted, ask) -> None:
    reply: Callable[[str], str] = lambda _: (  # noqa: E731
        'Let me see.<tool_call>{"name": "track", "arguments": {"id": "é"}}</tool_call>'
    )
    async with scripted(reply) as engine:
        finished = await whole(engine, ask("?", tools=(ToolSpec("track", "", {}),)))
        assert (finished.text, finished.reason) == ("Let me see.", "tool_calls")
        assert [(call.name, call.arguments) for call in finished.tool_calls] == [
            ("track", '{"id": "é"}')
        ]
        untooled = await whole(engine, ask("?"))
        assert "<tool_call>" in untooled.text
        assert untooled.reason == "stop"
