"""Frontdesk as an agent bot of a Chatwoot inbox: what it says there, and whether a call is theirs.

Knows their API's words and no conversation's rules. Invariant: only what was said to the customer
here is said to them there; what staff are told goes as a private note.
"""

import asyncio
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
from agent.policy.citing import without_markers
from agent.storage.chatwoot import ChatwootRecords, Theirs
from agent.storage.webhooks import Delivery

QUEUE: Final = "chatwoot"
FRESH_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class ChatwootSettings:
    """`token` is the bot's own; each of `secrets` authenticates what comes from there."""

    url: str
    token: str
    secrets: tuple[bytes, ...]
    allowed_hosts: frozenset[str]


class Chatwoot:
    name = "Chatwoot"
    queues: tuple[str, ...] = (QUEUE,)

    def __init__(self, settings: ChatwootSettings, records: ChatwootRecords) -> None:
        self._settings = settings
        self._records = records

    # -- what comes from there

    def knows_token(self, token: str) -> bool:
        return _is_one_of(token, self._settings.secrets)

    def knows_signature(self, given: str, timestamp: str, body: bytes) -> bool:
        """Signed by them not long ago."""
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp[:15])) > FRESH_S:
            return False
        signed = timestamp.encode() + b"." + body
        wanted = [
            f"sha256={hmac.new(secret, signed, hashlib.sha256).hexdigest()}".encode()
            for secret in self._settings.secrets
        ]
        return _is_one_of(given, wanted)

    # -- what goes there

    def tells(self, event: Event) -> bool:
        if event.type == "status.changed":
            return bool(event.data["to"] == "open")
        if event.type == "message.created":
            return bool(event.data["message"]["role"] == "human_agent")
        return event.type in {"reply.completed", "handoff.updated"}

    async def deliveries(self, event: Event, header: Conversation) -> list[Delivery]:
        theirs = await asyncio.to_thread(self._records.theirs, header.id)
        if theirs is None:
            return []
        return [
            Delivery(
                delivery_id(event, what, QUEUE),
                QUEUE,
                header.id,
                json.dumps({"path": path_of(theirs, what), "body": body}, ensure_ascii=False),
            )
            for what, body in _said(event)
        ]

    async def send(self, delivery: Delivery) -> int:
        said = json.loads(delivery.body)
        return await post(
            self._settings.url + said["path"],
            json.dumps(said["body"], ensure_ascii=False).encode(),
            {"Content-Type": "application/json", "api_access_token": self._settings.token},
            self._settings.allowed_hosts,
        )


def _is_one_of(given: str, wanted: Sequence[bytes]) -> bool:
    """Takes the same time whatever it finds."""
    found = False
    for one in wanted:
        found |= hmac.compare_digest(one, given.encode("utf-8", "replace"))
    return found


def path_of(theirs: Theirs, what: str) -> str:
    return f"/api/v1/accounts/{theirs.account}/conversations/{theirs.conversation}/{what}"


def _said(event: Event) -> Sequence[tuple[str, dict[str, Any]]]:
    if event.type == "status.changed":
        return [("toggle_status", {"status": "open"})]
    if event.type == "handoff.updated":
        card = event.data["card"]
        note = f"Handed over by the AI ({card['reason']}).\n\n{card['summary']}"
        return [("messages", {"content": note, "message_type": "outgoing", "private": True})]
    message = event.data["message"]
    titles = dict.fromkeys(one["title"] for one in message.get("citations") or ())
    content = without_markers(message["content"])
    if titles:
        content += f"\n\n({', '.join(titles)})"
    return [("messages", {"content": content, "message_type": "outgoing", "private": False})]
