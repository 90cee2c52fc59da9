"""Brings model files: from a path, from a hub, from the package registry, in this order.

Owns the choice of the source and the checks before it; `store` knows what is here, `hub` and
`packages` how to get what is not. Invariant: nothing is downloaded that is here already, that has
no room, or whose content is not the expected one; the choice is recorded and not made again.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import FrontdeskError
from agent.settings import load_settings
from agent.weights.catalogue import CATALOGUE, DEFAULTS, BertShape, Kind, Model, Piece
from agent.weights.convert import bert_to_gguf
from agent.weights.errors import FetchFailed, HashMismatch, NotEnoughRoom
from agent.weights.hub import PROBE_SECONDS, Hub, Offered, drop
from agent.weights.packages import assemble
from agent.weights.progress import Progress, megabytes, shown, silent
from agent.weights.store import (
    Weights,
    active_weights,
    ensure,
    entry_for,
    hash_file,
    locked,
    resolve,
    set_active,
)

_DISK_MARGIN = 64_000_000
_HUB_ONLY_SECONDS = 15.0


def pull(
    name: str,
    weights_dir: Path,
    *,
    activate: bool = True,
    progress: Progress = silent,
    catalogue: Sequence[Model] = CATALOGUE,
    hub: Hub | None = None,
) -> list[Weights]:
    """Bring a model and make it the active one of its kind.

    `name` is a catalogue name, a path, hf://repo@revision/file, or "default": what was chosen
    before for chat and for embedding, else the catalogue's defaults.
    """
    with locked(weights_dir, progress):
        fetch = _Fetch(weights_dir, hub or Hub.from_environment(), catalogue, progress)
        names = [chosen(kind, weights_dir) for kind in DEFAULTS] if name == "default" else [name]
        pulled = []
        for wanted in names:
            weights = fetch.model(wanted)
            if activate:
                set_active(weights_dir, weights)
            pulled.append(weights)
        return pulled


def chosen(kind: Kind, weights_dir: Path) -> str:
    """The name or path of the model that is active, or would be, for `kind`."""
    active = active_weights(weights_dir, kind)
    if active is None:
        return DEFAULTS[kind]
    return str(active.path) if active.source == "path" else active.name


class _Fetch:
    """One run of `pull`: it asks the hub once whether it is there."""

    def __init__(
        self, weights_dir: Path, hub: Hub, catalogue: Sequence[Model], progress: Progress
    ) -> None:
        self._weights_dir = weights_dir
        self._hub = hub
        self._catalogue = catalogue
        self._progress = progress
        self._wheels = weights_dir / "wheels"
        self._hub_answers = True

    def model(self, name: str) -> Weights:
        entry = entry_for(name, self._catalogue)
        if entry is None:
            return resolve(name, self._weights_dir, catalogue=self._catalogue)
        target = self._weights_dir / entry.filename
        if target.is_file():
            return self._here(entry, target)
        self._check_room(entry)
        try:
            fetched = [self._piece(piece) for piece in entry.pieces]
        finally:
            shutil.rmtree(self._wheels, ignore_errors=True)
        if entry.convert:
            self._convert(entry, entry.convert, target)
        sha256 = ensure(target, self._weights_dir, entry.sha256)
        source, revision = fetched[-1]
        return Weights(entry.name, target, sha256, entry.kind, source, revision)

    def _here(self, entry: Model, target: Path) -> Weights:
        sha256 = ensure(target, self._weights_dir, entry.sha256, self._progress)
        active = active_weights(self._weights_dir, entry.kind)
        if active and active.path == target:
            return replace(active, sha256=sha256)
        return Weights(entry.name, target, sha256, entry.kind)

    def _convert(self, entry: Model, shape: BertShape, target: Path) -> None:
        paths = [self._weights_dir / piece.filename for piece in entry.pieces]
        made = _part(target)
        bert_to_gguf(
            next(path for path in paths if path.suffix == ".safetensors"),
            next(path for path in paths if path.suffix == ".txt"),
            made,
            shape,
        )
        remedy = "It was deleted. The converter's packages are not the locked ones: `make setup`."
        _refuse_other(made, target.name, entry.sha256, hash_file(made), remedy)
        made.replace(target)
        for path in paths:
            path.unlink()

    def _piece(self, piece: Piece) -> tuple[str, str | None]:
        """Bring one file; the source's name and the revision it was taken at."""
        target = self._weights_dir / piece.filename
        part = _part(target)
        if target.is_file() and hash_file(target) == piece.sha256:
            return "already here", None
        offered = self._offered(piece) if self._hub_answers else None
        if piece.hub is not None and offered is not None:
            wanted = piece.sha256 or offered.sha256
            size = piece.bytes or offered.bytes
            self._hub.download(piece.hub, part, wanted, size, self._progress)
            source, revision = "hub", offered.revision or piece.hub.revision
        else:
            found = assemble(piece.parts, part, self._wheels, self._progress)
            remedy = "It was deleted. Try again, or take the model from another source."
            _refuse_other(part, piece.filename, piece.sha256, found, remedy)
            source, revision = "package registry", piece.parts[0].version
        part.replace(target)
        drop(part)
        return source, revision

    def _offered(self, piece: Piece) -> Offered | None:
        """What the hub says of the piece, None where the package registry is the source."""
        if piece.hub is None:
            return None
        timeout = PROBE_SECONDS if piece.parts else _HUB_ONLY_SECONDS
        try:
            offered = self._hub.describe(piece.hub, timeout=timeout)
        except FetchFailed:
            if piece.parts:
                self._hub_answers = False
                return None
            raise
        if piece.sha256 and offered.sha256 and offered.sha256 != piece.sha256:
            if piece.parts:
                return None
            remedy = f"Nothing was downloaded: {self._hub.host} holds another file of this name."
            raise HashMismatch(
                piece.filename, expected=piece.sha256, found=offered.sha256, remedy=remedy
            )
        if piece.bytes is None and offered.bytes:
            self._check_disk(piece.filename, offered.bytes)
            _check_memory(piece.filename, int(offered.bytes * 1.1))
        return offered

    def _check_room(self, entry: Model) -> None:
        wheel = max((part.bytes for piece in entry.pieces for part in piece.parts), default=0)
        targets = [self._weights_dir / piece.filename for piece in entry.pieces]
        present = [path for target in targets for path in (target, _part(target)) if path.is_file()]
        here = sum(path.stat().st_size for path in present)
        files = sum(piece.bytes or 0 for piece in entry.pieces)
        made = (entry.bytes or 0) if entry.convert else 0
        self._check_disk(entry.name, max(files - here, 0) + made + wheel)
        _check_memory(entry.name, entry.memory)

    def _check_disk(self, name: str, needed: int) -> None:
        free = shutil.disk_usage(self._weights_dir).free
        if needed + _DISK_MARGIN > free:
            raise NotEnoughRoom(
                f"{name} needs {megabytes(needed + _DISK_MARGIN)} of disk, and "
                f"{megabytes(free)} are free in {self._weights_dir}. Free some, or set "
                "FRONTDESK_WEIGHTS_DIR to a larger disk."
            )


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _refuse_other(file: Path, name: str, expected: str | None, found: str, remedy: str) -> None:
    if expected is not None and found != expected:
        drop(file)
        raise HashMismatch(name, expected=expected, found=found, remedy=remedy)


