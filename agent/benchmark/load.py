"""One side under load, in a process of its own: `python -m agent.benchmark.load`, by `run` only.

Closed loop: each of so many customers asks the next question when the last answer is whole. A
failure is a sample too. Prints one JSON object on stdout.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from agent.benchmark import items
from agent.benchmark.items import Item, Items
from agent.benchmark.sides import SIDES, FrontdeskSide, Side, Subject
from agent.silence import silence_dependencies


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds from asking; `error` is None if the answer is whole."""

    first_s: float
    total_s: float
    chunks: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """`levels` are pairs of customers at once and answers in all; `tuned` is where it is remembered
    what is fastest on this machine."""

    side: str
    model: str
    sha256: str
    tuned: str
    items: str
    levels: list[tuple[int, int]]
    tokens: int


async def measured(wanted: Wanted, asked: Items) -> dict[str, Any]:
    side = SIDES[wanted.side](Subject(Path(wanted.model), wanted.sha256, Path(wanted.tuned)))
    await side.open()
    try:
        answers = sum(number for _, number in wanted.levels)
        if isinstance(side, FrontdeskSide):
            await side.publish(Items(asked.measured[:answers], asked.warming))
        for item in asked.warming:
            await side.warm(item)
        if isinstance(side, FrontdeskSide):
            side.judged = side.answers = 0
        levels = []
        questions = cycle(asked.measured)
        for customers, number in wanted.levels:
            began = time.monotonic()
            given = list(islice(questions, number))
            samples = await _loop(side, given, customers, wanted.tokens)
            seconds = time.monotonic() - began
            levels.append(
                {
                    "customers": customers,
                    "seconds": seconds,
                    "samples": [asdict(sample) for sample in samples],
                }
            )
        return {
            "side": side.name,
            "settings": side.settings,
            "peak_mb": _peak_mb(side.pid),
            "judged": side.judged / max(side.answers, 1) if isinstance(side, FrontdeskSide) else 0,
            "levels": levels,
        }
    finally:
        await side.close()


async def _loop(side: Side, asked: Sequence[Item], customers: int, tokens: int) -> list[Sample]:
    waiting = iter(asked)
    samples: list[Sample] = []

    async def customer() -> None:
        samples.extend([await _one(side, item, tokens) for item in waiting])

    await asyncio.gather(*(customer() for _ in range(customers)))
    return samples


async def _one(side: Side, item: Item, tokens: int) -> Sample:
    began = time.monotonic()
    first = 0.0
    chunks = 0
    try:
        async for _ in side.answer(item, tokens):
            first = first or time.monotonic() - began
            chunks += 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it counts as a failure
        return Sample(first, time.monotonic() - began, chunks, f"{type(error).__name__}: {error}")
    return Sample(first, time.monotonic() - began, chunks, None if chunks else "no text")


def _peak_mb(pid: int | None) -> float:
    status = Path(f"/proc/{pid or 'self'}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    silence_dependencies()
    given = Wanted(**json.loads(sys.argv[1]))
    found = asyncio.run(measured(given, items.loads(Path(given.items).read_text())))
    print(json.dumps(found))  # noqa: T201
