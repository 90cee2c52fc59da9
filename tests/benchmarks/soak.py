# ruff: noqa: T201 - the table on stdout is what this is for; chance need not be secret
"""Half an hour of mixed load on one engine: `python -m tests.benchmarks.soak MODEL [--minutes N]`.

Customers with follow-ups, staff drafts, cancelled streams, prompts that nearly fill the context,
warming beside all of it, more at once than may wait. Prints resident memory, what of it the states
of policies and sessions hold (their budgets fill first) and the account of cells every minute;
exits 1 if anything failed, if a cell or permit was lost, or if memory beside those states grew by
more than 5 % after the first third.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import EngineBusy, FrontdeskError
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.requests import ChatMessage, Delta, Finished, GenerationRequest, Priority

SYSTEM = "You answer customers of a travel company from the policy text below. Be brief. "
SUBJECTS = ("pets", "refunds", "late arrival", "damage", "invoices", "taxes", "keys", "parking")
CUSTOMERS = 12


def passage(number: int) -> str:
    subject = SUBJECTS[number % len(SUBJECTS)]
    return "".join(
        f"Rule {line} on {subject} in house {number}: the fee is {number + line} euros, to be paid"
        f" {line + 2} days before arrival, and half of it comes back within {line + 5} days. "
        for line in range(2 + number % 5)
    )


def request(number: int, said: Sequence[str], **options: object) -> GenerationRequest:
    words = (ChatMessage.of(("user", "assistant")[at % 2], text) for at, text in enumerate(said))
    messages = (ChatMessage.of("system", SYSTEM, passage(number)), *words)
    return GenerationRequest(messages, shared_pieces=2, max_tokens=48, **options)  # type: ignore[arg-type]


class Load:
    def __init__(self, engine: LlamaEngine, end: float, seed: int) -> None:
        self.engine = engine
        self.counts: Counter[str] = Counter()
        self._end = end
        self._chance = random.Random(seed)

    async def customer(self, number: int) -> None:
        while time.monotonic() < self._end:
            session, said = f"{number} {self._chance.random()}", list[str]()
            for turn in range(self._chance.randint(1, 4)):
                about = self._chance.randint(0, 60) if turn % 2 == 0 else number
                said.append(f"What about {self._chance.choice(SUBJECTS)} for {turn + 2} people?")
                said.append(await self._ask(request(about, said, session=session)))
            self.engine.forget(session)
            await asyncio.sleep(self._chance.random() * 5)

    async def drafts(self) -> None:
        while time.monotonic() < self._end:
            words = "Please draft a reply about this. " * self._chance.randint(1, 500)
            long = replace(request(3, [words]), priority=Priority.STAFF)
            await self._ask(long)
            await asyncio.sleep(10)

    async def warming(self) -> None:
        while time.monotonic() < self._end:
            wanted = [request(self._chance.randint(100, 400), []) for _ in range(20)]
            await self.engine.warm(wanted, lambda _done, _total: None)
            self.counts["warmed"] += len(wanted)
            await asyncio.sleep(1)

    async def _ask(self, asked: GenerationRequest) -> str:
        leave_after = self._chance.randint(1, 12) if self._chance.random() < 0.25 else None
        deltas = 0
        try:
            async for part in self.engine.generate(asked):
                if isinstance(part, Finished):
                    self.counts[part.reason] += 1
                    return part.text
                deltas += isinstance(part, Delta)
                if deltas == leave_after:
                    self.counts["left"] += 1
                    return "..."
        except EngineBusy as busy:
            self.counts["busy"] += 1
            await asyncio.sleep(busy.retry_after)
        except FrontdeskError as error:
            self.counts["failed"] += 1
            print(f"failed: {error}", flush=True)
        return "..."


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


async def soak(model: Path, minutes: float) -> bool:
    with tempfile.TemporaryDirectory(prefix="frontdesk-soak-") as folder:
        settings = EngineSettings(
            cache_folder=Path(folder), cache_disk_bytes=300 * 10**6, queue_limit=8, max_sequences=6
        )
        engine = await LlamaEngine.open(model, name="soak", sha256=None, settings=settings)
        end = time.monotonic() + minutes * 60
        load = Load(engine, end, seed=1)
        tasks = [asyncio.create_task(load.customer(number)) for number in range(CUSTOMERS)]
        tasks += [asyncio.create_task(load.drafts()), asyncio.create_task(load.warming())]
        print(
            "| minute | resident MB | states MB | cells reserved | kept | answered | left | busy |"
        )
        print("|---|---|---|---|---|---|---|---|")
        memory = []
        minute = 0
        while time.monotonic() < end:
            await asyncio.sleep(min(60, max(end - time.monotonic(), 0.1)))
            minute += 1
            resident, sizes = resident_mb(), engine.cache_sizes
            states = (sizes.memory_bytes + sizes.private_bytes) / 1e6
            memory.append(resident - states)
            stats, counts = engine.stats, load.counts
            print(
                f"| {minute} | {resident:.0f} | {states:.0f} | {stats.cells - stats.free_cells} |"
                f" {stats.kept} | {counts['stop'] + counts['length']} | {counts['left']} |"
                f" {counts['busy']} |",
                flush=True,
            )
        await asyncio.gather(*tasks)
        await engine.ping()
        stats = engine.stats
        kept = engine._worker._scheduler.residence.kept.values()
        lost = stats.cells - stats.free_cells - sum(one.own_cells for one in kept)
        third = memory[len(memory) // 3 :]
        growth = third[-1] / third[0] - 1
        fine = not (engine.busy or lost or stats.failed_steps or load.counts["failed"])
        print(
            f"\nmemory beside states, last two thirds: {growth:+.1%}; warmed:"
            f" {load.counts['warmed']}; cells lost: {lost}; failed steps:"
            f" {stats.failed_steps}; failures: {load.counts['failed']}; sessions resumed:"
            f" {stats.sessions_resumed}; beginnings resident/loaded/computed:"
            f" {stats.beginnings_resident}/{stats.beginnings_loaded}/{stats.beginnings_computed}"
        )
        await engine.close()
        return fine and growth < 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    given = parser.parse_args()
    return 0 if asyncio.run(soak(given.model, given.minutes)) else 1


if __name__ == "__main__":
    sys.exit(main())
