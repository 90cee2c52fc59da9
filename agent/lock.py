"""Who owns a data directory: one process at a time, named so that others can reach it.

Knows no service. Invariant: the lock is the kernel's (flock), so it ends with its holder however
that dies; the file's content only says how to reach the holder.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from agent.errors import DataDirectoryLocked, SetupError

_NAME: Final = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """`url` and `socket` are None while it does not serve."""

    pid: int
    url: str | None = None
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock, held. `fd` may be given to a child, which then holds it too."""

    fd: int

    def announce(self, holder: Holder) -> None:
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps(asdict(holder)).encode(), 0)


@contextmanager
def locked(data_dir: Path) -> Iterator[Lock]:
    """Hold the directory. Raises DataDirectoryLocked, naming the holder, if another has it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(data_dir / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupError(
            f"The data directory {data_dir} cannot be used: {error.strerror}. "
            "Give another with --data-dir or FRONTDESK_DATA_DIR."
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = holder(data_dir)
            where = f"serves it at {found.url}" if found and found.url else "is using it"
            who = f"process {found.pid}" if found else "another process"
            raise DataDirectoryLocked(
                f"{data_dir} is in use: {who} {where}. Stop it first, or give another --data-dir."
            ) from None
        lock = Lock(fd)
        lock.announce(Holder(os.getpid()))
        yield lock
    finally:
        os.close(fd)


def holder(data_dir: Path) -> Holder | None:
    """Who holds the directory now; None if nobody does."""
    path = data_dir / _NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            return Holder(**json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            return Holder(pid=0)
    else:
        return None
    finally:
        os.close(fd)
