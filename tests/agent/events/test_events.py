"""Facts about what events amount to and who sees them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from agent.domain import Event, EventDraft, Snapshot
from agent.events.events import apply_event, fold, fold_onto, for_customer, seen_by, visible_to
from tests.agent.events.happenings import HISTORIES, logged

FIXTURES = sorted((Path(__file__).parents[2] / "js" / "fixtures").glob("*.json"))


def event(type_: str, **data: Any) -> Event:
    return Event(id="7-0", type=type_, conversation_id="c_1", at="2026-03-01T10:00:00Z", data=data)


def test_there_are_fixtures_that_the_widget_follows_too() -> None:
    assert len(FIXTURES) > 20


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_server_folds_as_the_widget_does(path: Path) -> None:
    fixture = json.loads(path.read_text())
    snapshot = Snapshot.model_validate(fixture["snapshot"])
    events = [Event.model_validate({"id": "", **event}) for event in fixture["events"]]
    assert fold_onto(snapshot, events).wire() == fixture["expected"]
    for each in events:
        snapshot = apply_event(snapshot, each)
    assert snapshot.wire() == fixture["expected"]


@given(HISTORIES)
def test_a_snapshot_and_the_events_after_it_equal_a_fresh_snapshot(
    drafts: list[EventDraft],
) -> None:
    """For both audiences and wherever the history is cut."""
    for audience in ("customer", "staff"):
        events = seen_by(audience, logged(drafts))
        fresh = fold("c_1", events)
        for cut in range(len(events) + 1):
            assert fold_onto(fold("c_1", events[:cut]), events[cut:]) == fresh


def test_a_reply_of_many_pieces_is_their_concatenation() -> None:
    pieces = [f"{number} " for number in range(20_000)]
    started = event("turn.started", message_id="m_1", in_reply_to="m_0")
    deltas = [event("reply.delta", message_id="m_1", text=piece) for piece in pieces]
    (reply,) = fold("c_1", [started, *deltas]).messages
    assert reply.content == "".join(pieces)


def test_a_reply_that_runs_again_begins_anew() -> None:
    events = [
        event("turn.started", message_id="m_1", in_reply_to="m_0"),
        event("reply.delta", message_id="m_1", text="Yes, y"),
        event("turn.failed", message_id="m_1"),
        event("reply.reset", message_id="m_1"),
        event("reply.delta", message_id="m_1", text="No"),
    ]
    (reply,) = fold("c_1", events).messages
    assert (reply.content, reply.pending, reply.interrupted) == ("No", True, None)


@pytest.mark.parametrize(
    "type_",
    [
        "note.created",
        "handoff.updated",
        "conversation.updated",
        "feedback.submitted",
        "a.kind.nobody.decided.about",
    ],
)
def test_customers_do_not_get_what_is_for_staff(type_: str) -> None:
    private = event(type_, content="private")
    assert not visible_to("customer", private)
    assert for_customer(private) is None
    assert visible_to("staff", private)


def test_customers_get_the_state_of_an_approval_and_nothing_of_its_card() -> None:
    data = {"approval_id": "a_1", "state": "pending", "card": {"amount": 500}, "by": "u_1"}
    for type_ in ("approval.requested", "approval.decided"):
        seen = for_customer(event(type_, **data))
        assert seen is not None
        assert seen.data == {"approval_id": "a_1", "state": "pending"}


def test_customers_get_a_change_of_status_without_what_staff_added() -> None:
    data = {"from": "pending", "to": "open", "reason": "low_confidence"}
    seen = for_customer(event("status.changed", **data, by="u_1"))
    assert seen is not None
    assert seen.data == data
