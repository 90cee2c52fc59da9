"""What the facts about the store talk about: conversations, their next versions, drafts."""

from typing import Any

from agent.domain import Conversation, EventDraft, Identity, Message, Turn, new_id, now


def conversation(**fields: Any) -> Conversation:
    return Conversation(
        id=new_id("c"), token_hash="0" * 64, created_at=now(), active_at=now(), **fields
    )


def verified(identifier: str, **fields: Any) -> Conversation:
    identity = Identity(level="verified", method="hmac", identifier=identifier)
    return conversation(identity=identity, **fields)


def following(header: Conversation, **changes: Any) -> Conversation:
    return header.model_copy(update={"active_at": now(), **changes, "version": header.version + 1})


def with_turn(header: Conversation) -> Conversation:
    epoch = header.last_epoch + 1
    turn = Turn(epoch=epoch, message_id=new_id("m"), in_reply_to="m_question")
    return following(header, turn=turn, last_epoch=epoch)


def said(content: str, message_id: str | None = None) -> EventDraft:
    message = Message(
        id=message_id or new_id("m"), role="customer", content=content, created_at=now()
    )
    return EventDraft(type="message.created", data={"message": message.wire()})


def delta(text: str, message_id: str = "m_reply") -> EventDraft:
    return EventDraft(type="reply.delta", data={"message_id": message_id, "text": text})


def texts(events: list[Any]) -> list[str]:
    return [event.data["text"] for event in events if event.type == "reply.delta"]
