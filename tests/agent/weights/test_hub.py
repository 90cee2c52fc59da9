"""Weights from a hub: pinned, resumed, checked."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from agent.weights.errors import FetchFailed, HashMismatch, NotEnoughRoom
from agent.weights.fetch import pull
from agent.weights.store import resolve
from tests.agent.weights.conftest import CONTENT, REPO, REVISION, HubServer, model, sha256


def test_a_model_comes_from_the_hub_and_is_recorded(hub_server: HubServer, home: Path) -> None:
    entry = model(hub=hub_server.offer(CONTENT))

    [weights] = pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert weights.path.read_bytes() == CONTENT
    assert (weights.source, weights.revision) == ("hub", REVISION)
    assert resolve(None, home, catalogue=[entry]) == weights


def test_what_is_there_is_not_fetched_again_and_nothing_is_asked(
    hub_server: HubServer, home: Path
) -> None:
    entry = model(hub=hub_server.offer(CONTENT))
    [first] = pull("small", home, catalogue=[entry], hub=hub_server.hub)
    hub_server.requests.clear()

    assert pull("small", home, catalogue=[entry], hub=hub_server.hub) == [first]
    assert resolve("small", home, catalogue=[entry]).sha256 == first.sha256
    assert hub_server.requests == []


def test_a_file_put_into_the_directory_by_hand_is_taken_without_a_request(
    hub_server: HubServer, home: Path
) -> None:
    entry = model(hub=hub_server.offer(CONTENT))
    home.mkdir()
    (home / "small.gguf").write_bytes(CONTENT)

    [weights] = pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert weights.source == "already here"
    assert hub_server.requests == []


def test_a_cut_connection_is_resumed_where_it_broke(hub_server: HubServer, home: Path) -> None:
    entry = model(hub=hub_server.offer(CONTENT))
    hub_server.cut_after = [300_000, 200_000]

    [weights] = pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert weights.path.read_bytes() == CONTENT
    starts = [headers.get("Range") for headers in hub_server.downloads()]
    assert starts == [None, "bytes=300000-", "bytes=500000-"]


def test_a_second_run_goes_on_behind_what_the_first_one_left(
    hub_server: HubServer, home: Path
) -> None:
    entry = model(hub=hub_server.offer(CONTENT))
    home.mkdir()
    (home / "small.gguf.part").write_bytes(CONTENT[:400_000])

    [weights] = pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert weights.path.read_bytes() == CONTENT
    assert [headers["Range"] for headers in hub_server.downloads()] == ["bytes=400000-"]
    assert sorted(path.name for path in home.glob("small.gguf*")) == ["small.gguf"]


def test_a_corrupted_body_is_refused_and_deleted(hub_server: HubServer, home: Path) -> None:
    file = hub_server.offer(CONTENT)
    wrong = CONTENT[:-1] + b"!"
    hub_server.served[f"/{REPO}/resolve/{REVISION}/small.gguf"] = wrong

    with pytest.raises(HashMismatch) as refused:
        pull("small", home, catalogue=[model(hub=file)], hub=hub_server.hub)

    for word in ("small.gguf", sha256(CONTENT), sha256(wrong)):
        assert word in str(refused.value)
    assert list(home.glob("small*")) == []


def test_another_file_under_the_name_is_refused_before_it_is_downloaded(
    hub_server: HubServer, home: Path
) -> None:
    entry = model(hub=hub_server.offer(b"GGUF something else"))

    with pytest.raises(HashMismatch, match="Nothing was downloaded"):
        pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert hub_server.downloads() == []


def test_a_wrong_revision_is_said_clearly(hub_server: HubServer, home: Path) -> None:
    file = replace(hub_server.offer(CONTENT), revision="no-such-revision")

    with pytest.raises(
        FetchFailed, match=r"no file small\.gguf in acme/small-GGUF at revision no-"
    ):
        pull("small", home, catalogue=[model(hub=file)], hub=hub_server.hub)


def test_a_file_named_by_hf_url_is_checked_against_what_the_hub_says(
    hub_server: HubServer, home: Path
) -> None:
    hub_server.offer(CONTENT)
    name = f"hf://{REPO}@{REVISION}/small.gguf"

    [weights] = pull(name, home, hub=hub_server.hub)
    hub_server.requests.clear()

    assert weights.sha256 == sha256(CONTENT)
    assert resolve(name, home).path == weights.path
    assert resolve(None, home) == weights
    assert hub_server.requests == []


def test_a_file_that_changed_at_the_hub_is_not_glued_to_its_older_half(
    hub_server: HubServer, home: Path
) -> None:
    newer = b"GGUF" + bytes(600_000)
    hub_server.offer(newer)
    filename = f"acme--small-GGUF--{REVISION}--small.gguf"
    home.mkdir()
    (home / f"{filename}.part").write_bytes(CONTENT[:400_000])
    (home / f"{filename}.part.etag").write_text('"of-the-older-one"')

    [weights] = pull(f"hf://{REPO}@{REVISION}/small.gguf", home, hub=hub_server.hub)

    assert weights.path.read_bytes() == newer


def test_the_token_goes_to_the_hub_and_nowhere_else(hub_server: HubServer, home: Path) -> None:
    entry = model(hub=hub_server.offer(CONTENT))

    pull("small", home, catalogue=[entry], hub=hub_server.hub)

    asked = [headers for _, path, headers in hub_server.requests if not path.startswith("/cdn")]
    assert {headers["Authorization"] for headers in asked} == {"Bearer hf_secret_token"}
    assert all("Authorization" not in headers for headers in hub_server.downloads())
    assert "hf_secret_token" not in repr(hub_server.hub)


@pytest.mark.parametrize("what", ["disk", "memory"])
def test_too_little_room_is_said_before_any_request(
    hub_server: HubServer, home: Path, what: str
) -> None:
    entry = model(hub=hub_server.offer(CONTENT))
    if what == "disk":
        huge = replace(entry.pieces[0], bytes=10**18)
        entry = replace(entry, pieces=(huge,))
    else:
        entry = replace(entry, kv_bytes_per_token=10**12)

    with pytest.raises(NotEnoughRoom, match=f"of {what}"):
        pull("small", home, catalogue=[entry], hub=hub_server.hub)

    assert hub_server.requests == []


def test_two_that_fetch_the_same_model_fetch_it_once(hub_server: HubServer, home: Path) -> None:
    entry = model(hub=hub_server.offer(CONTENT))
    found: list[str] = []

    def fetch() -> None:
        [weights] = pull("small", home, catalogue=[entry], hub=hub_server.hub)
        found.append(weights.sha256)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [sha256(CONTENT)] * 2
    assert len(hub_server.downloads()) == 1
