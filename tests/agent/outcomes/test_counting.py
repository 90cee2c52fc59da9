"""The rules of counting, each on visits made by hand."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.outcomes.costs import Prices, costs
from agent.outcomes.counting import KINDS, Period, count, machine_seconds, sort, spread
from agent.storage.asked import Figures
from agent.storage.outcomes import Visit

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1), ZoneInfo("UTC"))
LATER = datetime(2026, 5, 1, tzinfo=UTC)


def visit(day: int = 1, **changes: Any) -> Visit:
    at = f"2026-03-{day:02}T12:00:00.000Z"
    answered = {"replies": 1, "answers": 1, "last_reply": "answered"}
    known = {"conversation_id": "c", "number": day, "customer": "c", "started_at": at}
    return Visit(**{**known, "last_at": at, **answered, **changes})


def kinds(*visits: Visit, now: datetime = LATER) -> list[str]:
    return [one.kind for one in sort(visits, MARCH, now)]


def question(second: float = 0, **changes: Any) -> Figures:
    at = f"2026-03-01T00:00:{second:06.3f}Z"
    known = {"language": "en", "first_token_ms": 500.0, "total_ms": 2000.0}
    tokens = {"prompt_tokens": 100, "cached_tokens": 60, "completion_tokens": 20}
    return Figures(**{"at": at, "looked_up": True, **known, **tokens, **changes})


def test_each_visit_is_of_one_kind() -> None:
    assert kinds(visit(verdict="yes")) == ["confirmed"]
    assert kinds(visit()) == ["assumed"]
    assert kinds(visit(verdict="no")) == ["unresolved"]
    assert kinds(visit(last_reply="refused")) == ["unresolved"]
    assert kinds(visit(last_reply="clarify", verdict="yes")) == ["unresolved"]
    assert kinds(visit(last_reply=None, answers=0)) == ["nothing_asked"]
    assert kinds(visit(opened_at="2026-03-01T12:00:00.000Z", verdict="yes")) == ["handed_off"]


@pytest.mark.parametrize(("day", "kind"), [(8, "recontacted"), (9, "assumed")])
def test_who_comes_back_within_seven_days_was_not_helped(day: int, kind: str) -> None:
    assert kinds(visit(1), visit(day)) == [kind, "assumed"]


def test_another_customer_does_not_come_back() -> None:
    assert kinds(visit(1), visit(2, customer="d")) == ["assumed", "assumed"]


def test_who_confirmed_and_came_back_confirmed() -> None:
    found = sort((visit(1, verdict="yes"), visit(2)), MARCH, LATER)
    assert [one.kind for one in found] == ["confirmed", "assumed"]
    assert count(found, (), MARCH)["recontacted_after_confirming"] == 1


def test_nothing_is_assumed_before_the_seven_days_are_over() -> None:
    assert kinds(visit(1), now=datetime(2026, 3, 8, 11, tzinfo=UTC)) == ["too_early"]
    assert kinds(visit(1), now=datetime(2026, 3, 8, 12, tzinfo=UTC)) == ["assumed"]


def test_who_came_back_after_the_period_came_back() -> None:
    back = visit(1, started_at="2026-04-03T12:00:00.000Z", last_at="2026-04-03T12:00:00.000Z")
    assert kinds(visit(31), back) == ["recontacted"]


def test_days_are_of_the_time_zone() -> None:
    berlin = Period(date(2026, 3, 1), date(2026, 3, 2), ZoneInfo("Europe/Berlin"))
    late = visit(started_at="2026-02-28T23:30:00.000Z", last_at="2026-02-28T23:40:00.000Z")
    numbers = count(sort((late,), berlin, LATER), (), berlin)
    assert [(day["date"], day["conversations"]) for day in numbers["days"]] == [("2026-03-01", 1)]
    assert sort((visit(started_at="2026-03-01T23:30:00.000Z"),), berlin, LATER) == []


def test_the_kinds_add_up_on_every_day() -> None:
    visits = (visit(1, verdict="yes"), visit(1, customer="d"), visit(3, last_reply="refused"))
    numbers = count(sort(visits, MARCH, LATER), (), MARCH)
    assert len(numbers["days"]) == 31
    for part in (numbers["outcomes"], *numbers["days"]):
        total = part.get("conversations", numbers["conversations"])
        assert sum(part[kind] for kind in KINDS) == total
    assert numbers["outcomes"]["unresolved"] == numbers["days"][2]["unresolved"] == 1


def test_involvement_answers_and_handoffs() -> None:
    visits = (
        visit(1),
        visit(2, answers=0, last_reply="refused"),
        visit(3, replies=0, answers=0, opened_at="2026-03-03T12:00:00.000Z",
              handoffs=("customer_request", "low_confidence")),
        visit(4, opened_at="2026-03-04T12:00:00.000Z", handoffs=("customer_request",)),
    )  # fmt: skip
    numbers = count(sort(visits, MARCH, LATER), (), MARCH)
    assert (numbers["involved"], numbers["answered"]) == (3, 2)
    assert numbers["handoffs"] == {
        "conversations": 2,
        "reasons": [
            {"reason": "customer_request", "times": 2},
            {"reason": "low_confidence", "times": 1},
        ],
    }


def test_ratings() -> None:
    visits = (visit(1, thumbs={"a": "up", "b": "down"}, csat=5), visit(2, thumbs={"c": "up"}))
    ratings = count(sort(visits, MARCH, LATER), (), MARCH)["ratings"]
    assert ratings == {"up": 2, "down": 1, "csat": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 1}}


def test_times_of_people_and_of_the_ai() -> None:
    visits = (visit(1, first_wait_s=60.0, later_waits_s=(10.0, 20.0)), visit(2))
    asked = (question(), question(first_token_ms=900.0), question(looked_up=False))
    numbers = count(sort(visits, MARCH, LATER), asked, MARCH)
    assert numbers["human_first_s"] == {"n": 1, "median": 60.0, "p95": 60.0}
    assert numbers["human_next_s"] == {"n": 2, "median": 15.0, "p95": 20.0}
    assert numbers["first_token_s"] == {"n": 2, "median": 0.7, "p95": 0.9}


def test_spread() -> None:
    assert spread([]) == {"n": 0, "median": None, "p95": None}
    assert spread([float(n) for n in range(1, 101)]) == {"n": 100, "median": 50.5, "p95": 95.0}


def test_replies_made_side_by_side_take_the_machine_once() -> None:
    assert machine_seconds([question(0), question(10)]) == 4.0
    assert machine_seconds([question(0), question(1)]) == 3.0
    assert machine_seconds([question(0, total_ms=9000.0), question(1)]) == 9.0
    assert machine_seconds([question(total_ms=None)]) == 0.0


def test_tokens_and_languages() -> None:
    asked = (question(), question(language="de"), question(language=None, looked_up=False))
    numbers = count((), asked, MARCH)
    assert numbers["tokens"] == {
        "prompt_tokens": 300, "cached_tokens": 180, "completion_tokens": 60,
    }  # fmt: skip
    assert numbers["languages"] == [
        {"language": "de", "questions": 1},
        {"language": "en", "questions": 1},
    ]


def test_costs() -> None:
    prices = Prices("EUR", machine=0.05, watts=90, electricity=0.30, resolution=0.99)
    found = costs(prices, hours=100, machine_s=7200, conversations=40, resolved=20)
    assert found["machine"] == pytest.approx(5.0)
    assert found["electricity"] == pytest.approx(0.054)
    assert found["per_conversation"] == pytest.approx(5.054 / 40)
    assert found["per_resolved"] == pytest.approx(5.054 / 20)
    assert found["elsewhere"] == pytest.approx(19.8)


def test_what_is_not_set_costs_nothing_that_anybody_could_read() -> None:
    found = costs(Prices("EUR"), hours=100, machine_s=7200, conversations=40, resolved=20)
    for name in ("machine", "electricity", "total", "per_conversation", "per_resolved"):
        assert found[name] is None
    assert found["elsewhere"] is None


def test_a_bought_machine_has_an_hourly_price() -> None:
    assert Prices.per_hour(None, 8766.0, 1) == pytest.approx(1.0)
    assert Prices.per_hour(0.2, 8766.0, 1) == 0.2
    assert Prices.per_hour(None, None, 1) is None
