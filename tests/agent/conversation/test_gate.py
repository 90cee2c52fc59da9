"""The publish gate's runs, with a model that reads its policy aloud and a real library."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.conversation.gate import WAITING, Gate, Seen
from agent.conversation.turn import Answerer
from agent.domain import Outcome, now
from agent.errors import Conflict, TooManyRuns
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.scripted import ScriptedBackend
from agent.prompting import Prompts
from agent.storage.asked import Asked, Touched
from agent.storage.gates import Item, Run
from agent.storage.golden import Golden
from agent.storage.records import Records
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings
from tests.knowledge_base.conftest import HashedTrigrams
from tests.product.scripted_engine import amount_of

PETS = "# Dogs\n\nThe fee for a dog is 17 euros a night and is paid on arrival."
KEYS = "# Lost keys\n\nA lost key costs 45 euros and the host brings a new one."
FEE, KEY = "How much is the fee for a dog?", "What does a lost key cost?"


@dataclass
class House:
    """`held` stops the model before its next step until it is set."""

    library: Library
    records: Records
    answerer: Answerer
    gate: Gate
    held: threading.Event
    reached: threading.Event = field(default_factory=threading.Event)

    def id_of(self, key: str) -> str:
        return next(one.id for one in self.library.documents() if one.key == key)

    def written(self, key: str, text: str) -> dict[str, int | None]:
        """A draft of the document: the change to try."""
        added = self.library.add_text(source="test", key=key, text=text)
        assert added.document_id is not None
        return {added.document_id: added.revision}

    def was_asked(
        self, question: str, key: str, n: int = 1, outcome: Outcome = "answered"
    ) -> Asked:
        one = Asked(
            message_id=f"m{n}",
            conversation_id=f"c{n}",
            customer=f"c{n}",
            at=f"2026-01-{n:02}T00:00:00.000Z",
            question=question,
            answer="…",
            outcome=outcome,
            looked_up=True,
            documents=(Touched(document_id=self.id_of(key), revision=1, cited=True),),
        )
        self.records.asked.keep(one)
        return one

    def again(self) -> Gate:
        """As another start of the server has it."""
        return a_gate(self.library, self.records, self.answerer)

    def hold(self) -> None:
        self.held.clear()
        self.reached.clear()

    async def stands_still(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 30), "the model was never asked"


def a_gate(library: Library, records: Records, answerer: Answerer) -> Gate:
    return Gate(records=records, library=library, answerer=answerer, time_zone="UTC")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    settings = KnowledgeSettings(data_dir=tmp_path)
    with Library.open(settings, HashedTrigrams(), "trigrams") as library:
        texts = [("dogs.md", PETS, None), ("keys.md", KEYS, None)]
        library.add_texts(texts, source="test", publish=True)
        yield library


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.open(f"sqlite:///{tmp_path / 'records.sqlite3'}")
    yield records
    records.close()


@pytest.fixture
async def house(library: Library, records: Records) -> AsyncIterator[House]:
    held, reached = threading.Event(), threading.Event()
    held.set()

    def before(_chunks: object) -> bool:
        reached.set()
        return held.wait(60)

    backend = ScriptedBackend(amount_of, before_decode=before)
    engine = LlamaEngine(
        backend, name="scripted", sha256="1", settings=EngineSettings(shutdown_grace_s=0.0)
    )
    answerer = Answerer(
        engine=engine, library=library, prompts=Prompts(company="T"), time_zone="UTC"
    )
    gate = a_gate(library, records, answerer)
    yield House(library, records, answerer, gate, held, reached)
    held.set()
    await engine.close()


async def over(gate: Gate, run: Run) -> tuple[Seen, dict[str, Item]]:
    """The run at its end, its items by question."""
    async with asyncio.timeout(60), aclosing(gate.follow(run.id)) as following:
        async for seen, items in following:
            last = seen, {one.question.question: one for one in items}
    return last


@asynccontextmanager
async def begun(house: House, changes: dict[str, int | None]) -> AsyncIterator[Run]:
    """A run that stands at its first answer."""
    house.hold()
    async with house.gate.working():
        run = await house.gate.start(changes, "Ann")
        await house.stands_still()
        yield run


def verdicts(items: dict[str, Item]) -> dict[str, str]:
    return {name: one.result.verdict for name, one in items.items() if one.result}


async def test_each_question_is_answered_from_old_and_new(house: House) -> None:
    house.was_asked(FEE, "dogs.md", 1)
    house.was_asked("how much is the fee for  a dog?", "dogs.md", 2)
    house.was_asked(KEY, "dogs.md", 3)
    changes = house.written("dogs.md", PETS.replace("17", "20"))
    async with house.gate.working():
        run = await house.gate.start(changes, "Ann")
        seen, items = await over(house.gate, run)
    assert (seen.run.state, seen.done, seen.total) == ("done", 2, 2)
    assert list(items) == [KEY, "how much is the fee for  a dog?"], "newest first, once each"
    fee = items["how much is the fee for  a dog?"]
    assert (fee.question.times, verdicts(items)[KEY]) == (2, "same")
    assert fee.result is not None
    assert (fee.result.verdict, fee.result.lost, fee.result.gained) == ("changed", ("17",), ("20",))
    assert "17 euros" in fee.result.old.text
    assert [one.revision for one in fee.result.new.citations] == [2]
    assert seen.counts == {"same": 1, "changed": 1}


async def test_what_is_tried_is_published_at_once_and_nothing_else(house: House) -> None:
    house.was_asked(FEE, "dogs.md")
    changes = house.written("dogs.md", PETS.replace("17", "20")) | {house.id_of("keys.md"): None}
    house.written("dogs.md", PETS.replace("17", "99"))
    generation = house.library.generation
    async with house.gate.working():
        run = await house.gate.start(changes, "Ann")
        with pytest.raises(Conflict):
            await house.gate.publish(run.id)
        await over(house.gate, run)
        assert (await house.gate.publish(run.id)).published_at
        with pytest.raises(Conflict, match="already"):
            await house.gate.publish(run.id)
    shown = {one.key: (one.status, one.revision) for one in house.library.documents()}
    assert shown["dogs.md"] == ("published", 2)
    assert shown["keys.md"][0] == "retired"
    assert house.library.generation == generation + 1


async def test_a_deleted_rule_is_worse_and_a_missing_one_that_comes_is_better(house: House) -> None:
    house.was_asked(FEE, "dogs.md", 1)
    unknown = house.was_asked("How much is the sauna?", "keys.md", 2, outcome="refused")
    house.records.asked.keep(unknown.model_copy(update={"at": now(), "documents": ()}))
    changes = {
        **house.written("dogs.md", "# Dogs\n\nDogs are welcome and sleep in the hall."),
        **house.written("sauna.md", "# Sauna\n\nThe sauna is 9 euros for an evening."),
    }
    async with house.gate.working():
        seen, items = await over(house.gate, await house.gate.start(changes, "Ann"))
    assert seen.run.state == "done"
    assert items[unknown.question].question.kind == "unanswered"
    assert verdicts(items) == {FEE: "worse", unknown.question: "better"}


async def test_a_cancelled_run_keeps_what_it_has_and_stops_the_model(house: House) -> None:
    house.was_asked(FEE, "dogs.md")
    async with begun(house, house.written("dogs.md", PETS.replace("17", "20"))) as run:
        assert (await house.gate.cancel(run.id)).state == "cancelled"
        house.held.set()
        seen, _ = await over(house.gate, run)
        assert (seen.run.state, seen.done, seen.total) == ("cancelled", 0, 1)
        second = await house.gate.start(seen.run.wanted, "Ann")
        assert (await over(house.gate, second))[0].run.state == "done"


async def test_a_run_that_a_restart_cut_off_goes_on_where_it_was(house: House) -> None:
    house.was_asked(FEE, "dogs.md", 1)
    house.was_asked(KEY, "dogs.md", 2)
    changes = house.written("dogs.md", PETS.replace("17", "20"))
    async with house.gate.working():
        run = await house.gate.start(changes, "Ann")
        async with aclosing(house.gate.follow(run.id)) as following:
            async for seen, _ in following:
                if seen.done == 1:
                    house.hold()
                    break
        await house.stands_still()
    kept = house.records.gates.items(run.id)
    house.held.set()
    assert [one.result is not None for one in kept] == [True, False]
    gate = house.again()
    async with gate.working():
        seen, items = await over(gate, run)
    assert (seen.run.state, seen.done) == ("done", 2)
    assert items[kept[0].question.question] == kept[0], "it was not asked again"


async def test_a_run_does_not_count_once_something_else_is_published(house: House) -> None:
    house.was_asked(FEE, "dogs.md")
    changes = house.written("dogs.md", PETS.replace("17", "20"))
    async with house.gate.working():
        run = await house.gate.start(changes, "Ann")
        await over(house.gate, run)
        house.library.add_text(source="test", key="new.md", text="# New\n\nNew.", publish=True)
        seen, _ = await house.gate.run_of(run.id)
        assert (seen.run.state, seen.stale) == ("done", True)
        with pytest.raises(Conflict, match="run it again"):
            await house.gate.publish(run.id)
        assert (await house.gate.publish(run.id, anyway=True)).published_at
    assert house.library.document(house.id_of("dogs.md")).revision == 2


async def test_a_run_ends_when_something_else_is_published_meanwhile(house: House) -> None:
    house.was_asked(FEE, "dogs.md")
    async with begun(house, house.written("dogs.md", PETS.replace("17", "20"))) as run:
        house.library.add_text(source="test", key="new.md", text="# New\n\nNew.", publish=True)
        house.held.set()
        seen, _ = await over(house.gate, run)
    assert (seen.run.state, seen.stale) == ("failed", True)
    assert "run it again" in (seen.run.error or "")


async def test_an_erased_conversation_takes_its_question_out_of_a_run_under_way(
    house: House,
) -> None:
    house.was_asked(FEE, "dogs.md", 2)
    house.was_asked(KEY, "dogs.md", 1)
    async with begun(house, house.written("dogs.md", PETS.replace("17", "20"))) as run:
        house.records.erase("c2")
        house.held.set()
        seen, items = await over(house.gate, run)
    assert (seen.run.state, list(items)) == ("done", [KEY])
    assert house.records.asked.find("m2") is None


async def test_no_more_runs_than_a_few_wait(house: House) -> None:
    changes = house.written("dogs.md", PETS.replace("17", "20"))
    for _ in range(WAITING):
        run = await house.gate.start(changes, "Ann")
    with pytest.raises(TooManyRuns):
        await house.gate.start(changes, "Ann")
    await house.gate.cancel(run.id)
    await house.gate.start(changes, "Ann")


async def test_golden_questions_are_always_asked_and_judged_by_what_is_expected(
    house: House,
) -> None:
    house.records.golden.add([
        Golden(id="g1", created_at=now(), created_by="Ann", question=FEE, expected="17 euros"),
        Golden(id="g2", created_at=now(), created_by="Ann", question=KEY, expected="45 euros"),
    ])  # fmt: skip
    house.was_asked(FEE, "dogs.md")
    changes = house.written("dogs.md", PETS.replace("17", "20"))
    async with house.gate.working():
        seen, items = await over(house.gate, await house.gate.start(changes, "Ann"))
    assert verdicts(items) == {FEE: "worse", KEY: "same"}
    assert seen.total == 2, "what is golden is not asked once more"
    assert items[FEE].question.kind == "golden"


async def test_a_change_for_later_is_tried_on_the_day_it_is_for(house: House) -> None:
    house.was_asked(FEE, "dogs.md")
    later = "---\neffective_from: 2090-01-01\n---\n" + PETS.replace("17", "20")
    async with house.gate.working():
        run = await house.gate.start(house.written("dogs.md", later), "Ann")
        _, items = await over(house.gate, run)
    assert run.day == "2090-01-01"
    assert verdicts(items) == {FEE: "changed"}


async def test_where_it_is_required_nothing_is_published_untried(house: House) -> None:
    gate = Gate(
        records=house.records, library=house.library, answerer=house.answerer, time_zone="UTC",
        mode="require",
    )  # fmt: skip
    changes = house.written("dogs.md", PETS.replace("17", "20"))
    with pytest.raises(Conflict, match="gate first"):
        await gate.allow(changes)
    await house.gate.allow(changes)
    async with gate.working():
        await over(gate, await gate.start(changes, "Ann"))
    await gate.allow(changes)
    with pytest.raises(Conflict):
        await gate.allow(house.written("dogs.md", PETS.replace("17", "21")))
