"""Everything that `make run` and `make test` need, from nothing: run by the system's own python3.

Owns the virtual environment, the locked packages, llama.cpp built for this processor and the call
for the model files; uses the standard library only, because nothing else is there yet. Invariant:
each step is done once and leaves either its whole result or nothing that a second run would take
for it, whenever it is interrupted.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (the sentence is for those who have less)
    sys.exit(
        "Frontdesk needs Python 3.11 or newer, and this is "
        + ".".join(map(str, sys.version_info[:2]))
        + ". Install it (apt-get install python3.11 python3.11-venv) or name one: "
        "make PYTHON=/path/to/python3"
    )

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "frontdesk-setup.json"
RECORD = VENV / "frontdesk-weights.json"
BUILD_LOG = VENV / "llama-build.log"
ENGINE = "llama-cpp-python"
CMAKE_FILE = ROOT / "deploy" / "llama_cpp.cmake"
AMX_FILE = ROOT / "deploy" / "amx_tile_config.h"
CMAKE_ARGS = [
    "-DGGML_NATIVE=ON",  # the kernels of this very processor
    "-DLLAVA_BUILD=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_OPENSSL=OFF",
]
MEMORY_PER_COMPILER = 1_200_000_000
LINE_EVERY_SECONDS = 10.0

Command = list["str | Path"]


class SetupFailed(Exception):
    """One sentence for the user, with the remedy."""


def main() -> int:
    started = time.monotonic()
    try:
        with (ROOT / ".setup.lock").open("w") as lock:
            wait_for(lock.fileno())
            did = packages() | weights()
            if did:
                say(f"Set up in {time.monotonic() - started:.0f} s.")
    except SetupFailed as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd[:4]))
        print(f"\n{command} failed (see above). Run it again to go on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run it again: it goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


def say(line: str) -> None:
    print(line, flush=True)


def wait_for(lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another set-up in this folder.")
        fcntl.flock(lock, fcntl.LOCK_EX)


# --- packages -----------------------------------------------------------------------------------


def packages() -> bool:
    """The virtual environment with everything in requirements.lock, and Frontdesk in it."""
    inputs = [LOCK, ROOT / "pyproject.toml", CMAKE_FILE, AMX_FILE, Path(__file__)]
    key = digest(sys.version, str(ROOT), engine_key(), *(path.read_text() for path in inputs))
    if PYTHON.exists() and stamp().get("packages") == key:
        return False
    make_venv()
    locked = lock_entries()
    install(locked, only="uv")
    wheel = cached_wheel()
    if not wheel.exists():
        say("Python packages that the build needs")
        install(locked, only="scikit-build-core", with_all=True)
        build_engine(locked[ENGINE], wheel)
    say("Python packages")
    engine = f"{ENGINE} @ {wheel.as_uri()} --hash=sha256:{file_hash(wheel)}\n"
    requirements = VENV / "requirements.txt"
    requirements.write_text("".join((locked | {ENGINE: engine}).values()))
    uv("sync", "--require-hashes", str(requirements))
    uv("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if subprocess.run([PYTHON, "-c", "import llama_cpp"], check=False).returncode:
        wheel.unlink()
        raise SetupFailed("The engine that was built does not load (see above). Run it again.")
    stamp(packages=key)
    return True


def make_venv() -> None:
    probe: Command = [PYTHON, "-m", "pip", "--version"]
    same = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    if PYTHON.exists() and quiet([PYTHON, "-c", same]) and quiet(probe):
        return
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupFailed(
            "Python's venv module is not installed. Install it: "
            f"apt-get install python3-venv (or python{version}-venv)"
        )
    say("Virtual environment in .venv")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def lock_entries() -> dict[str, str]:
    """The lock's entries by package name, each with its hashes."""
    entries: dict[str, str] = {}
    name = ""
    for line in LOCK.read_text().splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            name = re.split(r"[=\s;@\[]", line, maxsplit=1)[0]
        if name:
            entries[name] = entries.get(name, "") + line
    return entries