def _check_memory(name: str, needed: int) -> None:
    available = available_memory()
    if available is not None and needed > available:
        raise NotEnoughRoom(
            f"{name} needs {megabytes(needed)} of memory to run, and {megabytes(available)} are "
            "available. End other programs, or pull a smaller model: `frontdesk models list`."
        )


def available_memory() -> int | None:
    """Bytes that a new program could have; a container's limit counts. None where unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except FileNotFoundError:
        return None
    free = next((int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line), None)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return free
    return min(free, int(limit)) if free is not None and limit.isdigit() else free


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m agent.weights.fetch NAME`: what the set-up runs before there is a command."""
    parser = argparse.ArgumentParser(prog="python -m agent.weights.fetch")
    parser.add_argument("name")
    parser.add_argument("--record", type=Path, help="write the files in use here, as JSON")
    options = parser.parse_args(arguments)
    try:
        with shown() as progress:
            files = _for_settings(options.name, progress)
    except FrontdeskError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:  # the set-up says what to do
        return 130
    if options.record:
        options.record.write_text(json.dumps([str(weights.path) for weights in files]))
    return 0


def _for_settings(name: str, progress: Progress) -> list[Weights]:
    """Pull `name`; "default" means whatever the settings make `frontdesk run` need."""
    settings = load_settings()
    where = settings.weights_dir
    if name != "default" or (settings.model is None and settings.engine_url is None):
        return pull(name, where, progress=progress)
    pulled = pull(chosen("embedding", where), where, progress=progress)
    if settings.engine_url is None and settings.model is not None:
        pulled += pull(settings.model, where, activate=False, progress=progress)
    return pulled


if __name__ == "__main__":
    sys.exit(main())
