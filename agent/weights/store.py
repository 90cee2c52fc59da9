"""The weights directory: which model files are here, which are in use, and that they are intact.

Owns the files' names, their verified stamps, `active.json` and the lock; opens no connection.
Invariant: a path that leaves this module had its SHA-256 checked since the file last changed.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.weights.catalogue import CATALOGUE, DEFAULTS, HubFile, Kind, Model, Piece
from agent.weights.errors import HashMismatch, UnknownModel, WeightsError, WeightsMissing
from agent.weights.progress import Progress, silent

_CHUNK = 1 << 20
_HUB_NAME = re.compile(r"hf://(?P<repo>[^@\s]+/[^@/\s]+)@(?P<revision>[^/\s]+)/(?P<path>\S+)")


@dataclass(frozen=True)
class Weights:
    """A verified model file. `source` is "path", "hub", "package registry" or "already here"."""

    name: str
    path: Path
    sha256: str
    kind: Kind
    source: str = "already here"
    revision: str | None = None


@dataclass(frozen=True)
class Listed:
    """A line of `frontdesk models list`; `path` and `sha256` are None while it is not here."""

    name: str
    path: Path | None
    sha256: str | None
    active: bool
    kind: Kind
    bytes: int | None
    licence: str
    note: str


@dataclass(frozen=True)
class Verified:
    """What `frontdesk models verify` found; a file of ours that is not `ok` is deleted."""

    name: str
    path: Path
    expected: str
    found: str

    @property
    def ok(self) -> bool:
        return self.expected == self.found


def resolve(
    model: str | None,
    weights_dir: Path,
    *,
    kind: Kind = "chat",
    catalogue: Sequence[Model] = CATALOGUE,
) -> Weights:
    """The verified file of `model`: a catalogue name, a path, hf://repo@revision/file, or None
    for the active one. Raises WeightsMissing with the command that brings it."""
    if model is None:
        return _active_or_default(weights_dir, kind, catalogue)
    entry = entry_for(model, catalogue)
    if entry is None:
        return _by_path(model, weights_dir, kind)
    path = weights_dir / entry.filename
    if not path.is_file():
        raise WeightsMissing(
            f"The model {model} is not in {weights_dir}. Get it with `frontdesk models pull "
            f"{model}`."
        )
    return Weights(entry.name, path, ensure(path, weights_dir, entry.sha256), entry.kind)


def entry_for(model: str, catalogue: Sequence[Model]) -> Model | None:
    """The catalogue's entry for a name, one made up for hf://…, None for anything else."""
    for entry in catalogue:
        if entry.name == model:
            return entry
    if not model.startswith("hf://"):
        return None
    named = _HUB_NAME.fullmatch(model)
    if named is None:
        raise UnknownModel(
            f"{model} does not name a file of a hub. Write it as hf://owner/name@revision/file.gguf."
        )
    hub = HubFile(**named.groupdict())
    filename = "--".join([*hub.repo.split("/"), hub.revision, *hub.path.split("/")])
    piece = Piece(filename, None, None, hub)
    return Model(model, "chat", "see its hub page", filename, None, None, (piece,))


def models_list(weights_dir: Path, catalogue: Sequence[Model] = CATALOGUE) -> list[Listed]:
    """The catalogue, and what else is in use; files are looked at, not hashed again."""
    active = {kind: active_weights(weights_dir, kind) for kind in DEFAULTS}
    in_use = {weights.name for weights in active.values() if weights}
    lines = []
    for entry in catalogue:
        path = weights_dir / entry.filename
        here = path.is_file()
        lines.append(
            Listed(
                name=entry.name,
                path=path if here else None,
                sha256=entry.sha256 if here else None,
                active=entry.name in in_use,
                kind=entry.kind,
                bytes=entry.bytes,
                licence=entry.licence,
                note=entry.note,
            )
        )
    known = {entry.name for entry in catalogue}
    lines += [
        Listed(w.name, w.path, w.sha256, True, w.kind, None, "its own", f"from {w.source}")
        for w in active.values()
        if w and w.name not in known
    ]
    return lines


def verify(
    weights_dir: Path,
    *,
    progress: Progress = silent,
    catalogue: Sequence[Model] = CATALOGUE,
) -> list[Verified]:
    """Hash every model file here again. One of ours that is wrong is deleted, one that was given
    by path is only reported."""
    expected = {
        weights_dir / entry.filename: (entry.name, entry.sha256)
        for entry in catalogue
        if (weights_dir / entry.filename).is_file()
    }
    for kind in DEFAULTS:
        weights = active_weights(weights_dir, kind)
        if weights and weights.path not in expected and weights.path.is_file():
            expected[weights.path] = (weights.name, weights.sha256)
    results = []
    for path, (name, sha256) in expected.items():
        found = hash_file(path, progress)
        result = Verified(name, path, sha256 or found, found)
        if result.ok:
            _write_stamp(path, weights_dir, found)
        elif path.parent == weights_dir:
            path.unlink()
        results.append(result)
    return results


