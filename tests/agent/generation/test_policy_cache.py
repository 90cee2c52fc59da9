"""Policies are computed once: through the engine, and bit for bit on the real one."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.generation.backend import Chunk
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.llama import LlamaBackend, LlamaModel
from agent.generation.requests import ChatMessage, Finished, GenerationRequest, Priority
from agent.generation.scripted import ScriptedBackend
from tests.agent.generation.test_engine_scripted import whole

SYSTEM = "You answer from the policy text of a travel company, in few words. "
POLICIES = [
    f"Policy {number}: a cancellation costs {number * 10} euros. " * 3 for number in range(12)
]


def about(policy: str, *said: str, **options: object) -> GenerationRequest:
    roles = ("user", "assistant")
    words = (ChatMessage.of(roles[at % 2], text) for at, text in enumerate(said))
    messages = (ChatMessage.of("system", SYSTEM, policy), *words)
    return GenerationRequest(messages, shared_pieces=2, max_tokens=40, **options)  # type: ignore[arg-type]


def warming(policy: str) -> GenerationRequest:
    return GenerationRequest(
        (ChatMessage.of("system", SYSTEM, policy),), shared_pieces=2, priority=Priority.BACKGROUND
    )


def open_engine(folder: Path | None, **settings: object) -> LlamaEngine:
    options = EngineSettings(cache_folder=folder, shutdown_grace_s=0.0, **settings)  # type: ignore[arg-type]
    backend = ScriptedBackend(lambda _prompt: "fine", context_tokens=4096)
    return LlamaEngine(backend, name="scripted", sha256="1", settings=options)


def shown(_done: int, _total: int) -> None:
    pass


async def test_a_policy_is_computed_for_the_first_customer_only() -> None:
    engine = open_engine(None)
    first = await whole(engine, about(POLICIES[0], "What does it cost?"))
    second = await whole(engine, about(POLICIES[0], "And how much is it?"))
    assert first.usage.cached_tokens == 0
    assert second.usage.cached_tokens > len(SYSTEM + POLICIES[0])
    await engine.close()


async def test_after_a_restart_policies_come_from_the_disk(tmp_path: Path) -> None:
    for computed in (2, 0):
        engine = open_engine(tmp_path)
        await whole(engine, about(POLICIES[0], "What does it cost?"))
        assert engine.stats.beginnings_computed == computed
        await engine.close()


async def test_warming_reports_its_progress_and_spares_the_first_customer(tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    seen: list[tuple[int, int]] = []
    await engine.warm([warming(p) for p in POLICIES], lambda *at: seen.append(at))
    assert seen == [(done, len(POLICIES)) for done in range(len(POLICIES) + 1)]
    before = engine.stats.prefill_tokens
    answer = await whole(engine, about(POLICIES[3], "What does it cost?"))
    assert engine.stats.prefill_tokens - before == (
        answer.usage.prompt_tokens - answer.usage.cached_tokens
    )
    assert answer.usage.cached_tokens > len(SYSTEM + POLICIES[3])
    await engine.close()


async def test_warming_again_computes_nothing(tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    await engine.warm([warming(p) for p in POLICIES], shown)
    await engine.close()
    again = open_engine(tmp_path)
    await again.warm([warming(p) for p in POLICIES], shown)
    assert again.stats.steps == 0
    await again.close()


async def test_what_customers_ask_is_warmed_first(tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    for _ in range(3):
        await whole(engine, about(POLICIES[7], "What does it cost?"))
    wanted = [warming(p) for p in POLICIES]
    first = (await asyncio.to_thread(engine._beginnings, wanted))[0]
    assert "Policy 7" in engine._backend.vocabulary.text(first.tokens)  # type: ignore[attr-defined]
    await engine.close()


async def test_a_customer_passes_warming() -> None:
    engine = open_engine(None)
    warm = asyncio.ensure_future(engine.warm([warming(p) for p in POLICIES], shown))
    await asyncio.sleep(0)
    answers = [await whole(engine, about("Other policy. " * 9, "?")) for _ in range(3)]
    assert all(answer.text == "fine" for answer in answers)
    await warm
    await engine.close()


async def test_a_cancelled_warming_leaves_nothing_running() -> None:
    engine = open_engine(None)
    warm = asyncio.ensure_future(engine.warm([warming(p) for p in POLICIES], shown))
    await asyncio.sleep(0.01)
    warm.cancel()
    await asyncio.gather(warm, return_exceptions=True)
    await engine.ping()
    assert not engine.busy
    await engine.close()


async def test_a_follow_up_computes_only_what_is_new() -> None:
    engine = open_engine(None)
    first = await whole(engine, about(POLICIES[0], "What does it cost?", session="anna"))
    said = ("What does it cost?", first.text)
    follow_up = about(POLICIES[0], *said, "And for two?", session="anna")
    second = await whole(engine, follow_up)
    stranger = await whole(engine, about(POLICIES[0], *said, "And for two?", session="bert"))
    assert stranger.usage.cached_tokens < first.usage.prompt_tokens <= second.usage.cached_tokens
    assert engine.stats.sessions_resumed == 1
    engine.forget("anna")
    again = await whole(engine, follow_up)
    assert again.usage.cached_tokens == stranger.usage.cached_tokens
    await engine.close()


async def test_many_conversations_in_a_small_context_all_end_and_go_on() -> None:
    backend = ScriptedBackend(lambda _prompt: "fine", context_tokens=900)
    settings = EngineSettings(shutdown_grace_s=0.0, queue_limit=100)
    engine = LlamaEngine(backend, name="scripted", sha256="1", settings=settings)

    async def talk(number: int) -> list[Finished]:
        said: list[str] = []
        answers = []
        for turn in range(3):
            said.append(f"customer {number} asks {turn}")
            policy = POLICIES[(number + turn // 2) % 12]
            answers.append(await whole(engine, about(policy, *said, session=f"s{number}")))
            said.append(answers[-1].text)
        return answers

    talks = await asyncio.gather(*(talk(number) for number in range(30)))
    assert all(answer.text == "fine" for answers in talks for answer in answers)
    assert engine.stats.failed_steps == 0
    await engine.close()


@pytest.fixture(scope="module")
def real(chat_weights: Path) -> Iterator[LlamaBackend]:
    backend = LlamaBackend(
        LlamaModel(chat_weights), context_tokens=2048, batch_tokens=512, sequences=8
    )
    yield backend
    backend.close()


def logits(backend: LlamaBackend, sequence: int, start: int, tokens: list[int]) -> np.ndarray:
    assert backend.decode([Chunk(sequence, start, tokens, logits=1)])
    return backend._logits(backend._firsts[0]).copy()


def test_a_reused_passage_gives_bit_for_bit_the_same_logits(real: LlamaBackend) -> None:
    """Like with like: the same pieces, in the same steps, at the same places of the context."""
    vocabulary = real.vocabulary
    system, passage, question = (
        vocabulary.tokenize(text, control=False)
        for text in (SYSTEM * 3, POLICIES[4] * 3, "What does a cancellation cost me?")
    )
    start, end = len(system), len(system) + len(passage)

    def fresh() -> np.ndarray:
        assert real.decode([Chunk(0, 0, system, logits=0)])
        real.copy(0, 1)
        assert real.decode([Chunk(1, start, passage, logits=0)])
        real.copy(1, 2)
        return logits(real, 2, end, question)

    computed = fresh()
    state = real.save(1, start)
    for sequence in (2, 1):
        real.drop(sequence)
    real.copy(0, 1)
    assert real.load(1, state)
    real.copy(1, 2)
    reused = logits(real, 2, end, question)
    assert np.array_equal(computed, reused)

    real.copy(0, 3)
    assert real.load(3, state)
    elsewhere = logits(real, 3, end, question)
    assert np.array_equal(computed, elsewhere)
    for sequence in range(4):
        real.drop(sequence)
    again = fresh()
    assert np.array_equal(computed, again)
    for sequence in range(3):
        real.drop(sequence)


def test_a_state_is_loaded_into_a_context_with_holes(real: LlamaBackend) -> None:
    tokens = real.vocabulary.tokenize(POLICIES[5] * 3, control=False)
    for sequence in range(6):
        assert real.decode([Chunk(sequence, 0, tokens[:40], logits=0)])
    state = real.save(5, 0)
    before = logits(real, 5, 40, tokens[40:50])
    for sequence in (1, 3, 5):
        real.drop(sequence)
    long = tokens * 3
    assert real.decode([Chunk(7, 0, long[:100], logits=0)])
    assert real.load(5, state)
    after = logits(real, 5, 40, tokens[40:50])
    assert np.allclose(before, after, atol=1.0)
    assert int(before.argmax()) == int(after.argmax())
    for sequence in range(8):
        real.drop(sequence)


def test_a_state_that_does_not_fit_changes_nothing(real: LlamaBackend) -> None:
    tokens = real.vocabulary.tokenize(POLICIES[6] * 30, control=False)
    fill = tokens[:500]
    for sequence in range(4):
        assert real.decode([Chunk(sequence, 0, fill, logits=0)])
    state = real.save(0, 0)
    assert not real.load(5, state)
    assert real.decode([Chunk(5, 0, tokens[:20], logits=1)])
    for sequence in range(8):
        real.drop(sequence)
    assert real.load(5, state)
    real.drop(5)


def test_the_fingerprint_names_everything_that_a_state_depends_on(real: LlamaBackend) -> None:
    assert {"type_k", "type_v", "flash_attn_type", "freq_base"} <= {
        part.split("=")[0] for part in real.fingerprint.split()
    }
    assert len(real.fingerprint.split()[-1]) == 64, "the hash of the libraries that compute"


# -- guessing ahead changes nothing but the number of steps

REPEATED = POLICIES[2] + POLICIES[2]


async def test_an_answer_that_repeats_its_policy_takes_fewer_steps_and_is_the_same() -> None:
    backend = ScriptedBackend(lambda _prompt: REPEATED, context_tokens=4096)
    settings = EngineSettings(shutdown_grace_s=0.0)
    engine = LlamaEngine(backend, name="scripted", sha256="1", settings=settings)
    asked = about(POLICIES[2], "What does it cost?")
    answer = await whole(engine, replace(asked, max_tokens=900))
    assert (answer.text, answer.reason) == (REPEATED, "stop")
    assert engine.stats.steps < len(REPEATED) / 2
    assert engine.stats.decoded_tokens >= len(REPEATED) - 1
    await engine.close()


@pytest.mark.parametrize("tokens", [1, 2, 7, 50, 51])
async def test_a_guess_never_makes_an_answer_longer_than_was_asked(tokens: int) -> None:
    backend = ScriptedBackend(lambda _prompt: REPEATED, context_tokens=4096)
    settings = EngineSettings(shutdown_grace_s=0.0)
    engine = LlamaEngine(backend, name="scripted", sha256="1", settings=settings)
    asked = replace(about(POLICIES[2], "What does it cost?"), max_tokens=tokens, logprobs=1)
    parts = [part async for part in engine.generate(asked)]
    logprobs = [one for part in parts[:-1] for one in part.logprobs]  # type: ignore[union-attr]
    assert isinstance(parts[-1], Finished)
    assert parts[-1].text == REPEATED[:tokens]
    assert "".join(one.text for one in logprobs) == REPEATED[:tokens]
    await engine.close()


async def test_a_stop_in_the_middle_of_a_guess_leaves_a_session_one_can_go_on_from() -> None:
    backend = ScriptedBackend(lambda _prompt: REPEATED, context_tokens=4096)
    settings = EngineSettings(shutdown_grace_s=0.0)
    engine = LlamaEngine(backend, name="scripted", sha256="1", settings=settings)
    asked = about(POLICIES[2], "What does it cost?", session="anna", stop=("costs 20 euros",))
    first = await whole(engine, replace(asked, max_tokens=900))
    assert first.text == REPEATED[: REPEATED.index("costs 20 euros")]
    said = ("What does it cost?", first.text, "And for two?")
    follow_up = replace(about(POLICIES[2], *said, session="anna"), max_tokens=900)
    assert (await whole(engine, follow_up)).text == REPEATED
    assert engine.stats.sessions_resumed == 1
    await engine.close()
