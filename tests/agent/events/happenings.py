"""Random histories of a conversation: any events in any order, as no well-behaved writer would."""

from typing import Any

from hypothesis import strategies as st

from agent.domain import Event, EventDraft, Message

_IDS = st.sampled_from(["m_1", "m_2", "m_3"])
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)


def _message(id_: str, content: str, role: str) -> dict[str, Any]:
    return Message(id=id_, role=role, content=content, created_at="2026-03-01T10:00:00.000Z").wire()


_MESSAGES = st.builds(_message, _IDS, _TEXT, st.sampled_from(["customer", "ai_agent"]))
_ENDINGS = st.sampled_from(["turn.failed", "turn.cancelled", "reply.reset"])
_STATUSES = st.sampled_from(["pending", "open", "snoozed", "resolved"])
_PRIVATE = st.sampled_from(["note.created", "handoff.updated", "feedback.submitted", "new.kind"])


def _draft(type_: str, **data: Any) -> EventDraft:
    return EventDraft(type=type_, data=data)


DRAFTS = st.one_of(
    st.builds(lambda m: _draft("message.created", message=m), _MESSAGES),
    st.builds(lambda m: _draft("reply.completed", message=m), _MESSAGES),
    st.builds(lambda i: _draft("turn.started", message_id=i, in_reply_to="m_q"), _IDS),
    st.builds(lambda i, t: _draft("reply.delta", message_id=i, text=t), _IDS, _TEXT),
    st.builds(lambda i, t: _draft(t, message_id=i), _IDS, _ENDINGS),
    st.builds(lambda s: _draft("status.changed", **{"from": "open", "to": s}), _STATUSES),
    st.builds(lambda a: _draft("conversation.updated", assignee=a), st.none() | st.just("u_1")),
    st.builds(lambda t: _draft(t, content="private"), _PRIVATE),
)
HISTORIES = st.lists(DRAFTS, max_size=25)


def logged(drafts: list[EventDraft]) -> list[Event]:
    return [
        Event(
            id=f"{number}-0",
            type=draft.type,
            conversation_id="c_1",
            at="2026-03-01T10:00:00.000Z",
            data=draft.data,
        )
        for number, draft in enumerate(drafts, 1)
    ]
