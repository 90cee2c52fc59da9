"""Redis-protocol servers for tests: the embedded Valkey and the system's Redis, as one kind.

Fixtures of this module are used by importing them into a conftest. Each test gets keys of its own
by a random prefix; a test that kills its server has a server of its own.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import redis

from agent.storage import valkey

KINDS = ["valkey", pytest.param("redis", marks=pytest.mark.servers)]
START_SECONDS = 30


class Server(Protocol):
    url: str

    @property
    def pid(self) -> int: ...

    def stop(self) -> None: ...


class SystemRedis:
    """Debian's redis-server, as durable as the embedded one is."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail("redis-server is not installed; run: apt-get install redis-server")
        path = folder / "redis.sock"
        self.url = f"unix://{path}"
        self._process = subprocess.Popen(
            [
                *(program, "--port", "0", "--unixsocket", str(path), "--dir", str(folder)),
                *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
            ],
            stdout=subprocess.DEVNULL,
        )
        self._wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(0.02)
                else:
                    return
        pytest.fail("redis-server did not start")


def start(kind: str, folder: Path) -> Server:
    return valkey.start(folder) if kind == "valkey" else SystemRedis(folder)


class MortalServer:
    """A server that a test may kill and start again on the same files."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._folder = folder
        self._server = start(kind, folder)

    @property
    def url(self) -> str:
        return self._server.url

    def kill(self) -> None:
        os.kill(self._server.pid, signal.SIGKILL)
        self._server.stop()

    def restart(self) -> None:
        self._server = start(self._kind, self._folder)

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="fd-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", params=KINDS)
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that runs all the while."""
    with tempfile.TemporaryDirectory(prefix="fd-") as folder:
        server = start(request.param, Path(folder))
        yield server.url
        server.stop()


@pytest.fixture(params=KINDS)
def mortal_server(request: pytest.FixtureRequest, socket_folder: Path) -> Iterator[MortalServer]:
    server = MortalServer(request.param, socket_folder)
    yield server
    server.stop()