def install(locked: dict[str, str], only: str, with_all: bool = False) -> None:
    """Before the whole can be synchronized: uv by pip, then all but the engine by uv."""
    requirements = VENV / "requirements.txt"
    if with_all:
        requirements.write_text("".join(e for name, e in locked.items() if name != ENGINE))
        uv("install", "--require-hashes", "--requirement", str(requirements))
        return
    requirements.write_text(locked[only])
    pip: Command = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    subprocess.run([*pip, "--require-hashes", "--requirement", requirements], check=True)


def uv(*arguments: str) -> None:
    command: Command = [VENV / "bin" / "uv", "pip", *arguments, "--python", PYTHON]
    subprocess.run(command, check=True, cwd=ROOT)


# --- the engine ---------------------------------------------------------------------------------


def cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "frontdesk"


def engine_key() -> str:
    """What a built engine depends on: its source, this processor, the compiler, the options."""
    entry = lock_entries()[ENGINE]
    files = (CMAKE_FILE.read_text(), AMX_FILE.read_text())
    options = [*CMAKE_ARGS, os.environ.get("CMAKE_ARGS", ""), *files]
    return digest(entry, processor(), " ".join(platform.libc_ver()), compiler() or "", *options)


def processor() -> str:
    wanted = ("model name", "flags", "CPU part", "Features")
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    found = sorted({line for line in lines if line.startswith(wanted)})
    return "\n".join([platform.machine(), *found])


def compiler() -> str | None:
    return shutil.which(os.environ.get("CXX") or "g++") or shutil.which("c++")


def cached_wheel() -> Path:
    version = re.match(rf"{ENGINE}==(\S+)", lock_entries()[ENGINE])
    tag = f"py3-none-{platform.system().lower()}_{platform.machine()}"
    name = f"llama_cpp_python-{version[1] if version else ''}-{tag}.whl"
    return cache_dir() / "wheels" / engine_key()[:16] / name


def build_engine(entry: str, wheel: Path) -> None:
    if compiler() is None:
        raise SetupFailed("There is no C++ compiler. Install one: apt-get install g++")
    jobs = build_jobs()
    say(f"llama.cpp, built for this processor with {jobs} jobs (two minutes on two free cores)")
    for left_over in VENV.glob("build-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix="build-", dir=VENV))
    (scratch / "out").mkdir()
    (scratch / "engine.txt").write_text(entry)
    include = f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={shlex.quote(str(CMAKE_FILE))}"
    environment = os.environ | {
        "CMAKE_ARGS": " ".join([*CMAKE_ARGS, include, os.environ.get("CMAKE_ARGS", "")]),
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs),
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "TMPDIR": str(scratch),
    }
    command: Command = [
        *(PYTHON, "-m", "pip", "wheel", "-v", "--no-deps", "--no-cache-dir"),
        *("--no-build-isolation", "--no-binary", ENGINE, "--disable-pip-version-check"),
        *("--require-hashes", "--requirement", scratch / "engine.txt"),
        *("--wheel-dir", scratch / "out"),
    ]
    watch_build(command, environment, scratch)
    built = next((scratch / "out").glob("*.whl"))
    wheel.parent.mkdir(parents=True, exist_ok=True)
    partial = wheel.with_suffix(f".{os.getpid()}.tmp")
    shutil.copyfile(built, partial)
    partial.replace(wheel)
    shutil.rmtree(scratch, ignore_errors=True)


