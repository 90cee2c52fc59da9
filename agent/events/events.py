"""The names of events, what they amount to, and who may see them.

Pure: no storage, no clock. The widget's reducer (`web/static/shared`) follows the same rules and is
tested on the same fixtures. Invariant: folding is associative with cutting: a snapshot of the first
events with the rest applied to it equals the snapshot of all of them, for each audience.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from agent.domain import Event, Message, Snapshot

EventType = Literal[
    "message.created",
    "turn.started",
    "reply.delta",
    "reply.completed",
    "reply.reset",
    "turn.failed",
    "turn.cancelled",
    "status.changed",
    "typing",
    "action.proposed",
    "action.completed",
    "action.failed",
    "approval.requested",
    "approval.decided",
    "note.created",
    "handoff.updated",
    "conversation.updated",
    "feedback.submitted",
    "csat.submitted",
    "answer.reviewed",
    "presence.updated",
]
Audience = Literal["customer", "staff"]

# What customers get, by type; a type that is not here is for staff only, so that a new one is
# private until somebody decides otherwise. A tuple names the only fields that customers get of it.
_CUSTOMER_SEES: Final[dict[str, tuple[str, ...] | None]] = {
    "message.created": None,
    "turn.started": None,
    "reply.delta": None,
    "reply.completed": None,
    "reply.reset": None,
    "turn.failed": None,
    "turn.cancelled": None,
    "status.changed": ("from", "to", "reason"),
    "typing": None,
    "action.proposed": None,
    "action.completed": None,
    "action.failed": None,
    "approval.requested": ("approval_id", "state"),
    "approval.decided": ("approval_id", "state"),
    "csat.submitted": None,
}


def visible_to(audience: Audience, event: Event) -> bool:
    return audience == "staff" or event.type in _CUSTOMER_SEES


def for_customer(event: Event) -> Event | None:
    """The event as a customer may see it; None if it is not for customers."""
    if event.type not in _CUSTOMER_SEES:
        return None
    fields = _CUSTOMER_SEES[event.type]
    if fields is None:
        return event
    seen = {name: event.data[name] for name in fields if name in event.data}
    return event.model_copy(update={"data": seen})


def seen_by(audience: Audience, events: Iterable[Event]) -> list[Event]:
    if audience == "staff":
        return list(events)
    return [seen for event in events if (seen := for_customer(event)) is not None]


def apply_event(snapshot: Snapshot, event: Event) -> Snapshot:
    return fold_onto(snapshot, (event,))


def fold(conversation_id: str, events: Iterable[Event]) -> Snapshot:
    return fold_onto(Snapshot(id=conversation_id, status="pending"), events)


def fold_onto(snapshot: Snapshot, events: Iterable[Event]) -> Snapshot:
    """`snapshot` with all of `events` applied, in time linear in both."""
    state = _State(snapshot)
    for event in events:
        state.apply(event)
    return state.snapshot()


class _Draft:
    """A message that may still grow: deltas are kept apart and joined once."""

    __slots__ = ("message", "texts")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.texts: list[str] = []

    @property
    def empty(self) -> bool:
        return not self.message.content and not any(self.texts)

    def finished(self) -> Message:
        if not self.texts:
            return self.message
        content = "".join((self.message.content, *self.texts))
        return self.message.model_copy(update={"content": content})


class _State:
    def __init__(self, snapshot: Snapshot) -> None:
        self._base = snapshot
        self._status = snapshot.status
        self._assignee = snapshot.assignee
        self._last_event_id = snapshot.last_event_id
        self._drafts = {message.id: _Draft(message) for message in snapshot.messages}

    def snapshot(self) -> Snapshot:
        return self._base.model_copy(
            update={
                "status": self._status,
                "assignee": self._assignee,
                "messages": tuple(draft.finished() for draft in self._drafts.values()),
                "last_event_id": self._last_event_id,
            }
        )

    def apply(self, event: Event) -> None:
        if event.type in _RULES:
            _RULES[event.type](self, event, event.data)
        if event.id:
            self._last_event_id = event.id

    def message_created(self, _event: Event, data: dict[str, Any]) -> None:
        message = Message.model_validate(data["message"])
        self._drafts.setdefault(message.id, _Draft(message))

    def turn_started(self, event: Event, data: dict[str, Any]) -> None:
        reply = Message(
            id=data["message_id"], role="ai_agent", content="", created_at=event.at, pending=True
        )
        self._drafts.setdefault(reply.id, _Draft(reply))

    def reply_delta(self, _event: Event, data: dict[str, Any]) -> None:
        if (draft := self._drafts.get(data["message_id"])) is not None:
            draft.texts.append(data["text"])

    def reply_reset(self, _event: Event, data: dict[str, Any]) -> None:
        if (draft := self._drafts.get(data["message_id"])) is not None:
            changes = {"content": "", "pending": True, "interrupted": None}
            self._drafts[draft.message.id] = _Draft(draft.message.model_copy(update=changes))

    def reply_completed(self, _event: Event, data: dict[str, Any]) -> None:
        message = Message.model_validate(data["message"]).model_copy(update={"pending": None})
        self._drafts[message.id] = _Draft(message)

    def turn_ended(self, _event: Event, data: dict[str, Any]) -> None:
        draft = self._drafts.get(data["message_id"])
        if draft is None or not draft.message.pending:
            return
        if draft.empty:
            del self._drafts[draft.message.id]
            return
        changes = {"pending": None, "interrupted": True}
        draft.message = draft.message.model_copy(update=changes)

    def status_changed(self, _event: Event, data: dict[str, Any]) -> None:
        self._status = data["to"]

    def conversation_updated(self, _event: Event, data: dict[str, Any]) -> None:
        if "assignee" in data:
            self._assignee = data["assignee"]


_RULES: Final[dict[str, Callable[[_State, Event, dict[str, Any]], None]]] = {
    "message.created": _State.message_created,
    "turn.started": _State.turn_started,
    "reply.delta": _State.reply_delta,
    "reply.reset": _State.reply_reset,
    "reply.completed": _State.reply_completed,
    "turn.failed": _State.turn_ended,
    "turn.cancelled": _State.turn_ended,
    "status.changed": _State.status_changed,
    "conversation.updated": _State.conversation_updated,
}
