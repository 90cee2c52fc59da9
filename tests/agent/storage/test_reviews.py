"""What staff say of answers, and their canned replies, on both databases."""

import pytest

from agent.errors import Conflict, NotFound
from agent.storage.answers import RememberedAnswer
from agent.storage.records import Records
from agent.storage.reports import Report

ANSWER = RememberedAnswer(
    question="What does a boat cost?", content="23 euros. [1]", citations=(), vector=b"\0\0\0\0"
)


def a_report(number: int) -> Report:
    return Report(
        message_id=f"m_{number}",
        conversation_id=f"c_{number}",
        created_at=f"2026-01-0{number}T00:00:00.000Z",
        reason="other",
        comment="",
        right_answer="",
        question="What?",
        answer="That.",
        citations=(),
        by="u_ann",
        author="Ann",
    )


def test_an_approval_is_enough_and_a_report_outweighs_it(records: Records) -> None:
    records.answers.approve("c_1", "m_1", ANSWER)
    assert records.answers.remembered(3) == [ANSWER]
    records.answers.block(ANSWER.content)
    assert records.answers.remembered(3) == []
    for number in range(2, 6):
        records.answers.vote(f"c_{number}", f"m_{number}", ANSWER, 1)
    assert records.answers.remembered(3) == [], "no number of customers brings it back"
    records.answers.approve("c_1", "m_1", ANSWER)
    assert records.answers.remembered(3) == [ANSWER], "but staff do"


def test_what_was_reported_stays_blocked_when_its_conversation_is_erased(records: Records) -> None:
    records.answers.approve("c_1", "m_1", ANSWER)
    records.reports.keep(a_report(1))
    records.answers.block(ANSWER.content)
    records.erase("c_1")
    assert records.reports.newest(10) == []
    records.answers.vote("c_2", "m_2", ANSWER, 5)
    assert records.answers.remembered(3) == []
    records.reports.keep(a_report(1))
    assert records.reports.newest(10) == [], "nothing is kept of what was erased"


def test_reports_come_newest_first_in_pages(records: Records) -> None:
    for number in (2, 1, 3):
        records.reports.keep(a_report(number))
    assert [one.message_id for one in records.reports.newest(2)] == ["m_3", "m_2"]
    assert [one.message_id for one in records.reports.newest(2, "m_2")] == ["m_1"]
    records.reports.withdraw("m_3")
    assert [one.message_id for one in records.reports.newest(2)] == ["m_2", "m_1"]


def test_a_canned_replys_name_is_its_own(records: Records) -> None:
    thanks, bye = records.canned.add("thanks", "Thank you!"), records.canned.add("bye", "Goodbye!")
    assert records.canned.everything() == [bye, thanks]
    with pytest.raises(Conflict):
        records.canned.change(bye.id, "thanks", "x")
    records.canned.remove(bye.id)
    with pytest.raises(NotFound):
        records.canned.change(bye.id, "bye", "x")
    assert records.canned.everything() == [thanks]
