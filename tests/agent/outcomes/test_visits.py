"""What events make of a visit: each rule by itself, on logs made by hand."""

from typing import Any

import pytest

from agent.domain import Event
from agent.outcomes.visits import TAKEN_OVER, fold
from agent.storage.outcomes import Visit

CITED = [{"n": 1}]


class Log:
    """A conversation's events, minutes after its beginning."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, minute: float, type_: str, **data: Any) -> "Log":
        days, minutes = divmod(minute, 24 * 60)
        hours, minutes = divmod(minutes, 60)
        at = f"2026-03-{1 + int(days):02}T{int(hours):02}:{int(minutes):02}:00.000Z"
        self.events.append(
            Event(id=f"{len(self.events) + 1}-0", type=type_, conversation_id="c", at=at, data=data)
        )
        return self

    def customer(self, minute: float, content: str = "What does a dog cost?") -> "Log":
        return self.add(minute, "message.created", message={"role": "customer", "content": content})

    def person(self, minute: float) -> "Log":
        said = {"role": "human_agent", "content": "17 euros."}
        return self.add(minute, "message.created", message=said)

    def ai(self, minute: float, outcome: str = "answered", sources: Any = CITED) -> "Log":
        said = {"role": "ai_agent", "outcome": outcome, "citations": sources}
        return self.add(minute, "reply.completed", message=said)

    def status(self, minute: float, before: str, after: str, reason: str | None = None) -> "Log":
        data = {"from": before, "to": after} | ({"reason": reason} if reason else {})
        return self.add(minute, "status.changed", **data)

    def visits(self) -> list[Visit]:
        return fold("c", "c", None, self.events)


def only(log: Log) -> Visit:
    (visit,) = log.visits()
    return visit


def test_nothing_begins_before_the_customer_says_something() -> None:
    assert Log().add(0, "conversation.updated", labels=["x"]).visits() == []


def test_an_answer_counts_if_it_has_sources() -> None:
    visit = only(Log().customer(0, "hello").ai(1, sources=None))
    assert (visit.replies, visit.answers, visit.last_reply) == (1, 0, None)
    visit = only(Log().customer(0).ai(1))
    assert (visit.replies, visit.answers, visit.last_reply) == (1, 1, "answered")


def test_small_talk_does_not_undo_an_answer() -> None:
    log = Log().customer(0).ai(1).customer(2, "thanks").ai(3, sources=None)
    assert only(log).last_reply == "answered"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [("thanks!", "yes"), ("Thank you very much", "yes"), ("And a cat?", None), ("ok", None)],
)
def test_thanks_after_an_answer_is_a_yes(said: str, verdict: str | None) -> None:
    assert only(Log().customer(0).ai(1).customer(2, said)).verdict == verdict


def test_thanks_before_any_answer_says_nothing() -> None:
    assert only(Log().customer(0, "thanks").ai(1, sources=None)).verdict is None


def test_a_question_after_thanks_goes_on() -> None:
    log = Log().customer(0).ai(1).customer(2, "thanks").customer(3, "And what does a cat cost?")
    assert only(log).verdict is None


@pytest.mark.parametrize(
    ("score", "verdict"), [(1, "no"), (2, "no"), (3, None), (4, "yes"), (5, "yes")]
)
def test_stars(score: int, verdict: str | None) -> None:
    visit = only(Log().customer(0).ai(1).add(2, "csat.submitted", score=score))
    assert (visit.csat, visit.verdict) == (score, verdict)


def test_the_last_thumb_on_a_message_counts() -> None:
    log = Log().customer(0).ai(1)
    log.add(2, "feedback.submitted", message_id="m1", rating="up")
    log.add(3, "feedback.submitted", message_id="m1", rating="down")
    visit = only(log)
    assert (visit.thumbs, visit.verdict) == ({"m1": "down"}, "no")


def test_a_handoff_keeps_its_reason_and_how_long_the_customer_waited() -> None:
    log = Log().customer(0).ai(1, "handed_off").status(1, "pending", "open", "customer_request")
    log.person(4).customer(10).customer(12).person(15)
    visit = only(log)
    assert visit.handoffs == ("customer_request",)
    assert visit.opened_at == "2026-03-01T00:01:00.000Z"
    assert (visit.first_wait_s, visit.later_waits_s) == (180.0, (300.0,))
    assert visit.human_answers == 2


def test_a_person_who_comes_in_by_themselves_answers_nobody_who_waits() -> None:
    visit = only(Log().customer(0).ai(1).status(2, "pending", "open").person(2))
    assert visit.handoffs == (TAKEN_OVER,)
    assert visit.first_wait_s is None


def test_a_woken_conversation_is_no_second_handoff() -> None:
    log = Log().customer(0).status(1, "pending", "open", "low_confidence").person(2)
    log.status(3, "open", "snoozed").status(9, "snoozed", "open").person(11)
    visit = only(log)
    assert visit.handoffs == ("low_confidence",)
    assert visit.later_waits_s == (120.0,)


def test_what_comes_after_resolving_is_the_next_visit() -> None:
    log = Log().customer(0).ai(1).status(2, "pending", "resolved")
    log.status(30, "resolved", "pending").customer(30).ai(31)
    first, second = log.visits()
    assert (first.number, first.resolved_at) == (1, "2026-03-01T00:02:00.000Z")
    assert (second.number, second.started_at) == (2, "2026-03-01T00:30:00.000Z")
    assert second.answers == 1


def test_a_call_for_a_person_after_resolving_is_the_next_visit() -> None:
    log = Log().customer(0).ai(1).status(2, "pending", "resolved")
    first, second = log.status(9, "resolved", "open", "customer_request").visits()
    assert first.opened_at is None
    assert second.handoffs == ("customer_request",)


@pytest.mark.parametrize(("hours", "visits"), [(23, 1), (25, 2)])
def test_a_day_of_silence_ends_a_visit(hours: float, visits: int) -> None:
    assert len(Log().customer(0).ai(0).customer(hours * 60).visits()) == visits


def test_who_waits_for_a_person_has_not_left() -> None:
    log = Log().customer(0).status(1, "pending", "open", "customer_request").customer(3000)
    assert len(log.visits()) == 1


def test_folding_in_parts_is_folding_all() -> None:
    log = Log().customer(0).ai(1).status(2, "pending", "open", "low_confidence").person(5)
    log.status(6, "open", "resolved").add(7, "csat.submitted", score=5)
    log.status(50, "resolved", "pending").customer(50, "thanks").ai(51)
    whole = log.visits()
    for cut in range(len(log.events)):
        before = fold("c", "c", None, log.events[:cut])
        after = fold("c", "c", before[-1] if before else None, log.events[cut:])
        assert [*before[:-1], *after] == whole
