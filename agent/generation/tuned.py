"""Remembers which settings compute a model fastest on this machine.

One JSON file beside the weights; its keys name the weights, the build of llama.cpp and the
processor, so a change of any of them is measured anew. A damaged file counts as none.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.generation.drafting import ROWS
from agent.generation.llama import LlamaModel, Tuning, build, usable_threads
from agent.generation.llama.tuning import Speed, described, tune

FILE = "tuning.json"


@dataclass(frozen=True, slots=True)
class Tuned:
    """`at` is when it was measured, ISO 8601."""

    tuning: Tuning
    speed: Speed
    at: str

    def __str__(self) -> str:
        return (
            f"{described(self.tuning)}; reads {self.speed.read:.0f} tokens a second, writes"
            f" {self.speed.written:.0f}, four answers together {self.speed.together:.0f}"
            f" (measured {self.at[:10]})"
        )


def recall(folder: Path, sha256: str) -> Tuned | None:
    """What was measured of the weights with this hash here, None if nothing was."""
    raw = _read(folder / FILE).get(_key(sha256))
    with suppress(TypeError, KeyError, ValueError):
        if raw is not None:
            speed = Speed(float(raw["speed"]["read"]), tuple(map(float, raw["speed"]["steps"])))
            if len(speed.steps) == len(ROWS):
                return Tuned(Tuning(**raw["tuning"]), speed, str(raw["at"]))
    return None


def measured(folder: Path, path: Path, sha256: str, tell: Callable[[str], None]) -> Tuned:
    """Some fifteen seconds with a 1.5B model on two cores. Raise SetupError if the file is no
    model."""
    tell("Measuring once which settings are fastest on this machine: about 15 seconds.")
    model = LlamaModel(path)
    try:
        tuning, speed = tune(model, tell)
    finally:
        model.close()
    found = Tuned(tuning, speed, datetime.now(UTC).isoformat(timespec="seconds"))
    known = _read(folder / FILE) | {_key(sha256): asdict(found)}
    partial = folder / f"{FILE}.{os.getpid()}.tmp"
    with suppress(OSError):  # a read-only volume only costs measuring at each start
        partial.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / FILE)
    tell(f"The model runs with {found}.")
    return found


def _key(sha256: str) -> str:
    machine = f"{_processor()} {usable_threads()} {build()}"
    return f"{sha256[:16]} {hashlib.sha256(machine.encode()).hexdigest()[:16]}"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
