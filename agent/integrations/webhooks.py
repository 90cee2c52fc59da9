"""What other programs are told by webhook, and how they can check that it is us.

Knows no queue. Invariant: the words that were kept are the words that are sent and signed, whenever
that is.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.domain import Conversation, Event
from agent.integrations.outbound import post
from agent.integrations.outbox import delivery_id
from agent.storage.webhooks import Delivery

_NAMES: Final = {
    "message.created": "message_created",
    "reply.completed": "message_created",
    "note.created": "message_created",
    "status.changed": "conversation_status_changed",
    "conversation.updated": "conversation_updated",
    "handoff.updated": "handoff_updated",
    "csat.submitted": "csat_submitted",
    "feedback.submitted": "feedback_submitted",
    "approval.requested": "approval_requested",
    "approval.decided": "approval_decided",
}


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`secrets`: each signs, so that receivers change theirs one after the other."""

    urls: tuple[str, ...]
    secrets: tuple[bytes, ...]
    allowed_hosts: frozenset[str]


class Webhooks:
    name = "a webhook"

    def __init__(self, settings: WebhookSettings) -> None:
        self.queues = settings.urls
        self._settings = settings

    def tells(self, event: Event) -> bool:
        return event.type in _NAMES

    async def deliveries(self, event: Event, header: Conversation) -> list[Delivery]:
        return [
            Delivery(delivery_id(event, name, url), url, header.id, _body(event, name, header))
            for name in names_of(event)
            for url in self.queues
        ]

    async def send(self, delivery: Delivery) -> int:
        body, timestamp = delivery.body.encode(), str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Frontdesk",
            "X-Frontdesk-Delivery": delivery.id,
            "X-Frontdesk-Timestamp": timestamp,
            "X-Frontdesk-Signature": signature(self._settings.secrets, timestamp, body),
        }
        return await post(delivery.url, body, headers, self._settings.allowed_hosts)


def signature(secrets: Sequence[bytes], timestamp: str, body: bytes) -> str:
    """`sha256=…` under each active secret, the newest first, separated by commas."""
    signed = timestamp.encode() + b"." + body
    return ",".join(
        f"sha256={hmac.new(secret, signed, hashlib.sha256).hexdigest()}" for secret in secrets
    )


def names_of(event: Event) -> list[str]:
    """What the event is called outside; a handoff and its end have names of their own as well."""
    names = [_NAMES[event.type]]
    if event.type == "status.changed":
        if event.data["to"] == "open" and event.data.get("reason"):
            names.append("handoff_requested")
        if event.data["to"] == "pending" and event.data["from"] in {"open", "snoozed"}:
            names.append("handoff_returned")
    return names


def _body(event: Event, name: str, header: Conversation) -> str:
    told: dict[str, Any] = {"event": name, "id": event.id, "created_at": event.at}
    if name == "message_created":
        told |= _message(event)
    else:
        told["data"] = event.data
    told["conversation"] = {
        "id": header.id,
        "status": header.status,
        "assignee": header.assignee,
        "labels": list(header.labels),
        "reason": header.reason,
        "locale": header.locale,
        "customer": {
            "identity": header.identity.level,
            "identifier": header.identity.identifier,
            "name": header.identity.stated.get("name"),
            "email": header.identity.stated.get("email"),
        },
    }
    return json.dumps(told, ensure_ascii=False, allow_nan=False)


def _message(event: Event) -> dict[str, Any]:
    if event.type == "note.created":
        author = {"type": "human_agent", "name": event.data.get("author")}
        content = event.data.get("content", "")
        return {"content": content, "message_type": "outgoing", "private": True, "sender": author}
    message = event.data["message"]
    return {
        "id": message["id"],
        "content": message["content"],
        "message_type": "incoming" if message["role"] == "customer" else "outgoing",
        "private": False,
        "sender": {"type": message["role"], "name": message.get("author")},
        "citations": message.get("citations", []),
    }
