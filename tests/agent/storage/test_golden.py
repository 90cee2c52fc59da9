"""Golden questions and gate runs, on both databases: what stays, and what goes with whom."""

import pytest

from agent.errors import Conflict, NotFound
from agent.storage import golden as module
from agent.storage.asked import Said
from agent.storage.gates import KEPT_RUNS, Change, Question, Run
from agent.storage.golden import Golden
from agent.storage.records import Records


def a_question(number: int, text: str = "What does a boat cost?", **values: str) -> Golden:
    at = f"2026-01-0{number}T00:00:00.000Z"
    return Golden(id=f"gq_{number}", created_at=at, created_by="Ann", question=text, **values)


def a_run(number: int) -> Run:
    changes = (Change(document_id="d", title="Boats", revision=2, before=1),)
    at = f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z"
    return Run(id=f"g_{number}", created_at=at, by="Ann", changes=changes, generation=1)


def test_the_same_words_are_one_question_behind_what_they_lean_on(records: Records) -> None:
    assert records.golden.add([a_question(1), a_question(2, "what does a  boat cost?")]) == 1
    leaning = a_question(3).model_copy(
        update={"before": (Said(role="customer", content="I am a member."),)}
    )
    assert records.golden.add([leaning]) == 1
    assert [one.id for one in records.golden.everything()] == ["gq_3", "gq_1"]


def test_a_customers_words_go_with_the_conversation_and_new_words_stay(records: Records) -> None:
    theirs = a_question(1, conversation_id="c_1", message_id="m_1")
    reworded = a_question(2, "And a canoe?", conversation_id="c_1", message_id="m_2")
    records.golden.add([theirs, reworded])
    changed = records.golden.change("gq_2", question="What does a canoe cost?")
    assert changed.message_id is None
    records.erase("c_1")
    assert [one.id for one in records.golden.everything()] == ["gq_2"]
    assert records.golden.add([theirs]) == 0, "nothing is kept of what was erased"


def test_there_are_only_so_many(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GOLDEN", 1)
    records.golden.add([a_question(1)])
    with pytest.raises(Conflict):
        records.golden.add([a_question(2, "And a canoe?")])
    with pytest.raises(NotFound):
        records.golden.change("gq_9", expected="5 euros")


def test_old_runs_go_and_pages_are_whole(records: Records) -> None:
    for number in range(KEPT_RUNS + 2):
        records.gates.add(a_run(number))
    assert records.gates.find("g_1") is None
    first = records.gates.of("d", 60)
    rest = records.gates.of("d", 60, after=first[-1].id)
    assert len({one.id for one in (*first, *rest)}) == KEPT_RUNS
    assert records.gates.of("another", 5) == []


def test_only_a_run_that_is_open_is_cancelled(records: Records) -> None:
    records.gates.add(a_run(1))
    assert records.gates.change("g_1", only=("waiting",), state="done") is not None
    assert records.gates.change("g_1", only=("waiting", "running"), state="cancelled") is None


def test_a_question_of_whom_was_erased_is_not_asked(records: Records) -> None:
    records.gates.add(a_run(1))
    records.erase("c_1")
    asked = [
        Question(n=n, kind="asked", question="Q", at="2026", conversation_id=f"c_{n}")
        for n in (1, 2)
    ]
    records.gates.choose("g_1", asked)
    assert [one.question.n for one in records.gates.items("g_1")] == [2]
    records.erase("c_2")
    assert records.gates.next_question("g_1") is None
