"""What the engine adds to llama.cpp's own work, and what guessing ahead takes off it again.

One answer at a time: a bare loop of decodes in a thread, the engine that guesses nothing, and the
engine as it ships, each with a context of its own on the same weights.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Final

from agent.benchmark.items import Item
from agent.benchmark.sides import FrontdeskSide, Subject, Texts
from agent.generation.backend import Chunk
from agent.generation.chat import ChatTemplate
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.llama import LlamaBackend, LlamaModel
from agent.generation.requests import ChatMessage, Finished, GenerationRequest, Sampling

_TOKENS: Final = 64
_GREEDY: Final = Sampling(ignore_eos=True)


def overhead(
    subject: Subject, asked: Sequence[Item], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Tokens a second of one answer, medians over the items; the first token is not counted."""
    texts = Texts()
    prompts = [
        (ChatMessage.of("system", texts.system(item)), ChatMessage.of("user", texts.question(item)))
        for item in asked
    ]
    settings = FrontdeskSide(subject).engine_settings
    tell("one answer at a time: a bare loop of decodes")
    bare = asyncio.run(_bare(subject, prompts, settings))
    tell("the engine without guesses")
    plain = asyncio.run(_engine(subject, prompts, replace(settings, guesses=False)))
    tell("the engine")
    shipped = asyncio.run(_engine(subject, prompts, settings))
    return {
        "what": "tokens a second of one answer",
        "bare_loop": bare,
        "engine_without_guesses": plain,
        "engine": shipped,
    }


async def _bare(
    subject: Subject, prompts: Sequence[tuple[ChatMessage, ...]], settings: EngineSettings
) -> float:
    model = LlamaModel(subject.model)
    backend = LlamaBackend(
        model,
        context_tokens=settings.context_tokens,
        batch_tokens=settings.batch_tokens,
        sequences=1,
        tuning=settings.tuning,
    )
    template = ChatTemplate(model.template)
    try:
        rates = [
            # In a thread, as the engine's: a program's first thread is a case of its own (OpenMP).
            await asyncio.to_thread(_decoded, backend, template.prompt(model, said, (), 0).tokens)
            for said in prompts
        ]
    finally:
        backend.close()
    return median(rates)


def _decoded(backend: LlamaBackend, prompt: Sequence[int]) -> float:
    sampler = backend.sampler(_GREEDY, None, _TOKENS)
    try:
        for at in range(0, len(prompt), backend.batch_tokens):
            piece = list(prompt[at : at + backend.batch_tokens])
            backend.decode([Chunk(0, at, piece, logits=1)])
        began = time.perf_counter()
        for place in range(len(prompt), len(prompt) + _TOKENS - 1):
            token = backend.sample(sampler, 0)
            assert token is not None, "only a grammar leaves no token"  # noqa: S101
            backend.decode([Chunk(0, place, [token], logits=1)])
        return (_TOKENS - 1) / (time.perf_counter() - began)
    finally:
        sampler.close()
        backend.drop(0)


async def _engine(
    subject: Subject, prompts: Sequence[tuple[ChatMessage, ...]], settings: EngineSettings
) -> float:
    engine = await LlamaEngine.open(subject.model, name="bench", sha256=None, settings=settings)
    rates = []
    try:
        for said in prompts:
            request = GenerationRequest(said, max_tokens=_TOKENS, sampling=_GREEDY)
            async for part in engine.generate(request):
                if isinstance(part, Finished):
                    seconds = (part.total_ms - part.first_token_ms) / 1000
                    rates.append((part.usage.completion_tokens - 1) / seconds)
    finally:
        await engine.close()
    return median(rates)
