"""Runs the sides in turn, each in a process of its own, and puts the report together.

Touches no live store: what it needs is in temporary places.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from agent.benchmark import items, report
from agent.benchmark.growth import growth
from agent.benchmark.load import Wanted
from agent.benchmark.overhead import overhead
from agent.benchmark.sides import FrontdeskSide, Subject, names
from agent.errors import FrontdeskError
from agent.generation import tuned
from agent.generation.embedding import LlamaEmbeddings
from agent.weights.store import Weights

TOKENS: Final = 64
CHARACTERS: Final = 460  # passages of about 115 tokens: four make a prompt of about 540
_ANSWERS_ALONE: Final = 9
_PATIENCE_S: Final = 3600.0


def bench(
    chat: Weights,
    embedding: Weights,
    *,
    tuning: Path,
    against: str | None,
    levels: Sequence[tuple[int, int]],
    grow: bool,
    tell: Callable[[str], None],
) -> report.Report:
    """`levels` are pairs of customers at once and answers measured; `tuning` is the folder where it
    is remembered what is fastest here."""
    peers = list(names(against))
    with (
        tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as place,
        closing(LlamaEmbeddings(embedding.path)) as embeddings,
    ):
        if tuned.recall(tuning, chat.sha256) is None:
            tuned.measured(tuning, chat.path, chat.sha256, tell)
        tell("searching the sample's policies")
        prepared = items.prepare(embeddings, characters=CHARACTERS)
        asked = Path(place) / "items.json"
        asked.write_text(items.dumps(prepared))
        sides = []
        for side in (FrontdeskSide.name, *peers):
            tell(f"measuring {side}")
            wanted = Wanted(
                *(side, str(chat.path), chat.sha256, str(tuning), str(asked)),
                levels=list(levels),
                tokens=TOKENS,
            )
            sides.append(_apart(wanted))
        found: report.Report = {
            "machine": _machine(),
            "model": {"name": chat.name, "sha256": chat.sha256},
            "tokens_an_answer": TOKENS,
            "sides": sides,
            "ratios": report.ratios(sides),
        }
        if grow:
            subject = Subject(chat.path, chat.sha256, tuning)
            found["overhead"] = overhead(subject, prepared.measured[:_ANSWERS_ALONE], tell)
            found["growth"] = growth(subject, embeddings, tell)
        return found


def _apart(wanted: Wanted) -> report.Report:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "agent.benchmark.load", json.dumps(asdict(wanted))],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise FrontdeskError(f"{wanted.side} could not be measured: {last}")
    side: report.Report = json.loads(done.stdout.strip().splitlines()[-1])
    side["summary"] = [report.summary(level, wanted.tokens) for level in side["levels"]]
    return side


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    return {"processor": model or platform.processor(), "cores": os.cpu_count()}
