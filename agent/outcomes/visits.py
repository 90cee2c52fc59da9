"""What events make of a customer's visits: a pure fold.

A visit is what a customer writes in one conversation until it is resolved or nothing was said for a
day; what they write after that is the next. Knows no storage and no clock. Invariant: folding what
is new onto what was known equals folding all of it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from agent.domain import Event
from agent.policy import guardrails
from agent.storage.outcomes import Visit

QUIET: Final = timedelta(hours=24)  # Intercom takes so long a silence for the end as well
TAKEN_OVER: Final = "staff_took_over"  # a person came in without being called
GOOD_CSAT: Final = 4
BAD_CSAT: Final = 2

Fields = dict[str, Any]


def fold(
    conversation_id: str, customer: str, known: Visit | None, events: Sequence[Event]
) -> list[Visit]:
    """`known`, the last visit so far, as it is after `events`, and those that began in them."""
    done: list[Visit] = []
    current = known
    for event in events:
        if _begins(current, event):
            if current is not None:
                done.append(current)
            current = Visit(
                conversation_id=conversation_id,
                number=current.number + 1 if current is not None else 1,
                customer=customer,
                started_at=event.at,
                last_at=event.at,
            )
        if current is not None and event.type in _RULES:
            current = current.model_copy(update=_RULES[event.type](current, event))
    found = done if current is None else [*done, current]
    return [one.model_copy(update={"customer": customer}) for one in found]


def _begins(current: Visit | None, event: Event) -> bool:
    """A customer's message does, and their call for a person without one."""
    if event.type == "status.changed":
        called = event.data["to"] == "open" and event.data.get("reason") is not None
        return called and (current is None or current.resolved_at is not None)
    if event.type != "message.created" or event.data["message"]["role"] != "customer":
        return False
    if current is None or current.resolved_at is not None:
        return True
    # Who still waits for a person has not left.
    return current.status == "pending" and _between(current.last_at, event.at) > QUIET


def _said(visit: Visit, event: Event) -> Fields:
    message = event.data["message"]
    if message["role"] == "customer":
        return _customer_said(visit, event, message["content"])
    if message["role"] == "human_agent":
        return _person_said(visit, event)
    return {}


def _customer_said(visit: Visit, event: Event, content: str) -> Fields:
    changes: Fields = {"last_at": event.at, "last_by": "customer"}
    kind = guardrails.kind_of(content)
    if kind == "thanks":
        changes["verdict"] = visit.verdict or ("yes" if visit.answers else None)
    elif kind in {"complaint", "abuse"}:
        changes["verdict"] = "no"
    elif kind not in {"goodbye", "acknowledged"}:
        changes["verdict"] = None  # it goes on
    if visit.status == "open":
        changes["waiting_since"] = visit.waiting_since or event.at
    return changes


def _person_said(visit: Visit, event: Event) -> Fields:
    changes: Fields = {
        "last_at": event.at,
        "last_by": "human_agent",
        "waiting_since": None,
        "human_answers": visit.human_answers + 1,
    }
    if visit.waiting_since is not None:
        waited = round(_between(visit.waiting_since, event.at).total_seconds(), 1)
        if visit.human_answers:
            changes["later_waits_s"] = (*visit.later_waits_s, waited)
        else:
            changes["first_wait_s"] = waited
    return changes


def _replied(visit: Visit, event: Event) -> Fields:
    message = event.data["message"]
    outcome, has_sources = message.get("outcome"), bool(message.get("citations"))
    changes: Fields = {
        "last_at": event.at,
        "last_by": "ai_agent",
        "replies": visit.replies + 1,
        "answers": visit.answers + (outcome == "answered" and has_sources),
    }
    if outcome != "answered" or has_sources:  # small talk ends no matter
        changes["last_reply"] = outcome
    return changes


def _moved(visit: Visit, event: Event) -> Fields:
    to = event.data["to"]
    if visit.resolved_at is not None:  # what is done with it afterwards is no part of the visit
        return {}
    if to == "resolved":
        return {"status": to, "resolved_at": event.at, "waiting_since": None}
    if to != "open":
        return {"status": to, "waiting_since": None}
    reason = event.data.get("reason")
    changes: Fields = {"status": to, "opened_at": visit.opened_at or event.at}
    woken = event.data["from"] == "snoozed"
    if reason is not None or not woken:
        changes["handoffs"] = (*visit.handoffs, reason or TAKEN_OVER)
    if reason is not None or woken or visit.last_by == "customer":
        changes["waiting_since"] = visit.waiting_since or event.at
    return changes


def _rated(visit: Visit, event: Event) -> Fields:
    rating = event.data["rating"]
    return {
        "thumbs": {**visit.thumbs, event.data["message_id"]: rating},
        "verdict": "yes" if rating == "up" else "no",
    }


def _scored(_visit: Visit, event: Event) -> Fields:
    score = event.data["score"]
    changes: Fields = {"csat": score}
    if score >= GOOD_CSAT or score <= BAD_CSAT:
        changes["verdict"] = "yes" if score >= GOOD_CSAT else "no"
    return changes


_RULES: Final[dict[str, Callable[[Visit, Event], Fields]]] = {
    "message.created": _said,
    "reply.completed": _replied,
    "status.changed": _moved,
    "feedback.submitted": _rated,
    "csat.submitted": _scored,
}


def _between(before: str, after: str) -> timedelta:
    return datetime.fromisoformat(after) - datetime.fromisoformat(before)
