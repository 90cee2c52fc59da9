"""Real servers for tests: each on a free loopback port or socket, in a directory of its own.

Fixtures of this module are used by importing them into a conftest. Tests that ask for them carry
the marker `servers`; where a server is not installed they fail and say how to install it.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
START_SECONDS = 60


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL's `postgres` database."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def chroma_server() -> Iterator[str]:
    """The URL of an empty Chroma server."""
    with running_chroma() as url:
        yield url


@contextmanager
def running_postgres() -> Iterator[str]:
    initdb = shutil.which("initdb") or next(
        (str(folder / "initdb") for folder in POSTGRES_FOLDERS), None
    )
    if initdb is None:
        pytest.fail("PostgreSQL is not installed; run: apt-get install postgresql")
    programs = Path(initdb).parent
    owner = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if owner:
            shutil.chown(directory, owner)
        data = str(directory / "data")

        def run(*command: str) -> None:
            subprocess.run(
                command, check=True, user=owner, cwd=directory, stdout=subprocess.DEVNULL
            )

        run(initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
        pg_ctl = str(programs / "pg_ctl")
        log = str(directory / "log")
        run(pg_ctl, "-D", data, "-l", log, "-o", options, "-w", "-t", str(START_SECONDS), "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={directory}"
        finally:
            run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running_chroma() -> Iterator[str]:
    port = free_port()
    chroma = str(Path(sys.executable).parent / "chroma")
    with tempfile.TemporaryDirectory(prefix="chroma-") as directory:
        server = subprocess.Popen(
            [chroma, "run", "--path", directory, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
            stdout=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_answers(f"{url}/api/v2/heartbeat", server)
            yield url
        finally:
            server.kill()  # its data are thrown away, and a polite end takes ten seconds
            server.wait()


def wait_until_answers(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(START_SECONDS * 10):
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, ConnectionError):
            try:
                code = server.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"{server.args} ended with {code} before it answered")
    pytest.fail(f"{url} did not answer within {START_SECONDS} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