def ensure(path: Path, weights_dir: Path, expected: str | None, progress: Progress = silent) -> str:
    """The file's SHA-256, hashed only if it changed since it was last verified. A file of the
    weights directory that is not the expected one is deleted."""
    stamp = _read_stamp(path, weights_dir)
    status = path.stat()
    if stamp and (stamp.get("bytes"), stamp.get("mtime_ns")) == (
        status.st_size,
        status.st_mtime_ns,
    ):
        found = str(stamp["sha256"])
    else:
        found = hash_file(path, progress)
    ours = path.parent == weights_dir
    if expected is None and stamp and ours:
        expected = str(stamp["sha256"])  # hf:// without a published hash: what was fetched
    if expected is not None and found != expected:
        if ours:
            path.unlink()
        remedy = "It was deleted; get it again with `frontdesk models pull`."
        raise HashMismatch(path.name, expected=expected, found=found, remedy=remedy)
    _write_stamp(path, weights_dir, found)
    return found


def hash_file(path: Path, progress: Progress = silent) -> str:
    digest = hashlib.sha256()
    total = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
            done += len(block)
            progress(f"verifying {path.name}", done, total)
    return digest.hexdigest()


def active_weights(weights_dir: Path, kind: Kind) -> Weights | None:
    """What the last fetch chose for `kind`, whether its file is still there or not."""
    record = _read_json(weights_dir / "active.json").get(kind)
    if not isinstance(record, dict):
        return None
    return Weights(
        name=str(record["name"]),
        path=Path(record["path"]),
        sha256=str(record["sha256"]),
        kind=kind,
        source=str(record["source"]),
        revision=record["revision"],
    )


def set_active(weights_dir: Path, weights: Weights) -> None:
    records = _read_json(weights_dir / "active.json")
    record = asdict(weights) | {"path": str(weights.path)}
    records[weights.kind] = {key: value for key, value in record.items() if key != "kind"}
    write_json(weights_dir / "active.json", records)


@contextmanager
def locked(weights_dir: Path, progress: Progress = silent) -> Iterator[None]:
    """Keeps two processes from fetching the same file; the second waits, then finds it there."""
    weights_dir.mkdir(parents=True, exist_ok=True)
    with (weights_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that fetches models", 0, None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_json(path: Path, content: object) -> None:
    """Whole or not at all, whenever the process ends."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _active_or_default(weights_dir: Path, kind: Kind, catalogue: Sequence[Model]) -> Weights:
    active = active_weights(weights_dir, kind)
    if active is None:
        return resolve(DEFAULTS[kind], weights_dir, kind=kind, catalogue=catalogue)
    if not active.path.is_file():
        raise WeightsMissing(
            f"The active model {active.name} is not at {active.path} any more. Get it again with "
            f"`frontdesk models pull {active.name}`, or another with `frontdesk models pull NAME`."
        )
    pinned = None if active.source == "path" else active.sha256
    return replace(active, sha256=ensure(active.path, weights_dir, pinned))


def _by_path(model: str, weights_dir: Path, kind: Kind) -> Weights:
    path = Path(model).expanduser().absolute()
    if not path.is_file():
        raise UnknownModel(
            f"There is no model '{model}': not a catalogue name (`frontdesk models list` shows "
            "them), and no such file."
        )
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise WeightsError(
                f"{path} is not a GGUF file. Give llama.cpp's format, or a name from "
                "`frontdesk models list`."
            )
    return Weights(path.stem, path, ensure(path, weights_dir, None), kind, "path")


def _stamp(path: Path, weights_dir: Path) -> Path:
    where = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return weights_dir / "verified" / f"{path.name}.{where}.json"


def _read_stamp(path: Path, weights_dir: Path) -> dict[str, object]:
    return _read_json(_stamp(path, weights_dir))


def _write_stamp(path: Path, weights_dir: Path, sha256: str) -> None:
    status = path.stat()
    stamp = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}
    target = _stamp(path, weights_dir)
    if _read_json(target) == stamp:
        return
    with suppress(OSError):  # a read-only volume only costs hashing at each start
        target.parent.mkdir(parents=True, exist_ok=True)
        write_json(target, stamp)


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
