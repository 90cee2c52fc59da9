"""Facts about the embedded server: private, durable, never two on one directory."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from agent.errors import SetupError
from agent.storage import valkey


@pytest.fixture
def data_dir(socket_folder: Path) -> Path:
    return socket_folder / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[valkey.EmbeddedValkey]:
    server = valkey.start(data_dir)
    yield server
    server.stop()


def client(server: valkey.EmbeddedValkey) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def stopped_by_force(server: valkey.EmbeddedValkey) -> None:
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_only_its_owner_reaches_it_and_only_by_its_socket(
    server: valkey.EmbeddedValkey, data_dir: Path
) -> None:
    with client(server) as connection:
        assert connection.config_get("port") == {"port": "0"}
        path = Path(connection.config_get("unixsocket")["unixsocket"])
    home = data_dir / "valkey"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for private in (home / "valkey.conf", home / "valkey.log", home / "lock"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_it_confirms_only_what_is_on_disk_and_evicts_nothing(
    server: valkey.EmbeddedValkey,
) -> None:
    with client(server) as connection:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        assert connection.config_get(*wanted) == wanted


def test_what_was_stored_is_there_after_a_stop_and_after_a_kill(data_dir: Path) -> None:
    for key, end in (("stopped", valkey.EmbeddedValkey.stop), ("killed", stopped_by_force)):
        server = valkey.start(data_dir)
        with client(server) as connection:
            connection.set(key, "x")
        end(server)
        assert not server.running()
    server = valkey.start(data_dir)
    with client(server) as connection:
        assert set(connection.keys()) == {"stopped", "killed"}
    server.stop()


def test_a_torn_tail_of_its_log_costs_only_the_torn_write(data_dir: Path) -> None:
    server = valkey.start(data_dir)
    with client(server) as connection:
        connection.set("whole", "x")
        connection.set("torn", "x")
    stopped_by_force(server)
    log = next((data_dir / "valkey" / "appendonlydir").glob("*.incr.aof"))
    os.truncate(log, log.stat().st_size - 5)
    server = valkey.start(data_dir)
    with client(server) as connection:
        assert connection.keys() == ["whole"]
    server.stop()


def test_a_damaged_log_is_said_with_its_remedy(data_dir: Path) -> None:
    server = valkey.start(data_dir)
    with client(server) as connection:
        for number in range(100):
            connection.set(f"key-{number}", "x")
    server.stop()
    log = next((data_dir / "valkey" / "appendonlydir").glob("*.incr.aof"))
    damaged = bytearray(log.read_bytes())
    damaged[1000:1100] = b"?" * 100
    log.write_bytes(damaged)
    with pytest.raises(SetupError, match="frontdesk restore"):
        valkey.start(data_dir)
    assert log.read_bytes() == bytes(damaged)


def test_an_orphan_of_a_killed_parent_is_ended_and_loses_nothing(data_dir: Path) -> None:
    parent = (
        "import sys; from pathlib import Path; from agent.storage import valkey\n"
        "print(valkey.start(Path(sys.argv[1])).pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        orphan = int(process.stdout.readline())
        with redis.Redis.from_url(f"unix://{data_dir}/valkey/valkey.sock") as connection:
            connection.set("confirmed", "x")
        process.kill()
    assert alive(orphan)
    server = valkey.start(data_dir)
    assert server.pid != orphan
    with client(server) as connection:
        assert connection.keys() == ["confirmed"]
        assert connection.info("server")["process_id"] == server.pid
    lock = os.open(data_dir / "valkey" / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    server.stop()
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # neither of them is left
    os.close(lock)


def test_a_frozen_orphan_is_ended_by_force(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "_ORPHAN_S", 0.1)
    frozen = valkey.start(data_dir)
    os.kill(frozen.pid, signal.SIGSTOP)
    server = valkey.start(data_dir)
    assert server.running()
    assert not frozen.running()
    server.stop()


def test_ctrl_c_in_the_terminal_does_not_reach_it(server: valkey.EmbeddedValkey) -> None:
    assert os.getsid(server.pid) == server.pid != os.getsid(0)


def test_paths_may_be_long_and_odd(socket_folder: Path) -> None:
    data_dir = socket_folder / ("a long 'name' with \"quotes\" % and ünicode " * 3)
    server = valkey.start(data_dir)
    with client(server) as connection:
        connection.set("key", "x")
        path = Path(connection.config_get("unixsocket")["unixsocket"])
    assert len(os.fsencode(path)) < 107
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    server.stop()
    server = valkey.start(data_dir)
    with client(server) as connection:
        assert connection.keys() == ["key"]
    server.stop()
    path.parent.rmdir()


def test_a_foreign_folder_in_the_place_of_the_sockets_is_refused(
    socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(socket_folder))
    path = valkey.short_path(Path("/" + "long/" * 30), "valkey.sock")
    path.parent.chmod(0o755)
    with pytest.raises(SetupError, match="not private"):
        valkey.short_path(Path("/" + "long/" * 30), "valkey.sock")


def test_a_data_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SetupError, match="FRONTDESK_DATA_DIR"):
        valkey.start(tmp_path / "data")


def test_a_full_disk_at_the_start_is_said_with_its_remedy(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / "valkey").mkdir(parents=True)
    (data_dir / "valkey" / "valkey.conf").symlink_to("/dev/full")
    with pytest.raises(SetupError, match="disk space"):
        valkey.start(data_dir)


def test_a_missing_binary_is_said_with_its_remedy(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SetupError, match="FRONTDESK_REDIS_URL"):
        valkey.start(data_dir)
