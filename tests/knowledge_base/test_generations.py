"""Readers see the old state or the new one, whatever happens in between."""

import signal
import subprocess
import sys
import textwrap
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from knowledge_base.catalog import Catalog
from knowledge_base.chroma import VectorStore
from knowledge_base.library import Library
from knowledge_base.model import Hit
from knowledge_base.settings import KnowledgeSettings
from tests.knowledge_base.conftest import HashedTrigrams, OpenLibrary

ROOT = Path(__file__).parents[2]


class PowerCut(BaseException):
    """What no `except Exception` can hold up."""


def cut_off(*_: object) -> None:
    raise PowerCut


def everything(library: Library, **rest: object) -> set[str]:
    """The texts that a search can find; dense and lexical search must agree on them."""
    hits: list[Hit] = library.search("refund", k=1000, audience="staff", **rest)  # type: ignore[arg-type]
    assert all(hit.dense_rank and hit.lexical_rank for hit in hits)
    return {hit.passage.text for hit in hits}


def pair(version: int) -> list[tuple[str, str, str | None]]:
    return [("a", f"First refund {version}.", None), ("b", f"Second refund {version}.", None)]


CUTS = [
    (VectorStore, "write", "before"),
    (VectorStore, "write", "after"),
    (VectorStore, "end", "after"),
    (Catalog, "show", "before"),
    (Catalog, "begin", "after"),
]


@pytest.mark.parametrize(("part", "step", "when"), CUTS)
def test_a_publication_that_is_cut_off_leaves_the_old_state(
    library: Library,
    open_library: OpenLibrary,
    monkeypatch: pytest.MonkeyPatch,
    part: type,
    step: str,
    when: str,
) -> None:
    library.add_texts(pair(1), source="s", publish=True)
    old, new = {t for _, t, _ in pair(1)}, {t for _, t, _ in pair(2)}
    real = getattr(part, step)

    def cut(*args: object) -> None:
        if when == "after":
            real(*args)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(part, step, cut)
        with pytest.raises(PowerCut):
            library.add_texts(pair(2), source="s", publish=True)
    assert everything(library) == old
    reopened = open_library()
    assert everything(reopened) == old
    reopened.add_texts(pair(2), source="s", publish=True)
    assert everything(reopened) == new
    assert everything(reopened, generation=1) == old


def test_the_next_publication_repairs_without_a_restart(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add_texts(pair(1), source="s", publish=True)
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "show", cut_off)
        with pytest.raises(PowerCut):
            library.add_texts(pair(2), source="s", publish=True)
    library.add_text(source="s", key="c", text="Third refund.", publish=True)
    assert everything(library) == {"First refund 1.", "Second refund 1.", "Third refund."}


def test_a_rebuild_that_is_cut_off_leaves_the_old_collection(
    library: Library, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add_texts(pair(1), source="s", publish=True)
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "point_at_collection", cut_off)
        with pytest.raises(PowerCut):
            library.rebuild()
    assert everything(library) == {t for _, t, _ in pair(1)}
    reopened = open_library()
    assert everything(reopened) == {t for _, t, _ in pair(1)}
    prefix = f"kb-{reopened._catalog.pointer().catalogue_id}-"
    assert len(reopened._store.names(prefix)) == 1