def build_jobs() -> int:
    cores = len(os.sched_getaffinity(0))
    try:
        text = Path("/proc/meminfo").read_text()
        free = int(re.findall(r"MemAvailable:\s+(\d+)", text)[0]) * 1024
    except (FileNotFoundError, IndexError):
        return cores
    return max(1, min(cores, free // MEMORY_PER_COMPILER))


def watch_build(command: Command, environment: dict[str, str], scratch: Path) -> None:
    """Run the build with its output in a log and its steps in one moving line."""
    line = MovingLine()
    with BUILD_LOG.open("wb") as log:
        build = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while build.poll() is None:
                line.show(build_state(BUILD_LOG.read_text(errors="replace"), scratch))
                time.sleep(0.3)
        finally:
            if build.poll() is None:
                build.terminate()
                build.wait()
    text = BUILD_LOG.read_text(errors="replace")
    line.show(build_state(text, scratch), last=True)
    if build.returncode:
        tail = "\n".join(text.splitlines()[-30:])
        raise SetupFailed(
            f"{tail}\n\nllama.cpp was not built; the lines above end its log, {BUILD_LOG}. "
            "If a program or header is missing: apt-get install g++. If the compiler was killed, "
            "there was too little memory: end other programs. Then run it again."
        )


def build_state(log: str, scratch: Path) -> tuple[str, float, float]:
    """What the build does, with how much of how much is done."""
    steps = re.findall(r"^\s*\[(\d+)/(\d+)\]", log, flags=re.MULTILINE)
    if steps:
        return "compile step", float(steps[-1][0]), float(steps[-1][1])
    size = re.search(r"Downloading \S+ \(([\d.]+) MB\)", log)
    if size and "Preparing metadata" not in log:
        return "MB of source", min(grown(scratch) / 1e6, float(size[1])), float(size[1])
    return "configuring", 0.0, 0.0


def grown(folder: Path) -> int:
    """Bytes of the largest archive below `folder`: the one that pip is writing."""
    largest = 0
    for directory, _, names in os.walk(folder):  # unlike rglob, bears folders that pip removes
        for name in names:
            if name.endswith(".tar.gz"):
                with suppress(FileNotFoundError):
                    largest = max(largest, Path(directory, name).stat().st_size)
    return largest


class MovingLine:
    """One line on a terminal; elsewhere a plain line every ten seconds."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._unit = ""
        self._unit_begun = self._begun
        self._said = 0.0

    def show(self, state: tuple[str, float, float], last: bool = False) -> None:
        unit, done, total = state
        now = time.monotonic()
        if unit != self._unit:
            self._unit, self._unit_begun = unit, now
        text = f"  {now - self._begun:.0f} s: {unit}"
        if total:
            text = f"  {now - self._begun:.0f} s: {unit} {done:.0f} of {total:.0f}"
            rate = done / max(now - self._unit_begun, 0.001)
            if 0 < done < total and now - self._unit_begun > 1:
                text += f", {rate:.1f}/s, {(total - done) / rate:.0f} s left"
        if sys.stdout.isatty():
            print(f"\r{text:<78}", end="\n" if last else "", flush=True)
        elif last or now - self._said >= LINE_EVERY_SECONDS:
            self._said = now
            say(text)


# --- weights ------------------------------------------------------------------------------------


def weights() -> bool:
    """The model files; what is there is looked at by size and time only."""
    names = ("HOME", "XDG_CACHE_HOME", *(n for n in os.environ if n.startswith("FRONTDESK_")))
    given = [f"{name}={os.environ.get(name, '')}" for name in sorted(names)]
    settings = ROOT / ".env"
    given.append(settings.read_text() if settings.exists() else "")
    given.append((ROOT / "agent" / "weights" / "catalogue.py").read_text())
    key = digest(*given)
    if stamp().get("weights") == key and stamp().get("files") == recorded_files():
        return False
    say("Model files")
    command: Command = [PYTHON, "-m", "agent.weights.fetch", "default", "--record", RECORD]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise SetupFailed("The model files are not complete (see above).")
    stamp(weights=key, files=recorded_files())
    return True


def recorded_files() -> list[list[object]]:
    """Path, size and time of the model files in use; what is missing never equals a stamp."""
    try:
        paths = [Path(path) for path in json.loads(RECORD.read_text())]
        return [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    except (OSError, ValueError):
        return [["missing", time.time_ns()]]


# --- small things -------------------------------------------------------------------------------


def quiet(command: Command) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stamp(**changes: object) -> dict[str, object]:
    """What is done, with `changes` recorded."""
    try:
        done: dict[str, object] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        done = {}
    if changes:
        done |= changes
        partial = STAMP.with_suffix(".tmp")
        partial.write_text(json.dumps(done, indent=1))
        partial.replace(STAMP)
    return done


if __name__ == "__main__":
    sys.exit(main())
