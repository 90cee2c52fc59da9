"""Uploads, publications, rollbacks, retirements, rebuilds and power cuts, in any order.

After each step a search finds what the catalogue says is published; a view at each past moment
finds what was published then; and every revision that could be cited stays readable, unchanged.
"""

import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st

from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings
from tests.knowledge_base.conftest import HashedTrigrams
from tests.knowledge_base.test_generations import CUTS, PowerCut, everything

KEYS = st.sampled_from("ab")
Shown = dict[str, str]  # the published text of each document that has one


class AnyOrder(stateful.RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._where = KnowledgeSettings(data_dir=Path(self._folder.name))
        self.library = Library.open(self._where, HashedTrigrams(), "trigrams")
        self.ids: dict[str, str] = {}
        self.texts: dict[tuple[str, int], str] = {}  # of each revision that ever was
        self.shown: Shown = {}
        self.past: list[tuple[datetime, Shown]] = []

    def teardown(self) -> None:
        self.library.close()
        self._folder.cleanup()

    def _newest(self, key: str) -> int:
        return max(number for one, number in self.texts if one == key)

    def _remember(self) -> None:
        self.past.append((datetime.now(UTC), dict(self.shown)))

    @stateful.rule(key=KEYS, publish=st.booleans())
    def upload(self, key: str, publish: bool) -> None:
        text = f"Refund of {key}, edition {len(self.texts)}."
        added = self.library.add_text(source="s", key=key, text=text, publish=publish)
        assert added.document_id is not None
        assert added.revision is not None
        self.ids[key] = added.document_id
        self.texts[key, added.revision] = text
        if publish:
            self.shown[key] = text
        self._remember()

    @stateful.precondition(lambda self: self.ids)
    @stateful.rule(data=st.data())
    def publish_any(self, data: st.DataObject) -> None:
        key, number = data.draw(st.sampled_from(sorted(self.texts)))
        self.library.publish(self.ids[key], number)
        self.shown[key] = self.texts[key, number]
        self._remember()

    @stateful.precondition(lambda self: self.ids)
    @stateful.rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        key, number = data.draw(st.sampled_from(sorted(self.texts)))
        made = self.library.rollback(self.ids[key], number)
        self.texts[key, made.number] = self.shown[key] = self.texts[key, number]
        self._remember()

    @stateful.precondition(lambda self: self.ids)
    @stateful.rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.ids)))
        self.library.retire(self.ids[key])
        self.shown.pop(key, None)
        self._remember()

    @stateful.rule()
    def rebuild(self) -> None:
        self.library.rebuild()

    @stateful.rule()
    def restart(self) -> None:
        self.library.close()
        self.library = Library.open(self._where, HashedTrigrams(), "trigrams")

    @stateful.precondition(lambda self: self.ids)
    @stateful.rule(data=st.data(), cut=st.sampled_from(CUTS))
    def power_cut(self, data: st.DataObject, cut: tuple[type, str, str]) -> None:
        key = data.draw(st.sampled_from(sorted(self.ids)))
        part, step, when = cut
        real = getattr(part, step)

        def cuts(*args: object) -> None:
            if when == "after":
                real(*args)
            raise PowerCut

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(part, step, cuts)
            with pytest.raises(PowerCut):
                self.library._indexer.publish({self.ids[key]: self._newest(key)})

    @stateful.invariant()
    def a_search_finds_what_is_published(self) -> None:
        assert everything(self.library) == set(self.shown.values())

    @stateful.invariant()
    def the_past_is_as_it_was(self) -> None:
        for moment, shown in self.past[-4:]:
            view = self.library.view(at=moment)
            assert {one.text for one in view.passages} == set(shown.values())

    @stateful.invariant()
    def what_was_cited_stays_readable(self) -> None:
        for (key, number), text in self.texts.items():
            assert self.library.revision(self.ids[key], number).text == text
            assert [one.text for one in self.library.passages(self.ids[key], number)] == [text]


AnyOrder.TestCase.settings = settings(max_examples=12, stateful_step_count=10, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_searches_find_the_right_passages_while_it_is_rebuilt(library: Library) -> None:
    texts = [(str(n), f"The fee of case {n} is {n} euros.", None) for n in range(12)]
    library.add_texts(texts, source="s", publish=True)
    finished = threading.Event()
    wrong: list[str] = []
    searched = [0]

    def search(number: int) -> None:
        while not finished.is_set():
            hits = library.search(f"What is the fee of case {number}?")
            searched[0] += 1
            if not hits or hits[0].passage.text != texts[number][1]:
                wrong.append(f"{number}: {[hit.passage.text for hit in hits]}")

    threads = [threading.Thread(target=search, args=(number,)) for number in (3, 7, 11)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            library.rebuild()
    finally:
        finished.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert searched[0] > len(threads)
