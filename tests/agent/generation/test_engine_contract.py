"""What every engine does alike: scripted, real, and behind a URL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agent.generation.requests import Delta, Engine, Finished, GenerationRequest

REPLY = "One, two, three: naïve café 日本 🙂👩‍👩‍👧 four, five. Six and seven \u2028 done."


@pytest.fixture(
    params=[
        "scripted",
        "remote",
        pytest.param("llama", marks=pytest.mark.model),
        pytest.param("remote llama", marks=pytest.mark.model),
    ]
)
async def engine(request, scripted, served) -> AsyncIterator[Engine]:
    async with contextlib.AsyncExitStack() as stack:
        if "llama" in request.param:
            engine = request.getfixturevalue("llama_engine")
        else:
            engine = await stack.enter_async_context(scripted(lambda _prompt: REPLY))
        if "remote" in request.param:
            engine = await stack.enter_async_context(served(engine))
        yield engine


async def parts_of(engine: Engine, request: GenerationRequest) -> list[Delta | Finished]:
    return [part async for part in engine.generate(request)]


@pytest.fixture
def story(ask) -> GenerationRequest:
    return ask("Count in words from one to nine, then write naïve, 日本 and 🙂.", max_tokens=40)


async def test_deltas_are_the_text_and_the_end_comes_last(engine, story) -> None:
    *deltas, last = await parts_of(engine, story)
    assert isinstance(last, Finished)
    assert all(isinstance(delta, Delta) and delta.text for delta in deltas)
    assert "".join(delta.text for delta in deltas) == last.text != ""
    assert "\ufffd" not in last.text
    assert last.usage.prompt_tokens > last.usage.cached_tokens >= 0
    assert last.usage.completion_tokens > 0
    assert 0 < last.first_token_ms <= last.total_ms


async def test_greedy_repeats_itself(engine, story) -> None:
    first, second = [(await parts_of(engine, story))[-1] for _ in range(2)]
    assert first.text == second.text


async def test_a_stop_string_ends_the_text_before_it(engine, ask, story) -> None:
    full = (await parts_of(engine, story))[-1].text
    stop = full[8:14]
    request = ask(story.messages[1].content, max_tokens=40, stop=(stop, "never said"))
    stopped = (await parts_of(engine, request))[-1]
    assert stopped.text == full[: full.index(stop)]
    assert stopped.reason == "stop"


async def test_max_tokens_ends_with_length(engine, ask) -> None:
    finished = (await parts_of(engine, ask("Tell a long story.", max_tokens=5)))[-1]
    assert (finished.reason, finished.usage.completion_tokens) == ("length", 5)


async def test_logprobs_are_logarithms_best_first(engine, ask) -> None:
    parts = await parts_of(engine, ask("Say yes.", max_tokens=4, logprobs=3))
    logprobs = [entry for part in parts[:-1] for entry in part.logprobs]
    assert logprobs
    for entry in logprobs:
        tops = [logprob for _, logprob in entry.top]
        assert entry.logprob <= 0
        assert tops == sorted(tops, reverse=True)
        assert tops[0] >= entry.logprob - 1e-6


async def test_six_at_once_are_all_answered(engine, ask) -> None:
    done = await asyncio.gather(
        *(parts_of(engine, ask(f"Name {n} colours.", max_tokens=8)) for n in range(6))
    )
    assert all(parts[-1].text for parts in done)


async def test_a_permit_is_released_when_its_stream_ends(engine, ask) -> None:
    permit = engine.reserve()
    async for _ in engine.generate(ask("Hi", max_tokens=2), permit):
        pass
    assert engine._permits.out == 0


async def test_it_answers_pings_counts_tokens_and_knows_its_model(engine) -> None:
    await engine.ping()
    assert await engine.count_tokens("A sentence of some words.") > 3
    assert engine.model.name
    assert engine.model.context_tokens > 0
    assert isinstance(engine, Engine)
