"""Where computed states are kept: policies' in memory and on disk, parked sessions' in memory.

A state is what llama.cpp computed of a stretch of tokens, 28.7 kB a token with a 1.5B model in
f16. Its name is a hash of the tokens, its position and the engine's fingerprint, so a changed
model, prompt, document or build never finds an old one. Invariants: a file is checked against its
own checksum before the first use in a process, and a damaged one is deleted and computed again;
what is private (computed from a customer's words) stays in memory and never reaches the disk; no
budget is exceeded; nothing here ever fails a request.

What is kept follows what is asked: each use counts, counts halve in a week, and where room is
short the least asked goes, or the newcomer, if it was asked even less (as in TinyLFU,
arXiv:1512.00727). `get`, `put` and `asked` are for the engine's thread; files are written by a
thread of their own.
"""

import hashlib
import json
import logging
import mmap
import os
import queue
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("frontdesk.engine")

State = bytes | memoryview

_MAGIC = b"frontdesk state 1\n"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size
_COUNTS = "asked.json"
_HALF_LIFE_S = 7 * 24 * 3600.0
_WRITES = 16  # states on their way to the disk; more are not waited for but left out
_MOST_DISK = 4 * 10**9


class _Memory:
    """The last used states, at most `budget` bytes of them."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._states: OrderedDict[str, State] = OrderedDict()
        self.bytes = 0

    def __contains__(self, name: str) -> bool:
        return name in self._states

    def get(self, name: str) -> State | None:
        state = self._states.get(name)
        if state is not None:
            self._states.move_to_end(name)
        return state

    def put(self, name: str, state: State) -> None:
        self.drop(name)
        self._states[name] = state
        self.bytes += len(state)
        while self.bytes > self._budget:
            self.drop(next(iter(self._states)))

    @property
    def full(self) -> bool:
        return self.bytes >= 0.9 * self._budget

    def drop(self, name: str) -> None:
        state = self._states.pop(name, None)
        if state is not None:
            self.bytes -= len(state)


@dataclass(slots=True)
class _Asked:
    """How often, with every count halved for each week that has passed since."""

    score: float = 0.0
    at: float = 0.0

    def now(self, at: float) -> float:
        return float(self.score * 0.5 ** ((at - self.at) / _HALF_LIFE_S))

    def count(self, at: float) -> None:
        self.score, self.at = self.now(at) + 1, at


@dataclass(frozen=True, slots=True)
class StateSizes:
    memory_bytes: int
    private_bytes: int
    disk_bytes: int
    files: int


class StateStore:
    """`folder` None: nothing is kept on disk. `disk_bytes` None: 4 GB, or a tenth of what is free
    if that is less."""

    def __init__(
        self,
        fingerprint: str,
        *,
        memory_bytes: int,
        private_bytes: int,
        folder: Path | None = None,
        disk_bytes: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fingerprint = fingerprint.encode()
        self._memory = _Memory(memory_bytes)
        self._private = _Memory(private_bytes)
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, int] = {}
        self._asked: dict[str, _Asked] = {}
        self._budget = 0
        self._full = False
        self._writes: queue.Queue[tuple[str, State] | None] = queue.Queue(_WRITES)
        self._writer: threading.Thread | None = None
        if folder is not None:
            self._open(folder, disk_bytes)

    def has(self, key: bytes) -> bool:
        name = self._name(key)
        return name in self._private or name in self._memory or name in self._files

    def wants(self, keys: Sequence[bytes]) -> bool:
        """Whether it is worth computing them before anybody asks: something is missing where it
        would outlast this process, and there is room, or they are asked more than what is there."""
        names = [self._name(key) for key in keys]
        with self._lock:
            if self._writer is None:
                return any(n not in self._memory for n in names) and not self._memory.full
            missing = any(name not in self._files for name in names)
            return missing and (not self._full or names[-1] in self._asked)

    def get(self, key: bytes) -> State | None:
        """None if it is not there any more, or damaged."""
        name = self._name(key)
        state = self._private.get(name) or self._memory.get(name)
        if state is None and name in self._files:
            state = self._read(name)
        return state

    def put(self, key: bytes, state: State, *, private: bool) -> None:
        name = self._name(key)
        if private:
            self._private.put(name, state)
            return
        self._memory.put(name, state)
        if self._writer is not None:
            with suppress(queue.Full):
                self._writes.put_nowait((name, state))

    def asked(self, key: bytes) -> None:
        """A customer's question needed it."""
        with self._lock:
            self._asked.setdefault(self._name(key), _Asked()).count(self._clock())

    def popularity(self, key: bytes) -> float:
        with self._lock:
            asked = self._asked.get(self._name(key))
            return asked.now(self._clock()) if asked else 0.0

    def drop(self, key: bytes) -> None:
        self._private.drop(self._name(key))

    @property
    def sizes(self) -> StateSizes:
        with self._lock:
            return StateSizes(
                self._memory.bytes, self._private.bytes, sum(self._files.values()), len(self._files)
            )

    def close(self) -> None:
        """Write what is still to be written."""
        if self._writer is not None:
            self._writes.put(None)
            self._writer.join()
            self._writer = None

    def _name(self, key: bytes) -> str:
        return hashlib.blake2b(key + self._fingerprint, digest_size=20).hexdigest()

    # -- the disk

    def _open(self, folder: Path, disk_bytes: int | None) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for file in folder.iterdir():
                if file.suffix == ".kv":
                    self._files[file.stem] = file.stat().st_size
                elif file.suffix == ".part":
                    file.unlink()
            free = shutil.disk_usage(folder).free
        except OSError as error:
            log.warning("The policy cache stays in memory: %s.", error.strerror)
            self._files.clear()
            return
        if disk_bytes is None:
            disk_bytes = min(_MOST_DISK, (free + sum(self._files.values())) // 10)
        self._budget = disk_bytes
        with suppress(OSError, ValueError, TypeError, AttributeError):
            for name, (score, at) in json.loads((folder / _COUNTS).read_text()).items():
                self._asked[name] = _Asked(float(score), float(at))
        self._make_room(0, "", folder)
        self._writer = threading.Thread(
            target=self._write_all, args=(folder,), name="frontdesk-states", daemon=True
        )
        self._writer.start()

    def _read(self, name: str) -> State | None:
        """Maps the file, so that its pages are the operating system's to keep."""
        assert self._folder is not None, "there are files only in a folder"  # noqa: S101
        path = self._folder / f"{name}.kv"
        try:
            with path.open("rb") as file:
                mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):
            mapped = memoryview(b"")
        head, state = mapped[:_HEAD], mapped[_HEAD:]
        if bytes(head) != _MAGIC + hashlib.sha256(state).digest():
            log.warning("A state of the policy cache is damaged; it will be computed again.")
            self._delete(name, self._folder)
            return None
        self._memory.put(name, state)
        return state

    def _write_all(self, folder: Path) -> None:
        while (item := self._writes.get()) is not None:
            name, state = item
            size = _HEAD + len(state)
            try:
                if self._make_room(size, name, folder):
                    _write(folder / f"{name}.kv", state)
                    with self._lock:
                        self._files[name] = size
            except OSError as error:
                log.warning("A state could not be added to the policy cache: %s.", error.strerror)
            if self._writes.empty():
                self._write_counts(folder)
        self._write_counts(folder)

    def _make_room(self, size: int, name: str, folder: Path) -> bool:
        """Delete what is asked less than `name`; False if that is not enough."""
        now = self._clock()
        with self._lock:
            scores = {n: a.now(now) for n, a in self._asked.items()}
            missing = sum(self._files.values()) + size - self._files.get(name, 0) - self._budget
            victims = []
            for other in sorted(self._files, key=lambda other: scores.get(other, 0.0)):
                if missing <= 0:
                    break
                if name and scores.get(other, 0.0) >= scores.get(name, 0.0):
                    self._full = True
                    return False
                victims.append(other)
                missing -= self._files[other]
        for victim in victims:
            self._delete(victim, folder)
        return missing <= 0

    def _delete(self, name: str, folder: Path) -> None:
        with self._lock:
            self._files.pop(name, None)
            self._full = False
        with suppress(OSError):
            (folder / f"{name}.kv").unlink()

    def _write_counts(self, folder: Path) -> None:
        now = self._clock()
        with self._lock:
            self._asked = {n: a for n, a in self._asked.items() if a.now(now) > 0.01}
            counts = {name: (asked.score, asked.at) for name, asked in self._asked.items()}
        with suppress(OSError):
            part = folder / f"{_COUNTS}.part"
            part.write_text(json.dumps(counts))
            part.replace(folder / _COUNTS)


def _write(path: Path, state: State) -> None:
    """Whole or not at all. Not synced: a checksum tells what a crash left."""
    part = path.with_suffix(".part")
    with open(part, "wb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        file.write(_MAGIC + hashlib.sha256(state).digest())
        file.write(state)
    part.replace(path)
