"""Makes a model's file faster on this machine, and says what that costs in accuracy.

Both files are measured in one run: speed as `llama.tuning` does, accuracy as how well each foresees
a text (perplexity) and how often both find the same next token likeliest.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import GenerationFailed
from agent.generation.backend import Chunk
from agent.generation.llama import LlamaBackend, LlamaModel, Tuning
from agent.generation.llama.quantize import requantize
from agent.generation.llama.tuning import Speed, measure

_ROWS = 64
_TEXT_TOKENS = 512
_TEXTS = 6


@dataclass(frozen=True, slots=True)
class Measured:
    """`likeliest` are the texts of the likeliest next tokens, place by place."""

    bytes: int
    speed: Speed
    perplexity: float
    likeliest: tuple[str, ...]

    def agreement(self, other: "Measured") -> float:
        pairs = list(zip(self.likeliest, other.likeliest, strict=True))
        return sum(a == b for a, b in pairs) / max(len(pairs), 1)


def optimize(
    source: Path,
    target: Path,
    texts: Sequence[str],
    tuning: Tuning,
    tell: Callable[[str], None],
) -> tuple[Measured, Measured]:
    """What was there and what was made of it, which is at `target`. Raise SetupError or
    GenerationFailed."""
    tell("storing the weights in the faster format")
    requantize(source, target)
    tell("measuring the original")
    before = _measured(source, texts, tuning)
    tell("measuring the new one")
    return before, _measured(target, texts, tuning)


def _measured(path: Path, texts: Sequence[str], tuning: Tuning) -> Measured:
    model = LlamaModel(path)
    try:
        speed = measure(model, tuning)
        backend = LlamaBackend(
            model, context_tokens=1024, batch_tokens=512, sequences=_ROWS, tuning=tuning
        )
        try:
            read = [one for text in texts[:_TEXTS] for one in _foreseen(backend, text)]
        finally:
            backend.free()
    finally:
        model.close()
    surprise = -sum(logprob for logprob, _ in read) / max(len(read), 1)
    likeliest = tuple(text for _, text in read)
    return Measured(path.stat().st_size, speed, math.exp(surprise), likeliest)


def _foreseen(backend: LlamaBackend, text: str) -> Iterator[tuple[float, str]]:
    """Of each token but the first: its log-probability, and the likeliest one's text."""
    tokens = backend.vocabulary.tokenize(text, control=False)[:_TEXT_TOKENS]
    for start in range(0, len(tokens) - 1, _ROWS):
        following = tokens[start + 1 : start + 1 + _ROWS]
        read = tokens[start : start + len(following)]
        if not backend.decode([Chunk(0, start, read, logits=len(read))]):
            raise GenerationFailed("llama.cpp could not compute a batch: choose another model.")
        for place, token in enumerate(following):
            found = backend.logprobs(0, place, token, top=1)
            yield found.logprob, found.top[0][0]
    backend.drop(0)
