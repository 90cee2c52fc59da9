"""How a conversation changes: pure functions from a header to its next header and its events.

    pending (the AI answers) → open (waiting for or with a person) → snoozed → resolved

Knows no storage, no clock but the time stamp of a change, and no model. Invariant: every
`turn.started` is followed by exactly one of `reply.completed`, `turn.failed`, `turn.cancelled`,
and a conversation has a turn only while it is pending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.domain import (
    Conversation,
    EventDraft,
    HandoffReason,
    Identity,
    Importance,
    Message,
    Preview,
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


def say(
    header: Conversation,
    message: Message,
    *,
    email: str | None = None,
    thanks: Message | None = None,
) -> tuple[Change, int]:
    """The customer says something. Returns the change and the place of its `message.created`.
    `email` is an address that they state with it, for which `thanks` is said."""
    drafts: list[EventDraft] = []
    turn, epoch, status = header.turn, header.last_epoch, header.status
    if turn is not None:
        drafts.append(_ended(turn, "turn.cancelled", "new_message"))
    if status in {"snoozed", "resolved"}:
        status = "open" if status == "snoozed" else "pending"
        drafts.append(_status(header.status, status))
    assignee = header.assignee
    if header.status == "resolved" and assignee is not None:
        assignee = None
        drafts.append(_updated(assignee=None))
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
    identity = header.identity
    if email is not None and thanks is not None:
        identity = identity.model_copy(update={"stated": {**identity.stated, "email": email}})
        drafts.append(_updated(email=email))
        drafts.append(EventDraft(type="message.created", data={"message": thanks.wire()}))
    waiting = None if status == "pending" else header.waiting_since or message.created_at
    following = _next(
        header,
        status=status,
        assignee=assignee,
        waiting_since=waiting,
        snoozed_until=None,
        newest=_preview(message),
        identity=identity,
        turn=turn,
        last_epoch=epoch,
    )
    return Change(following, tuple(drafts)), position


def complete(
    header: Conversation,
    message: Message,
    *,
    replaced: bool,
    handoff: HandoffReason | None,
    messages: Sequence[Message],
    away: Message | None = None,
) -> Change:
    """The reply is written; `handoff` opens the conversation behind it, see `open_for_person`."""
    data: dict[str, Any] = {"message": message.wire()}
    if replaced:
        data["replaced"] = True
    done = EventDraft(type="reply.completed", data=data)
    if handoff is None:
        answered = {} if message.outcome == "refused" else _ANSWERED
        following = _next(header, turn=None, newest=_preview(message), **answered)
        return Change(following, (done,))
    header = header.model_copy(update={"newest": _preview(message)})
    opened = open_for_person(_without_turn(header), handoff, messages, away)
    return Change(opened.conversation, (done, *opened.drafts))


def fail(header: Conversation, messages: Sequence[Message], away: Message | None = None) -> Change:
    """The AI could not answer: a person has to."""
    drafts = (_ended(header.turn, "turn.failed", "agent_error"),) if header.turn else ()
    opened = open_for_person(_without_turn(header), "agent_error", messages, away)
    return Change(opened.conversation, (*drafts, *opened.drafts))


def open_for_person(
    header: Conversation,
    reason: HandoffReason,
    messages: Sequence[Message],
    away: Message | None = None,
) -> Change:
    """From any state to `open`, with a plain handoff card; nothing but the turn ends if it is.
    `away` is said to the customer if nobody is there; it asks for an address."""
    drafts: list[EventDraft] = []
    if header.turn is not None:
        drafts.append(_ended(header.turn, "turn.cancelled", "handoff"))
    kept: dict[str, Any] = {}
    if header.status != "open":
        current = [m for m in messages if m.created_at > (header.fresh_since or "")]
        card = plain_card(reason, current)
        drafts.append(_status(header.status, "open", reason))
        drafts.append(
            EventDraft(type="handoff.updated", data={"card": card.model_dump(mode="json")})
        )
        bounces = header.bounces + header.returned
        if header.returned and bounces >= MAX_BOUNCES:
            drafts.append(EventDraft(type="note.created", data=_STAYS))
        kept = {"reason": reason, "waiting_since": now(), "returned": False, "bounces": bounces}
        if away is not None:
            drafts.append(EventDraft(type="message.created", data={"message": away.wire()}))
            kept["email_asked"] = True
    following = _next(header, status="open", turn=None, snoozed_until=None, **kept)
    return Change(following, tuple(drafts))


def take_over(header: Conversation, user_id: str) -> Change:
    """A person has it from now on; from any state."""
    drafts = _to("open", header, "take_over")
    if header.assignee != user_id:
        drafts.append(_updated(assignee=user_id))
    waiting = header.waiting_since or now()
    following = _next(
        header,
        status="open",
        assignee=user_id,
        waiting_since=waiting,
        snoozed_until=None,
        turn=None,
    )
    return Change(following, tuple(drafts))


def reply(header: Conversation, message: Message, user_id: str) -> Change:
    """A person says something: the conversation is theirs, if it is nobody's."""
    opened = take_over(header, header.assignee or user_id)
    following = opened.conversation.model_copy(
        update={
            "waiting_since": None,
            "answered_at": header.answered_at or message.created_at,
            "replied": {**header.replied, user_id: message.created_at},
            "newest": _preview(message),
            **_ANSWERED,
        }
    )
    created = EventDraft(type="message.created", data={"message": message.wire()})
    return Change(following, (*opened.drafts, created))


