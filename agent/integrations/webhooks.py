"""Tells other programs what happens, signed, until they have heard it.

Reads the feed behind everything else and writes to SQL; senders of their own, one for each address,
take it from there. Invariant: whatever dies, everything that happened is told at least once under
one delivery id; a dead receiver costs nobody but itself.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from agent.domain import Conversation, Event
from agent.errors import NotFound, StoreUnavailable, Unavailable
from agent.events.log import START, Announcement
from agent.integrations.outbound import post
from agent.storage.redis import ConversationStore
from agent.storage.webhooks import Delivery, WebhookRecords

log = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 15  # the last one half a day after the first
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 3600.0
_LEASE_S: Final = 60.0
_AT_ONCE: Final = 4
_WAIT_S: Final = 2.0
_LOOK_EVERY_S: Final = 1.0
_SAVE_EVERY_S: Final = 30.0
_OUT_OF_SIGHT: Final = timedelta(hours=1)

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
    def __init__(
        self, settings: WebhookSettings, store: ConversationStore, records: WebhookRecords
    ) -> None:
        self._settings = settings
        self._store = store
        self._records = records

    async def run(self) -> None:
        """Until cancelled; at once if there is nobody to tell."""
        if self._settings.urls:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                for url in self._settings.urls:
                    group.create_task(self._send_all(url))

    # -- from the feed to SQL

    async def _listen(self) -> None:
        reached: str | None = None
        saved = time.monotonic()
        while True:
            try:
                if reached is None:
                    reached = await asyncio.to_thread(self._records.position)
                    reached = reached or await self._store.feed_position()
                lines = await self._store.announcements(reached, _WAIT_S)
                made = [one for line in lines for one in await self._deliveries(line)]
                behind = lines[-1].position if lines else reached
                if made or (behind != reached and time.monotonic() - saved > _SAVE_EVERY_S):
                    await self._keep(made, behind)
                    saved = time.monotonic()
                reached = behind
            except StoreUnavailable:
                await asyncio.sleep(_WAIT_S)  # what happens is read when the store is back
            except Exception:
                log.exception("Webhooks could not follow what happens; tried again soon")
                await asyncio.sleep(_WAIT_S)

    async def _keep(self, made: Sequence[Delivery], position: str) -> None:
        refused = await asyncio.to_thread(self._records.add, made, position)
        if refused:
            log.warning("%d webhook deliveries were dropped: too many wait already", refused)

    async def _deliveries(self, line: Announcement) -> list[Delivery]:
        try:
            events = await self._events(line)
            told = [event for event in events if event.type in _NAMES]
            header = await self._store.get(line.conversation_id) if told else None
        except NotFound:
            return []  # erased
        if header is None:
            return []
        return [
            Delivery(_delivery_id(event, name, url), url, header.id, _body(event, name, header))
            for event in told
            for name in names_of(event)
            for url in self._settings.urls
        ]

    async def _events(self, line: Announcement) -> list[Event]:
        if line.last != START:
            return await self._store.between(line.conversation_id, line.first, line.last)
        # Something happened out of sight: tell what is new; what was told already is known by id.
        since = datetime.now(UTC) - _OUT_OF_SIGHT
        events = await self._store.events(line.conversation_id)
        return [event for event in events if datetime.fromisoformat(event.at) > since]

    # -- from SQL to the receivers

    async def _send_all(self, url: str) -> None:
        while True:
            try:
                due = await asyncio.to_thread(self._records.claim, url, _LEASE_S, _AT_ONCE)
                for delivery in due:
                    await self._send(delivery)
                if not due:
                    await asyncio.to_thread(self._records.forget_old)
                    await asyncio.sleep(_LOOK_EVERY_S)
            except StoreUnavailable:
                await asyncio.sleep(_WAIT_S)
            except Exception:
                log.exception("A webhook's sender stumbled; it goes on")
                await asyncio.sleep(_WAIT_S)

    async def _send(self, delivery: Delivery) -> None:
        body, timestamp = delivery.body.encode(), str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Frontdesk",
            "X-Frontdesk-Delivery": delivery.id,
            "X-Frontdesk-Timestamp": timestamp,
            "X-Frontdesk-Signature": signature(self._settings.secrets, timestamp, body),
        }
        try:
            status = await post(delivery.url, body, headers, self._settings.allowed_hosts)
            why = f"it answered {status}" if not 200 <= status < 300 else ""
        except (httpx.HTTPError, OSError, TimeoutError, Unavailable) as error:
            why = str(error) if isinstance(error, Unavailable) else type(error).__name__
        if not why:
            await asyncio.to_thread(self._records.told, delivery.id)
            return
        host = httpx.URL(delivery.url).host  # the address itself may hold a token
        last = delivery.attempts + 1 >= MAX_ATTEMPTS
        log.log(
            logging.WARNING if last else logging.INFO,
            "A webhook to %s failed%s: %s",
            host,
            " for good" if last else "",
            why,
        )
        pause = min(_FIRST_PAUSE_S * 2**delivery.attempts, _LONGEST_PAUSE_S)
        again_at = None if last else time.time() + pause
        await asyncio.to_thread(self._records.told, delivery.id, again_at=again_at)


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


def _delivery_id(event: Event, name: str, url: str) -> str:
    said = f"{event.conversation_id}\n{event.id}\n{name}\n{url}"
    return f"d_{hashlib.sha256(said.encode()).hexdigest()[:40]}"


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
