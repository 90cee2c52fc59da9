"""`frontdesk run`: a small parent that owns the data directory and keeps the server alive.

It holds the lock, the listening socket and the embedded Valkey, and restarts the serving child
with back-off, because a native abort inside llama.cpp ends its process whatever Python does.
Refuses to know requests and models. Invariant: Valkey is started first and stopped last.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import PortTaken, SetupError
from agent.lock import Holder, Lock, locked
from agent.settings import Settings
from agent.storage import valkey

log = logging.getLogger(__name__)

EXIT_SETUP: Final = 78  # the child cannot start and said why: starting it again would not help
_BACK_OFF_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_S: Final = 60.0  # a child that lived this long is restarted at once
_STOP_PATIENCE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the parent hands to its child: file descriptors that stay open across restarts."""

    listening: int
    admin: int
    lock: int
    lifeline: int  # reads end-of-file when the parent is gone

    def encode(self) -> str:
        return f"{self.listening},{self.admin},{self.lock},{self.lifeline}"

    @classmethod
    def decode(cls, text: str) -> "Inheritance":
        return cls(*map(int, text.split(",")))


def run(settings: Settings) -> int:
    """Serve until a signal. Returns the exit code."""
    with locked(settings.data_dir) as lock, _listen(settings) as listening:
        url = f"http://{settings.host}:{listening.getsockname()[1]}"
        with _admin_socket(settings.data_dir) as (admin, path), closing(_Redis(settings)) as redis:
            lock.announce(Holder(os.getpid(), url, str(path)))
            return _keep_alive(lock, listening, admin, redis, url)


class _Redis:
    """The store of sessions: somebody else's by URL, or an embedded Valkey kept running."""

    def __init__(self, settings: Settings) -> None:
        self._data_dir = settings.data_dir
        self._embedded = None if settings.redis_url else valkey.start(settings.data_dir)
        self.url = self._embedded.url if self._embedded else str(settings.redis_url)

    def revive(self) -> None:
        """Start the embedded server again if it died: its socket stays where it was."""
        if self._embedded is None or self._embedded.running():
            return
        log.error("The embedded Valkey ended; it starts again.")
        try:
            self._embedded = valkey.start(self._data_dir)
        except SetupError as error:
            log.error("The embedded Valkey does not start: %s", error)

    def close(self) -> None:
        if self._embedded is not None:
            self._embedded.stop()


def _keep_alive(
    lock: Lock, listening: socket.socket, admin: socket.socket, redis: _Redis, url: str
) -> int:
    lifeline, alive = os.pipe()
    inheritance = Inheritance(listening.fileno(), admin.fileno(), lock.fd, lifeline)
    environment = {
        **os.environ,
        "FRONTDESK_REDIS_URL": redis.url,
        "FRONTDESK_INHERITANCE": inheritance.encode(),
        "FRONTDESK_URL": url,
    }
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None and child.poll() is None:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    failures = 0
    try:
        while not stopping:
            started = time.monotonic()
            child = subprocess.Popen(  # our own module, our own interpreter
                [sys.executable, "-m", "agent.server"],
                env=environment,
                pass_fds=(listening.fileno(), admin.fileno(), lock.fd, lifeline),
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends it in order
            )
            code = _wait(child, lambda: stopping, redis)
            if stopping or code == 0:
                return 0
            if code == EXIT_SETUP:
                return 1
            failures = 0 if time.monotonic() - started > _STEADY_S else failures + 1
            pause = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
            log.error("The server ended (%s); it starts again in %.0f s.", _how(code), pause)
            _pause(pause, lambda: stopping)
        return 0
    finally:
        os.close(alive)
        os.close(lifeline)
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()


def _wait(child: "subprocess.Popen[bytes]", stopping: Callable[[], bool], redis: _Redis) -> int:
    """The child's exit code; the embedded store is kept alive meanwhile."""
    while not stopping():
        try:
            return child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            redis.revive()
    try:
        return child.wait(timeout=_STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        log.error("The server did not stop within %.0f s; killed.", _STOP_PATIENCE_S)
        child.kill()
        return child.wait()


def _pause(seconds: float, stopping: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopping():
        time.sleep(0.1)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    """Bound by the parent, so that connections wait, not fail, while the child restarts."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
        except OSError as error:
            raise PortTaken(
                f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}. "
                "Give another with --port or FRONTDESK_PORT."
            ) from error
        listening.listen(1024)
        listening.set_inheritable(True)
        yield listening


@contextmanager
def _admin_socket(data_dir: Path) -> Iterator[tuple[socket.socket, Path]]:
    """The owner's door, 0600: whoever may open the file is admin."""
    path = valkey.short_path(data_dir, "admin.sock")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as admin:
        before = os.umask(0o177)
        try:
            admin.bind(str(path))
        except OSError as error:
            raise SetupError(
                f"The admin socket {path} cannot be made: {error.strerror}. "
                "Give a data directory on a local file system with --data-dir."
            ) from error
        finally:
            os.umask(before)
        admin.listen(64)
        admin.set_inheritable(True)
        try:
            yield admin, path
        finally:
            path.unlink(missing_ok=True)
