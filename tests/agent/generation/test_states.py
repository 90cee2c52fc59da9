"""What the store of computed states promises: bounded, checked, and never in anybody's way."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.generation.states import StateStore

KB = 1000


def state(letter: str, size: int = KB) -> bytes:
    return letter.encode() * size


Open = Callable[..., StateStore]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    stores: list[StateStore] = []

    def open_store(fingerprint: str = "build 1", **options: object) -> StateStore:
        usual = {
            "memory_bytes": 3 * KB,
            "private_bytes": 2 * KB,
            "disk_bytes": 100 * KB,
            "folder": tmp_path / "states",
        }
        store = StateStore(fingerprint, **{**usual, **options})  # type: ignore[arg-type]
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.close()


def files(folder: Path) -> list[Path]:
    return sorted((folder / "states").glob("*.kv"))


def test_a_state_outlives_its_process(opened: Open) -> None:
    first = opened()
    first.put(b"a", state("a"), private=False)
    first.close()
    second = opened()
    assert second.has(b"a")
    assert bytes(second.get(b"a") or b"") == state("a")


def test_another_build_model_or_prompt_finds_nothing(opened: Open) -> None:
    first = opened("build 1")
    first.put(b"a", state("a"), private=False)
    first.close()
    assert not opened("build 2").has(b"a")
    assert opened("build 2").get(b"a") is None


@pytest.mark.parametrize("damage", ["a bit", "cut", "emptied", "gone", "another's"])
def test_a_damaged_file_is_never_trusted(opened: Open, tmp_path: Path, damage: str) -> None:
    first = opened()
    first.put(b"a", state("a"), private=False)
    first.close()
    file = files(tmp_path)[0]
    raw = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        raw[-5] ^= damage == "a bit"
        spoilt = {"cut": raw[:-1], "emptied": b"", "another's": raw[:-1] + b"b"}
        file.write_bytes(bytes(spoilt.get(damage, raw)))
    second = opened()
    assert second.get(b"a") is None
    assert not second.has(b"a")
    assert not files(tmp_path)


def test_what_a_customer_said_never_reaches_the_disk(opened: Open, tmp_path: Path) -> None:
    store = opened()
    store.put(b"a", state("a"), private=True)
    assert store.get(b"a") == state("a")
    store.close()
    assert not files(tmp_path)
    assert not opened().has(b"a")


def test_memory_holds_what_was_used_last(opened: Open) -> None:
    store = opened(folder=None)
    for letter in "abc":
        store.put(letter.encode(), state(letter), private=False)
    store.get(b"a")
    store.put(b"d", state("d"), private=False)
    assert [store.has(letter.encode()) for letter in "abcd"] == [True, False, True, True]
    assert store.sizes.memory_bytes == 3 * KB


def test_parked_sessions_do_not_push_policies_out(opened: Open) -> None:
    store = opened(folder=None)
    store.put(b"policy", state("p", 3 * KB), private=False)
    for number in range(9):
        store.put(bytes([number]), state("s"), private=True)
    assert store.has(b"policy")
    assert store.sizes.private_bytes == 2 * KB


def test_what_is_larger_than_the_budget_is_not_kept(opened: Open) -> None:
    store = opened(folder=None)
    store.put(b"a", state("a", 4 * KB), private=False)
    assert not store.has(b"a")
    assert store.sizes.memory_bytes == 0


def test_on_a_full_disk_budget_the_most_asked_stay(opened: Open, tmp_path: Path) -> None:
    budget = {"disk_bytes": 3 * (KB + 60), "memory_bytes": 0}
    first = opened(**budget)
    for letter in "abc":
        first.put(letter.encode(), state(letter), private=False)
    first.asked(b"a")
    first.asked(b"c")
    first.asked(b"d")
    first.asked(b"d")
    first.put(b"d", state("d"), private=False)
    first.put(b"never asked", state("n"), private=False)
    first.close()
    again = opened(**budget)
    kept = [key for key in (b"a", b"b", b"c", b"d", b"never asked") if again.has(key)]
    assert kept == [b"a", b"c", b"d"]
    assert len(files(tmp_path)) == 3
    assert again.popularity(b"d") > again.popularity(b"a") > 0


def test_what_was_asked_long_ago_counts_less(opened: Open) -> None:
    now = [0.0]
    store = opened(clock=lambda: now[0])
    for _ in range(4):
        store.asked(b"old")
    now[0] = 21 * 24 * 3600.0
    store.asked(b"new")
    assert store.popularity(b"new") > store.popularity(b"old") == pytest.approx(0.5)


def test_a_smaller_budget_takes_effect_at_the_next_start(opened: Open, tmp_path: Path) -> None:
    first = opened()
    for letter in "abcdef":
        first.put(letter.encode(), state(letter), private=False)
    first.close()
    opened(disk_bytes=2 * (KB + 60))
    assert len(files(tmp_path)) == 2


def test_a_half_written_file_is_cleared_away(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "states"
    folder.mkdir()
    (folder / "abc.part").write_bytes(b"half")
    (folder / "asked.json").write_text("not json")
    assert opened().sizes.files == 0
    assert not (folder / "abc.part").exists()


def test_without_a_folder_that_can_be_written_memory_is_used(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    store = opened(folder=blocked)
    store.put(b"a", state("a"), private=False)
    assert store.get(b"a") == state("a")
    assert "stays in memory" in caplog.text


def test_warming_wants_what_is_missing_while_there_is_room(opened: Open) -> None:
    store = opened(disk_bytes=2 * (KB + 60))
    assert store.wants([b"system", b"a"])
    for key in (b"system", b"a"):
        store.put(key, state("x"), private=False)
    until(lambda: store.sizes.files == 2)
    assert not store.wants([b"system", b"a"])
    assert store.wants([b"system", b"b"])
    store.put(b"b", state("b"), private=False)
    until(lambda: not store.wants([b"system", b"c"]))
    store.asked(b"c")
    assert store.wants([b"system", b"c"])


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_counts_survive_as_plain_numbers_without_words(opened: Open, tmp_path: Path) -> None:
    store = opened()
    store.asked(b"a")
    store.close()
    counts = json.loads((tmp_path / "states" / "asked.json").read_text())
    assert all(len(name) == 40 for name in counts)
