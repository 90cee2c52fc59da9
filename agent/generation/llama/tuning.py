"""How fast llama.cpp is on this machine, and with which settings it is fastest.

Knows no file but the model's. Times are medians of a few short runs, so a setting replaces the
default only where it is clearly better: `CLEARLY` bounds what noise may decide.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from agent.errors import GenerationFailed
from agent.generation.backend import Chunk
from agent.generation.drafting import ROWS
from agent.generation.llama.contexts import LlamaBackend, Tuning
from agent.generation.llama.model import LlamaModel

CLEARLY: Final = 0.93  # of the time that the best so far takes
_ROUNDS: Final = 3
_READ: Final = 64  # tokens of prefill
_SEQUENCES: Final = 4


@dataclass(frozen=True, slots=True)
class Speed:
    """`read` tokens of a prompt a second; `steps`: seconds of a step with `drafting.ROWS` rows."""

    read: float
    steps: tuple[float, ...]

    @property
    def written(self) -> float:
        """Tokens a second of one answer."""
        return 1 / self.steps[ROWS.index(1)]

    @property
    def together(self) -> float:
        """Tokens a second of four answers at once."""
        return 4 / self.steps[ROWS.index(4)]

    @property
    def seconds(self) -> float:
        """Of an answer such as customers get: 128 tokens read, 64 written, half of them beside
        three other answers."""
        return 128 / self.read + 32 / self.written + 32 / self.together


def candidates(best: Tuning) -> Iterator[Callable[[Tuning], Tuning | None]]:
    """One change after another, each tried on the best so far; None: it does not apply."""
    for threads in range(best.threads - 1, 0, -1)[:2]:
        yield lambda so_far, n=threads: replace(so_far, threads=n)  # type: ignore[misc]
    yield lambda so_far: replace(so_far, micro_batch=128)
    yield lambda so_far: replace(so_far, flash_attention=False)
    # Values can be stored in eight bits only with flash attention.
    yield lambda so_far: replace(so_far, kv_type="q8_0") if so_far.flash_attention else None


def tune(model: LlamaModel, tell: Callable[[str], None]) -> tuple[Tuning, Speed]:
    """The fastest of some settings; about three seconds each with a 1.5B model on two cores."""
    best = Tuning()
    speed = measure(model, best)
    for change in candidates(best):
        tried = change(best)
        if tried is None:
            continue
        tell(f"trying {described(tried)}")
        found = measure(model, tried)
        if found.seconds < CLEARLY * speed.seconds:
            best, speed = tried, found
    return best, speed


def measure(model: LlamaModel, tuning: Tuning) -> Speed:
    """Raise GenerationFailed if the context cannot compute."""
    backend = LlamaBackend(
        model, context_tokens=2048, batch_tokens=_READ * 2, sequences=_SEQUENCES, tuning=tuning
    )
    try:
        return _measure(backend)
    finally:
        backend.free()


def _measure(backend: LlamaBackend) -> Speed:
    text = "The guest may cancel until two days before arrival and gets back what was paid. "
    tokens = backend.vocabulary.tokenize(text * 40, control=False)
    start = _READ
    _seconds(backend, [Chunk(0, 0, tokens[:start], logits=0)])
    read: list[float] = []
    steps: dict[int, list[float]] = {rows: [] for rows in ROWS}
    for _ in range(_ROUNDS):
        read.append(_seconds(backend, [Chunk(0, start, tokens[:_READ], logits=1)]))
        backend.cut(0, start)
        for rows, seconds in steps.items():
            for _ in range(2 if rows <= _SEQUENCES else 1):
                seconds.append(_seconds(backend, [Chunk(0, start, tokens[:rows], logits=rows)]))
                backend.cut(0, start)
    return Speed(_READ / median(read), tuple(median(seconds) for seconds in steps.values()))


def _seconds(backend: LlamaBackend, chunks: list[Chunk]) -> float:
    began = time.perf_counter()
    if not backend.decode(chunks):
        raise GenerationFailed("llama.cpp could not compute a batch: choose another model.")
    return time.perf_counter() - began


def described(tuning: Tuning) -> str:
    threads = "1 thread" if tuning.threads == 1 else f"{tuning.threads} threads"
    attention = "flash attention" if tuning.flash_attention else "no flash attention"
    return f"{threads}, micro-batches of {tuning.micro_batch}, {attention}, KV in {tuning.kv_type}"
