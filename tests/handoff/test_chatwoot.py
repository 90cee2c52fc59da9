"""Frontdesk as the agent bot of a Chatwoot inbox: their payloads in, their API's calls out."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.handoff.conftest import Opened, Stage, eventually
from tests.handoff.receiver import Heard, Receiver, receiving

SECRET = "a long random text"
QUESTION = "How much is the fee for a dog?"
NUMBERS = count(501)


def conversation(number: int, status: str) -> dict[str, Any]:
    """As `webhook_data` of theirs tells one."""
    return {
        "additional_attributes": {"browser": {"device_name": "Unknown"}},
        "can_reply": True,
        "channel": "Channel::WebWidget",
        "contact_inbox": {"id": 9, "contact_id": 7, "inbox_id": 3, "source_id": "c9"},
        "id": number,
        "inbox_id": 3,
        "messages": [{"id": 77, "account_id": 2, "message_type": 0, "conversation_id": number}],
        "labels": [],
        "meta": {"sender": {"id": 7, "name": "Kim", "type": "contact"}, "assignee": None},
        "status": status,
        "custom_attributes": {},
        "snoozed_until": None,
        "unread_count": 1,
        "timestamp": 1764190000,
        "created_at": 1764190000,
    }


def message(number: int, content: str | None, **changes: Any) -> dict[str, Any]:
    status = changes.pop("status", "pending")
    return {
        "account": {"id": 2, "name": "Tidelark"},
        "additional_attributes": {},
        "content_attributes": {},
        "content_type": "text",
        "content": content,
        "conversation": conversation(number, status),
        "created_at": "2026-11-26T20:00:00.000Z",
        "id": next(NUMBERS),
        "inbox": {"id": 3, "name": "Website"},
        "message_type": "incoming",
        "private": False,
        "sender": {"id": 7, "name": "Kim", "email": "kim@example.org", "type": "contact"},
        "source_id": None,
        "event": "message_created",
    } | changes


@dataclass
class Inbox:
    """A Chatwoot that is asked of, and what it was asked."""

    stage: Stage
    server: Receiver
    numbers: Iterator[int] = field(default_factory=lambda: count(11))

    def tell(self, payload: dict[str, Any], secret: str = SECRET) -> httpx.Response:
        return self.stage.client.post(f"/api/v1/chatwoot/{secret}", json=payload)

    def asked(self, number: int, what: str) -> list[Heard]:
        path = f"/api/v1/accounts/2/conversations/{number}/{what}"
        return [one for one in list(self.server.heard) if one.path == path]

    def said(self, number: int, *, private: bool = False) -> list[str]:
        bodies = [one.body for one in self.asked(number, "messages")]
        return [body["content"] for body in bodies if body["private"] is private]


@pytest.fixture(scope="module")
def inbox(staged: Opened) -> Iterator[Inbox]:
    with (
        receiving() as server,
        staged(
            chatwoot_url=server.url,
            chatwoot_token=SecretStr("bot token"),
            chatwoot_secret=SecretStr(SECRET),
            allowed_hosts=("127.0.0.1",),
        ) as stage,
    ):
        yield Inbox(stage, server)


def test_a_question_is_answered_there(inbox: Inbox) -> None:
    number = next(inbox.numbers)
    assert inbox.tell(message(number, QUESTION)).status_code == 200
    (said,) = eventually(lambda: inbox.said(number))
    assert said == "The fee for a dog is 17 euros a night.\n\n(Pets)"
    (call,) = inbox.asked(number, "messages")
    assert call.headers["api_access_token"] == "bot token"
    assert call.body["message_type"] == "outgoing"
    assert inbox.asked(number, "toggle_status") == []


def test_the_same_delivery_twice_is_one_message(inbox: Inbox) -> None:
    number = next(inbox.numbers)
    payload = message(number, QUESTION)
    inbox.tell(payload)
    inbox.tell(payload)
    eventually(lambda: inbox.said(number))
    inbox.tell(payload)
    inbox.tell(message(number, "And what does a lost key cost?"))
    eventually(lambda: len(inbox.said(number)) == 2)


def test_a_handoff_opens_it_there_with_a_private_note(inbox: Inbox) -> None:
    number = next(inbox.numbers)
    inbox.tell(message(number, "I want to talk to a person"))
    eventually(lambda: inbox.asked(number, "toggle_status"))
    assert inbox.asked(number, "toggle_status")[0].body == {"status": "open"}
    note = eventually(lambda: inbox.said(number, private=True))[0]
    assert "customer_request" in note
    assert "The customer asked for a person." in note

    opened = conversation(number, "open") | {"event": "conversation_opened"}
    assert inbox.tell(opened).status_code == 200
    said = len(inbox.said(number))
    inbox.tell(message(number, "Are you there?", status="open"))
    inbox.tell(message(number, QUESTION))  # people gave it back to the bot
    eventually(lambda: len(inbox.said(number)) == said + 1)
    assert "17 euros" in inbox.said(number)[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"message_type": "outgoing", "sender": {"id": 1, "name": "Ann", "type": "user"}},
        {"message_type": "outgoing", "private": True},
        {"private": True},
        {"message_type": "activity"},
        {"status": "open"},
        {"status": "resolved"},
        {"status": "snoozed"},
        {"event": "message_updated"},
        {"event": "webwidget_triggered"},
    ],
    ids=str,
)
def test_what_is_not_a_customers_word_to_the_bot_is_ignored(
    inbox: Inbox, changes: dict[str, Any]
) -> None:
    number = next(inbox.numbers)
    assert inbox.tell(message(number, QUESTION, **changes)).status_code == 200
    other = next(inbox.numbers)
    inbox.tell(message(other, QUESTION))
    eventually(lambda: inbox.said(other))
    assert inbox.asked(number, "messages") == []


def test_a_message_without_words_goes_to_people(inbox: Inbox) -> None:
    number = next(inbox.numbers)
    inbox.tell(message(number, None, attachments=[{"id": 1, "file_type": "image"}]))
    eventually(lambda: inbox.asked(number, "toggle_status"))


def test_only_chatwoot_is_heard(inbox: Inbox) -> None:
    number = next(inbox.numbers)
    payload = message(number, QUESTION)
    assert inbox.tell(payload, secret="guessed").status_code == 401
    raw, now = json.dumps(payload).encode(), str(int(time.time()))

    def signed(secret: str, timestamp: str) -> int:
        text = timestamp.encode() + b"." + raw
        given = "sha256=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
        headers = {"X-Chatwoot-Signature": given, "X-Chatwoot-Timestamp": timestamp}
        client = inbox.stage.client
        return client.post("/api/v1/chatwoot", content=raw, headers=headers).status_code

    assert inbox.stage.client.post("/api/v1/chatwoot", content=raw).status_code == 401
    assert signed("guessed", now) == 401
    assert signed(SECRET, str(int(now) - 3600)) == 401
    assert inbox.asked(number, "messages") == []
    assert signed(SECRET, now) == 200
    eventually(lambda: inbox.said(number))


def test_nonsense_is_refused(inbox: Inbox) -> None:
    for raw in (b"", b"[]", b"{", b'{"event": 1}', b'{"event": "x", "id": "y"}'):
        answer = inbox.stage.client.post(f"/api/v1/chatwoot/{SECRET}", content=raw)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_without_a_chatwoot_there_is_no_door(stage: Stage) -> None:
    assert stage.client.post(f"/api/v1/chatwoot/{SECRET}", json={}).status_code == 404
