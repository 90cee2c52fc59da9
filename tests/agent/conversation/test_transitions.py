"""How a conversation may change, as a state machine driven at random."""

from hypothesis import given
from hypothesis import strategies as st

from agent.conversation import transitions
from agent.conversation.transitions import Change
from agent.domain import Conversation, Event, EventDraft, Message, new_id, now
from agent.errors import Conflict
from agent.events.events import fold

ENDS = {"reply.completed", "turn.failed", "turn.cancelled"}


def a_conversation(**fields: object) -> Conversation:
    moment = now()
    header = Conversation(id="c_1", token_hash="x", created_at=moment, active_at=moment)
    return header.model_copy(update=fields)


def a_message(content: str = "Can I bring a dog?") -> Message:
    return Message(id=new_id("m"), role="customer", content=content, created_at=now())


def a_notice() -> Message:
    return Message(
        id=new_id("m"), role="system", content="Back.", created_at=now(), notice="returned"
    )


def a_reply(header: Conversation) -> Message:
    assert header.turn is not None
    return Message(id=header.turn.message_id, role="ai_agent", content="Yes.", created_at=now())


def test_a_message_starts_a_turn() -> None:
    change, position = transitions.say(a_conversation(), a_message())
    assert [draft.type for draft in change.drafts] == ["message.created", "turn.started"]
    assert position == 0
    assert change.conversation.turn is not None
    assert change.conversation.version == 1


def test_a_second_message_replaces_the_running_turn() -> None:
    first, _ = transitions.say(a_conversation(), a_message())
    second, position = transitions.say(first.conversation, a_message("And two dogs?"))
    assert [d.type for d in second.drafts] == ["turn.cancelled", "message.created", "turn.started"]
    assert second.drafts[position].type == "message.created"
    assert second.conversation.last_epoch == 2


def test_with_a_person_the_ai_stays_silent() -> None:
    change, _ = transitions.say(a_conversation(status="open"), a_message())
    assert [draft.type for draft in change.drafts] == ["message.created"]
    assert change.conversation.turn is None


def test_a_resolved_conversation_starts_again_with_the_ai() -> None:
    change, position = transitions.say(a_conversation(status="resolved"), a_message())
    assert [d.type for d in change.drafts] == ["status.changed", "message.created", "turn.started"]
    assert position == 1
    assert change.conversation.status == "pending"


def test_a_failed_turn_opens_the_conversation_with_a_card() -> None:
    asked = a_message()
    running, _ = transitions.say(a_conversation(), asked)
    failed = transitions.fail(running.conversation, [asked])
    assert [d.type for d in failed.drafts] == ["turn.failed", "status.changed", "handoff.updated"]
    assert failed.drafts[1].data["reason"] == "agent_error"
    card = failed.drafts[2].data["card"]
    assert card["open_questions"] == ["Can I bring a dog?"]


def test_a_handoff_by_the_ai_completes_the_reply_first() -> None:
    running, _ = transitions.say(a_conversation(), a_message("human please"))
    done = transitions.complete(
        running.conversation,
        a_reply(running.conversation),
        replaced=False,
        handoff="customer_request",
        messages=(),
    )
    types = [draft.type for draft in done.drafts]
    assert types == ["reply.completed", "status.changed", "handoff.updated"]


CUSTOMERS = ["say", "complete", "handoff", "fail", "again", "person"]
STAFFS = ["take_over", "reply", "return", "resolve", "snooze", "wake", "assign", "label"]


@given(st.lists(st.sampled_from([*CUSTOMERS, *STAFFS])))
def test_every_turn_ends_exactly_once_and_versions_rise_by_one(verbs: list[str]) -> None:
    header = a_conversation()
    log: list[EventDraft] = []
    for verb in verbs:
        change = _apply(verb, header)
        if change is None:
            continue
        assert change.conversation.version == header.version + 1
        assert change.conversation.last_epoch >= header.last_epoch
        header = change.conversation
        assert header.turn is None or header.status == "pending"
        assert (header.snoozed_until is not None) == (header.status == "snoozed")
        assert header.waiting_since is None or header.status in {"open", "snoozed"}
        log += change.drafts
        seen = fold(
            "c_1", [Event(id="", conversation_id="c_1", at="", **d.model_dump()) for d in log]
        )
        assert (seen.status, seen.assignee) == (header.status, header.assignee)
    if header.turn is not None:
        log += transitions.fail(header, ()).drafts
    started = [d.data["message_id"] for d in log if d.type == "turn.started"]
    ended = [
        d.data["message"]["id"] if d.type == "reply.completed" else d.data["message_id"]
        for d in log
        if d.type in ENDS
    ]
    assert sorted(started) == sorted(ended)


def _by_staff(verb: str, header: Conversation) -> Change | None:
    message = Message(id=new_id("m"), role="human_agent", content="Hello.", created_at=now())
    try:
        match verb:
            case "take_over":
                return transitions.take_over(header, "u_1")
            case "reply":
                return transitions.reply(header, message, "u_2")
            case "return":
                return transitions.return_to_ai(header, [a_message()], a_notice())
            case "resolve":
                return transitions.resolve(header)
            case "snooze":
                return transitions.snooze(header, "2026-01-01T00:00:00.000Z")
            case "wake":
                return transitions.wake(header, "2026-01-01T00:00:00.001Z")
            case "assign":
                return transitions.assign(header, "u_3")
            case _:
                return transitions.label(header, ["refund"])
    except Conflict:
        return None


def _apply(verb: str, header: Conversation) -> Change | None:
    if verb in STAFFS:
        return _by_staff(verb, header)
    if verb == "say":
        return transitions.say(header, a_message())[0]
    if verb == "person":
        return transitions.open_for_person(header, "customer_request", ())
    if header.turn is None:
        return None
    if verb == "fail":
        return transitions.fail(header, ())
    if verb == "again":
        return transitions.run_again(header, reply_is_known=True)
    return transitions.complete(
        header,
        a_reply(header),
        replaced=False,
        handoff="customer_request" if verb == "handoff" else None,
        messages=(),
    )
