"""Shows how a long download moves: a bar on a terminal, a plain line now and then elsewhere.

Owns the looks only; what moves is told through the `Progress` callback. Invariant: a callback
never raises because of where its output goes.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

Progress = Callable[[str, int, int | None], None]
"""Called with a label, the bytes done and the bytes in all (None while nobody knows). Labels that
differ only in what stands in brackets at the end are stages of one thing."""

_LINE_EVERY_SECONDS = 10.0


def silent(label: str, done: int, total: int | None) -> None:
    """The progress that nobody watches."""


def megabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """A Progress that draws on `stream` (default: standard error) while the block runs."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(file=stream)) as bars:
        yield _Bars(bars)


class _Bars:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, label: str, done: int, total: int | None) -> None:
        thing = _thing(label)
        if thing not in self._tasks:
            # A resumed download starts where it stopped: its rate counts from there.
            self._tasks[thing] = self._bars.add_task(label, total=total, completed=done)
        self._bars.update(self._tasks[thing], description=label, completed=done, total=total)


def _thing(label: str) -> str:
    return label.partition(" (")[0]


class PlainProgress:
    """One line when something starts, every ten seconds, and when it is done."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._label = ""
        self._started = (0.0, 0)
        self._said = (0.0, -1)

    def __call__(self, label: str, done: int, total: int | None) -> None:
        now = self._clock()
        new = _thing(label) != _thing(self._label)
        self._label = label
        if new:
            self._started = (now, done)
            self._said = (now, -1)
            self._say(now, done, total)
        finished = total is not None and done >= total and self._said[1] < total
        if finished or now - self._said[0] >= _LINE_EVERY_SECONDS:
            self._say(now, done, total)

    def _say(self, now: float, done: int, total: int | None) -> None:
        self._said = (now, done)
        line = f"{self._label}: {megabytes(done)}"
        if total is not None:
            line += f" of {megabytes(total)}"
        seconds, moved = now - self._started[0], done - self._started[1]
        if seconds > 0 and moved > 0:
            rate = moved / seconds
            line += f", {megabytes(int(rate))}/s"
            if total is not None and done < total:
                line += f", {(total - done) / rate:.0f} s left"
        self._stream.write(line + "\n")
        self._stream.flush()