def test_a_process_killed_while_publishing_leaves_the_old_state(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from knowledge_base.catalog import Catalog
        from knowledge_base.library import Library
        from knowledge_base.settings import KnowledgeSettings
        from tests.knowledge_base.conftest import HashedTrigrams

        settings = KnowledgeSettings(data_dir=Path(sys.argv[1]))
        library = Library.open(settings, HashedTrigrams(), "trigrams")
        library.add_text(source="s", key="a", text="The old refund.", publish=True)
        Catalog.show = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        library.add_text(source="s", key="a", text="The new refund.", publish=True)
    """)
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    with Library.open(
        KnowledgeSettings(data_dir=tmp_path), HashedTrigrams(), "trigrams"
    ) as library:
        assert everything(library) == {"The old refund."}
        library.publish(library.documents()[0].id)
        assert everything(library) == {"The new refund."}


def test_readers_in_other_threads_never_see_half_a_publication(library: Library) -> None:
    versions = range(1, 9)
    whole = [{text for _, text, _ in pair(version)} for version in versions]
    library.add_texts(pair(1), source="s", publish=True)
    finished = threading.Event()
    seen: list[set[str]] = []

    def read() -> None:
        while not finished.is_set():
            seen.append(everything(library))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for version in versions[1:]:
            library.add_texts(pair(version), source="s", publish=True)
        library.rebuild()
    finally:
        finished.set()
        for reader in readers:
            reader.join()
    assert seen
    assert [state for state in seen if state not in whole] == []
    assert everything(library) == whole[-1]


def test_writers_in_many_threads_lose_nothing(library: Library) -> None:
    def write(number: int) -> None:
        library.add_text(source="s", key=str(number), text=f"Refund {number}.", publish=True)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert everything(library) == {f"Refund {number}." for number in range(8)}


KEYS = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("add"), KEYS),
    st.tuples(st.just("add and publish"), KEYS),
    st.tuples(st.just("publish"), KEYS),
    st.tuples(st.just("rollback"), KEYS, st.integers(0, 5)),
    st.tuples(st.just("retire"), KEYS),
    st.tuples(st.just("rebuild")),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("cut off"), KEYS, st.sampled_from(CUTS)),
)


class Model:
    """What the knowledge base should show: the texts of each document, and the shown one."""

    def __init__(self) -> None:
        self.written: dict[str, list[str]] = {}
        self.shown: dict[str, str] = {}


def take(library: Library, model: Model, step: tuple[object, ...], number: int) -> None:
    kind, key = step[0], str(step[1]) if len(step) > 1 else ""
    texts = model.written.setdefault(key, [])
    ids = {one.key: one.id for one in library.documents()}
    if kind in {"add", "add and publish"}:
        texts.append(f"Refund of {key}, edition {number}.")
        publish = kind == "add and publish"
        library.add_text(source="s", key=key, text=texts[-1], publish=publish)
        if publish:
            model.shown[key] = texts[-1]
    elif kind == "rebuild":
        library.rebuild()
    elif kind == "publish" and texts:
        library.publish(ids[key])
        model.shown[key] = texts[-1]
    elif kind == "rollback" and texts:
        chosen = int(str(step[2])) % len(texts)
        library.rollback(ids[key], chosen + 1)
        texts.append(texts[chosen])
        model.shown[key] = texts[-1]
    elif kind == "retire" and texts:
        library.retire(ids[key])
        model.shown.pop(key, None)
    elif kind == "cut off" and texts:
        part, method, when = step[2]  # type: ignore[misc]
        real = getattr(part, method)

        def cut(*args: object) -> None:
            if when == "after":
                real(*args)
            raise PowerCut

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(part, method, cut)
            with pytest.raises(PowerCut):
                library._indexer.publish({ids[key]: len(texts)})


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=12))
def test_after_any_steps_a_search_finds_what_the_catalogue_shows(
    steps: list[tuple[object, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    where = KnowledgeSettings(data_dir=tmp_path_factory.mktemp("data"))
    model = Model()
    library = Library.open(where, HashedTrigrams(), "trigrams")
    try:
        for number, step in enumerate(steps):
            if step[0] == "reopen":
                library.close()
                library = Library.open(where, HashedTrigrams(), "trigrams")
            take(library, model, step, number)
            assert everything(library) == set(model.shown.values())
            shown = {d.key for d in library.documents() if d.status == "published"}
            assert shown == set(model.shown)
    finally:
        library.close()


DAYS = st.dates(date(2030, 1, 1), date(2030, 1, 10))
DOCUMENTS = st.lists(
    st.tuples(st.sampled_from(["public", "staff"]), st.none() | DAYS, st.none() | DAYS), max_size=8
)


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(documents=DOCUMENTS, day=DAYS, audience=st.sampled_from(["public", "staff"]))
def test_nothing_is_found_by_the_wrong_audience_or_on_the_wrong_day(
    documents: list[tuple[str, date | None, date | None]],
    day: date,
    audience: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    where = KnowledgeSettings(data_dir=tmp_path_factory.mktemp("data"))
    expected = set()
    with Library.open(where, HashedTrigrams(), "trigrams") as library:
        for number, (reader, start, end) in enumerate(documents):
            if start and end and end <= start:
                end = start + timedelta(days=1)
            text = f"Refund rule {number}."
            library.add_text(
                source="s", key=str(number), text=text, audience=reader,  # type: ignore[arg-type]
                effective_from=start, effective_to=end, publish=True,
            )  # fmt: skip
            begun = start is None or start <= day
            if begun and (end is None or day < end) and reader in {"public", audience}:
                expected.add(text)
        hits = library.search("refund", k=100, audience=audience, on=day)  # type: ignore[arg-type]
        assert {hit.passage.text for hit in hits if hit.dense_rank} == expected
        assert {hit.passage.text for hit in hits if hit.lexical_rank} == expected


def test_what_is_shown_is_found_behind_any_number_of_nearer_passages_that_are_not(
    library: Library,
) -> None:
    old = [(str(n), f"A refund of the refund number {n}.", None) for n in range(150)]
    library.add_texts(old, source="old", publish=True)
    library.add_texts([("new", "Money comes back.", None)], source="new", publish=True)
    for document in library.documents():
        if document.source == "old":
            library.retire(document.id)
    assert {hit.passage.text for hit in library.search("refund of the refund")} == {
        "Money comes back."
    }
