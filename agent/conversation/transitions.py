"""How a conversation changes: pure functions from a header to its next header and its events.

    pending (the AI answers) → open (waiting for or with a person) → snoozed → resolved

Knows no storage, no clock but the time stamp of a change, and no model. Invariant: every
`turn.started` is followed by exactly one of `reply.completed`, `turn.failed`, `turn.cancelled`,
and a conversation has a turn only while it is pending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.domain import (
    Conversation,
    EventDraft,
    HandoffReason,
    Identity,
    Message,
    Status,
    Turn,
    new_id,
    now,
)
from agent.errors import Conflict
from agent.policy.handoff import plain_card


@dataclass(frozen=True, slots=True)
class Change:
    """A new header and the events that go with it, committed together or not at all."""

    conversation: Conversation
    drafts: tuple[EventDraft, ...] = ()


def takes_turn(header: Conversation) -> bool:
    """True if a customer's message in this state is answered by the AI."""
    return header.status in {"pending", "resolved"}


def say(header: Conversation, message: Message) -> tuple[Change, int]:
    """The customer says something. Returns the change and the place of its `message.created`."""
    drafts: list[EventDraft] = []
    turn, epoch, status = header.turn, header.last_epoch, header.status
    if turn is not None:
        drafts.append(_ended(turn, "turn.cancelled", "new_message"))
    if status in {"snoozed", "resolved"}:
        status = "open" if status == "snoozed" else "pending"
        drafts.append(_status(header.status, status))
    position = len(drafts)
    drafts.append(EventDraft(type="message.created", data={"message": message.wire()}))
    if status == "pending":
        epoch += 1
        turn = Turn(epoch=epoch, message_id=new_id("m"), in_reply_to=message.id)
        drafts.append(
            EventDraft(
                type="turn.started",
                data={"message_id": turn.message_id, "in_reply_to": message.id},
            )
        )
    else:
        turn = None
    following = _next(header, status=status, turn=turn, last_epoch=epoch)
    return Change(following, tuple(drafts)), position


def complete(
    header: Conversation,
    message: Message,
    *,
    replaced: bool,
    handoff: HandoffReason | None,
    messages: Sequence[Message],
) -> Change:
    """The reply is written; `handoff` opens the conversation behind it."""
    data: dict[str, Any] = {"message": message.wire()}
    if replaced:
        data["replaced"] = True
    done = EventDraft(type="reply.completed", data=data)
    if handoff is None:
        return Change(_next(header, turn=None), (done,))
    opened = open_for_person(_without_turn(header), handoff, messages)
    return Change(opened.conversation, (done, *opened.drafts))


def fail(header: Conversation, messages: Sequence[Message]) -> Change:
    """The AI could not answer: a person has to."""
    drafts = (_ended(header.turn, "turn.failed", "agent_error"),) if header.turn else ()
    opened = open_for_person(_without_turn(header), "agent_error", messages)
    return Change(opened.conversation, (*drafts, *opened.drafts))


def open_for_person(
    header: Conversation, reason: HandoffReason, messages: Sequence[Message]
) -> Change:
    """From any state to `open`, with a plain handoff card; nothing but the turn ends if it is."""
    drafts: list[EventDraft] = []
    if header.turn is not None:
        drafts.append(_ended(header.turn, "turn.cancelled", "handoff"))
    if header.status != "open":
        card = plain_card(reason, messages)
        drafts.append(_status(header.status, "open", reason))
        drafts.append(
            EventDraft(type="handoff.updated", data={"card": card.model_dump(mode="json")})
        )
    return Change(_next(header, status="open", turn=None), tuple(drafts))


def run_again(header: Conversation, *, reply_is_known: bool) -> Change:
    """The turn that was running when the process died, under a new epoch and the same reply id."""
    if header.turn is None:
        raise Conflict("No turn is running in this conversation.")
    turn = header.turn.model_copy(
        update={"epoch": header.last_epoch + 1, "attempts": header.turn.attempts + 1}
    )
    reset = EventDraft(type="reply.reset", data={"message_id": turn.message_id})
    following = _next(header, turn=turn, last_epoch=turn.epoch)
    return Change(following, (reset,) if reply_is_known else ())


def forgive(header: Conversation) -> Change:
    """The running turn is interrupted by an orderly stop: that is no death of its making."""
    turn = header.turn.model_copy(update={"attempts": 0}) if header.turn else None
    return Change(_next(header, turn=turn))


def bind(header: Conversation, identity: Identity, token_hash: str) -> Change:
    """A customer says who they are. Conflict if the conversation belongs to somebody else."""
    known = header.identity
    if known.level == "verified" and known.identifier != identity.identifier:
        raise Conflict("This conversation belongs to another identity: start a new one.")
    return Change(_next(header, identity=identity, token_hash=token_hash))


def note(header: Conversation, type_: str, data: dict[str, Any]) -> Change:
    """Something that is only recorded."""
    kept = {key: value for key, value in data.items() if value is not None}
    return Change(_next(header), (EventDraft(type=type_, data=kept),))


def _next(header: Conversation, **changes: Any) -> Conversation:
    return header.model_copy(update={**changes, "version": header.version + 1, "active_at": now()})


def _without_turn(header: Conversation) -> Conversation:
    return header.model_copy(update={"turn": None})


def _status(before: Status, after: Status, reason: HandoffReason | None = None) -> EventDraft:
    data = {"from": before, "to": after} | ({"reason": reason} if reason else {})
    return EventDraft(type="status.changed", data=data)


def _ended(turn: Turn, type_: str, reason: str) -> EventDraft:
    return EventDraft(type=type_, data={"message_id": turn.message_id, "reason": reason})