def return_to_ai(header: Conversation, messages: Sequence[Message], notice: Message) -> Change:
    """The AI answers again, at once what the customer said last if nobody has; `notice` marks the
    end of the human stretch for all. Conflict unless a person has the conversation, or if the AI
    has had it back often enough without an answer: a customer is not sent to and fro."""
    if header.status not in {"open", "snoozed"}:
        raise Conflict("Only a conversation that a person has can be returned to the AI.")
    if header.bounces >= MAX_BOUNCES:
        raise Conflict(
            "The AI had this conversation back twice and did not answer: write to the customer, "
            "or resolve it."
        )
    drafts = _to("pending", header, "returned")
    if header.assignee is not None:
        drafts.append(_updated(assignee=None))
    drafts.append(EventDraft(type="message.created", data={"message": notice.wire()}))
    said = [m for m in messages if m.role != "system"]
    turn, epoch = None, header.last_epoch
    if said and said[-1].role == "customer":
        epoch += 1
        turn = Turn(epoch=epoch, message_id=new_id("m"), in_reply_to=said[-1].id)
        started = {"message_id": turn.message_id, "in_reply_to": turn.in_reply_to}
        drafts.append(EventDraft(type="turn.started", data=started))
    changes = {**_NOBODY, "returned": True}
    following = _next(header, status="pending", turn=turn, last_epoch=epoch, **changes)
    return Change(following, tuple(drafts))


def resolve(header: Conversation) -> Change:
    """Done, from any state; who did it stays on record."""
    drafts = _to("resolved", header, "resolved")
    changes = {**_NOBODY, **_ANSWERED, "assignee": header.assignee, "fresh_since": now()}
    return Change(_next(header, status="resolved", turn=None, **changes), tuple(drafts))


def snooze(header: Conversation, until: str) -> Change:
    """Out of sight until then, or until the customer writes. Conflict unless a person has it."""
    if header.status not in {"open", "snoozed"}:
        raise Conflict("Only a conversation that a person has can be snoozed: take it over first.")
    drafts = (*_to("snoozed", header, "snoozed"), _updated(snoozed_until=until))
    return Change(_next(header, status="snoozed", snoozed_until=until), drafts)


def wake(header: Conversation, moment: str) -> Change:
    """Its time has come; nothing happens if it has not, or if somebody was faster."""
    if header.status != "snoozed" or header.snoozed_until is None or header.snoozed_until > moment:
        raise Conflict("This conversation does not wait for this moment.")
    drafts = (*_to("open", header, "woken"), _updated(snoozed_until=None))
    following = _next(header, status="open", snoozed_until=None, waiting_since=moment)
    return Change(following, drafts)


def assign(header: Conversation, user_id: str | None) -> Change:
    return Change(_next(header, assignee=user_id), (_updated(assignee=user_id),))


def abandon(header: Conversation) -> Change:
    """Its person is gone: the customer waits for anybody."""
    note = EventDraft(type="note.created", data=_GONE)
    return Change(_next(header, assignee=None), (_updated(assignee=None), note))


def label(header: Conversation, labels: Sequence[str]) -> Change:
    kept = tuple(dict.fromkeys(labels))
    return Change(_next(header, labels=kept), (_updated(labels=list(kept)),))


def prioritize(header: Conversation, priority: Importance) -> Change:
    return Change(_next(header, priority=priority), (_updated(priority=priority),))


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


_NOBODY: Final[dict[str, Any]] = {
    "assignee": None,
    "reason": None,
    "waiting_since": None,
    "answered_at": None,
    "snoozed_until": None,
}
_ANSWERED: Final[dict[str, Any]] = {"returned": False, "bounces": 0}
_PREVIEW: Final = 160
MAX_BOUNCES: Final = 2
_GONE: Final = {
    "content": "Who had this conversation has had no console open for a while, and the customer "
    "waits: it is anybody's again.",
    "by": "system",
    "author": "Frontdesk",
}
_STAYS: Final = {
    "content": "The AI had this conversation back twice and called a person again without an "
    "answer. It stays with you: write to the customer, or resolve it.",
    "by": "system",
    "author": "Frontdesk",
}


def _to(status: Status, header: Conversation, reason: str) -> list[EventDraft]:
    """The end of a running turn, and the change of the status if it is one."""
    drafts = [_ended(header.turn, "turn.cancelled", reason)] if header.turn else []
    return drafts if header.status == status else [*drafts, _status(header.status, status)]


def _updated(**changes: Any) -> EventDraft:
    return EventDraft(type="conversation.updated", data=changes)


def _preview(message: Message) -> Preview:
    text = " ".join(message.content.split())[:_PREVIEW]
    return Preview(role=message.role, content=text, at=message.created_at)


def _next(header: Conversation, **changes: Any) -> Conversation:
    return header.model_copy(update={**changes, "version": header.version + 1, "active_at": now()})


def _without_turn(header: Conversation) -> Conversation:
    return header.model_copy(update={"turn": None})


def _status(before: Status, after: Status, reason: HandoffReason | None = None) -> EventDraft:
    data = {"from": before, "to": after} | ({"reason": reason} if reason else {})
    return EventDraft(type="status.changed", data=data)


def _ended(turn: Turn, type_: str, reason: str) -> EventDraft:
    return EventDraft(type=type_, data={"message_id": turn.message_id, "reason": reason})
