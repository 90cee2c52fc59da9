# ruff: noqa: T201 - the table on stdout is what this is for
"""Many at once: `python -m tests.benchmarks.live [--engine scripted] [--minutes N]`.

Idle and active customers and staff over real HTTP and event streams, against `frontdesk run` in a
process of its own with its own Valkey, on the real model or on a scripted engine (the events' path
alone). Prints how long events took from their own time to their reading, and whether any was lost,
doubled or out of order, or a snapshot with its events differed from a fresh one. Exits 1 if so.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.product.following import Books
from tests.product.living import Crowd, Day, live
from tests.product.running import Product
from tests.product.scripted_engine import scripted_engine

STEP_S = 0.1  # a letter of each answer, ten times a second: more events than the real model makes


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def row(name: str, books: Books) -> str:
    delays = books.delays_ms
    figures = (f"{quantile(delays, share):.0f}" for share in (0.5, 0.95, 0.99, 1.0))
    counts = (books.lost, books.doubled, books.out_of_order, books.resumed, books.compared)
    return " | ".join(
        (f"| {name}", str(books.events), *figures, *map(str, counts), f"{len(books.different)} |")
    )


def report(day: Day, engine: str, crowd: Crowd) -> str:
    who = f"{crowd.idle} idle and {crowd.active} active customers, {crowd.staff} staff"
    columns = ["stream", "events", "median ms", "p95 ms", "p99 ms", "worst ms", "lost", "doubled"]
    columns += ["out of order", "resumed", "compared", "different"]
    done = ", ".join(f"{number} {what}" for what, number in sorted(day.done.items()))
    return "\n".join(
        (
            f"{who}, {crowd.seconds:.0f} s, engine: {engine}",
            f"done: {done}",
            "",
            f"| {' | '.join(columns)} |",
            "|---" * len(columns) + "|",
            row("customers", day.customers),
            row("staff", day.staff),
            "",
            f"conversations told to staff and customer differently: {day.told_apart}",
            *(day.customers.different + day.staff.different)[:3],
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("model", "scripted"), default="model")
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--active", type=int, default=20)
    parser.add_argument("--staff", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--pause", type=float, default=15, help="seconds between two questions")
    given = parser.parse_args()
    crowd = Crowd(given.idle, given.active, given.staff, given.minutes * 60, given.pause)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="frontdesk-live-"))
        environment = {}
        if given.engine == "scripted":
            environment["FRONTDESK_ENGINE_URL"] = stack.enter_context(scripted_engine(STEP_S))
        product = Product(Path(folder) / "data", environment).start()
        stack.callback(product.stop)
        day = asyncio.run(live(product, crowd))
    print(report(day, given.engine, crowd))
    return 0 if day.right else 1


if __name__ == "__main__":
    sys.exit(main())
