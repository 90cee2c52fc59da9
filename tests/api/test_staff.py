"""What staff do with conversations, over HTTP, on the whole product."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from tests.api.conftest import POLICIES, Chat, Product, blocks

pytestmark = pytest.mark.model
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Colleague:
    """Somebody of the staff, signed in."""

    id: str
    client: httpx.Client

    def post(self, chat: Chat, what: str, body: Any = None) -> httpx.Response:
        return self.client.post(f"/api/v1/staff/conversations/{chat.id}/{what}", json=body)

    def does(self, chat: Chat, what: str, body: Any = None) -> dict[str, Any]:
        answer = self.post(chat, what, body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def sees(self, chat: Chat) -> dict[str, Any]:
        return dict(self.client.get(f"/api/v1/staff/conversations/{chat.id}").json())

    def lists(self, **wanted: str) -> list[str]:
        answer = self.client.get("/api/v1/staff/conversations", params={"limit": "100", **wanted})
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]


@pytest.fixture
def ann(product: Product) -> Iterator[Colleague]:
    email = f"ann.moss.{token_hex(4)}@example.org"
    product.services.records.people.add(email, PASSWORD, "staff")
    with closing(product.client()) as client:
        answer = client.post("/api/v1/login", json={"email": email, "password": PASSWORD}).json()
        client.headers["X-CSRF-Token"] = answer["csrf"]
        yield Colleague(answer["user"]["id"], client)


def test_staff_take_over_reply_and_give_back(chat: Chat, ann: Colleague) -> None:
    chat.post("handoff")
    assert chat.id in ann.lists(status="open", assignee="none")

    taken = ann.does(chat, "take_over")
    assert (taken["status"], taken["assignee"]) == ("open", ann.id)
    assert chat.id in ann.lists(assignee="me")

    ann.does(chat, "messages", {"content": "Hello, I am here."})
    said = chat.snapshot()["messages"][-1]
    assert (said["role"], said["content"]) == ("human_agent", "Hello, I am here.")
    assert said["author"].startswith("Ann Moss")

    question = chat.say("How much is the fee for a dog?")
    assert ann.sees(chat)["messages"][-1]["role"] == "customer", "the AI is silent"
    returned = ann.does(chat, "return_to_ai")
    assert (returned["status"], returned["assignee"]) == ("pending", None)
    done = next(e for e in chat.events(question["event_id"]) if e["type"] == "reply.completed")
    assert "17" in done["data"]["message"]["content"]

    assert ann.does(chat, "resolve")["status"] == "resolved"
    assert chat.id in ann.lists(status="resolved")
    assert chat.snapshot()["status"] == "resolved"


def test_the_card_and_the_notes_are_for_staff_only(chat: Chat, ann: Colleague) -> None:
    chat.answer("How much is the fee for a dog?")
    chat.post("handoff")
    seen = ann.does(chat, "notes", {"content": "Regular guest."})
    assert seen["notes"][0]["content"] == "Regular guest."
    card = seen["card"]
    assert card["reason"] == seen["reason"] == "customer_request"
    assert {"summary", "intent", "open_questions", "sentiment", "tried", "citations"} <= set(card)
    assert card["citations"][0]["quote"] in POLICIES[0][1]
    shown = json.dumps(chat.snapshot())
    assert "Regular guest" not in shown
    assert "sentiment" not in shown


def test_a_reply_takes_the_conversation_from_the_ai(chat: Chat, ann: Colleague) -> None:
    posted = chat.say("How much is the fee for a dog?")
    ann.does(chat, "messages", {"content": "I will answer that myself."})
    ends = {"reply.completed", "turn.cancelled", "turn.failed"}
    end = next(event for event in chat.events(posted["event_id"]) if event["type"] in ends)
    assert end["type"] in {"turn.cancelled", "reply.completed"}
    seen = ann.sees(chat)
    assert (seen["status"], seen["assignee"]) == ("open", ann.id)
    assert seen["messages"][-1]["content"] == "I will answer that myself."


def test_a_draft_is_written_with_its_sources_and_not_sent(chat: Chat, ann: Colleague) -> None:
    assert ann.post(chat, "suggest").status_code == 409, "nobody has asked anything"
    chat.post("handoff")
    chat.say("How much is the fee for a dog?")
    draft = ann.does(chat, "suggest")
    assert "17" in draft["content"]
    assert draft["citations"][0]["title"] == "Pets"
    assert chat.snapshot()["messages"][-1]["role"] == "customer"


def test_a_snoozed_conversation_comes_back_by_itself(chat: Chat, ann: Colleague) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert ann.post(chat, "snooze", {"until": soon}).status_code == 409, "the AI has it"
    ann.does(chat, "take_over")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    assert ann.post(chat, "snooze", {"until": past}).json()["field"] == "until"
    since = ann.sees(chat)["last_event_id"]
    assert ann.does(chat, "snooze", {"until": soon})["status"] == "snoozed"
    for event in chat.events(since):
        if event["type"] == "status.changed" and event["data"]["to"] == "open":
            break
    assert ann.sees(chat)["snoozed_until"] is None


def test_a_snoozed_conversation_comes_back_when_the_customer_writes(
    chat: Chat, ann: Colleague
) -> None:
    ann.does(chat, "take_over")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    ann.does(chat, "snooze", {"until": later})
    chat.say("Are you still there?")
    assert ann.sees(chat)["status"] == "open"


def test_after_a_resolution_the_ai_begins_afresh(chat: Chat, ann: Colleague) -> None:
    ann.does(chat, "take_over")
    ann.does(chat, "resolve")
    done = chat.answer("How much is the fee for a dog?")
    assert "17" in done["data"]["message"]["content"]
    seen = ann.sees(chat)
    assert (seen["status"], seen["assignee"]) == ("pending", None)


def test_only_what_a_person_has_is_given_back(chat: Chat, ann: Colleague) -> None:
    answer = ann.post(chat, "return_to_ai")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_labels_and_assignments_are_kept_and_found(chat: Chat, ann: Colleague) -> None:
    mark = token_hex(6)
    assert ann.does(chat, "labels", {"labels": [mark, "refund", mark]})["labels"] == [
        mark,
        "refund",
    ]
    assert ann.lists(q=mark.upper()) == [chat.id]
    assert ann.does(chat, "assign", {"user_id": ann.id})["assignee"] == ann.id
    assert ann.post(chat, "assign", {"user_id": "u_nobody"}).json()["field"] == "user_id"
    assert ann.does(chat, "assign", {"user_id": None})["assignee"] is None


def test_who_waits_longest_comes_first(client: httpx.Client, ann: Colleague) -> None:
    def a_chat() -> Chat:
        started = client.post("/api/v1/conversations", json={}).json()
        return Chat(started["id"], started["token"], client)

    first, second = a_chat(), a_chat()
    first.post("handoff")
    second.post("handoff")
    first.say("Anybody?")
    listed = ann.lists(status="open")
    assert listed.index(first.id) < listed.index(second.id)


def test_lists_come_in_pages(client: httpx.Client, ann: Colleague) -> None:
    for _ in range(3):
        client.post("/api/v1/conversations", json={})
    path = "/api/v1/staff/conversations"
    pages = [ann.client.get(path, params={"limit": 2, "page": n}).json() for n in (1, 2)]
    assert pages[0]["next"] == 2
    ids = [item["id"] for page in pages for item in page["items"]]
    assert len(set(ids)) == len(ids) >= 3


def test_staff_follow_everything_live_and_resume(
    product: Product, chat: Chat, ann: Colleague
) -> None:
    with ann.client.stream("GET", "/api/v1/staff/events") as response:
        parts = response.iter_text()
        assert next(parts).startswith(":"), "connected"
        chat.post("handoff")
        seen: list[dict[str, str]] = []
        for block in blocks(parts):
            if "data" in block and json.loads(block["data"])["conversation_id"] == chat.id:
                seen.append(block)
                if block["event"] == "handoff.updated":
                    break
    assert [block["event"] for block in seen] == ["status.changed", "handoff.updated"]
    position = seen[-1]["id"]

    ann.does(chat, "notes", {"content": "While nobody looked."})
    headers = {"Last-Event-ID": position}
    with ann.client.stream("GET", "/api/v1/staff/events", headers=headers) as response:
        for block in blocks(response.iter_text()):
            if "data" in block and json.loads(block["data"])["conversation_id"] == chat.id:
                assert block["event"] == "note.created"
                break


def test_a_position_that_the_feed_no_longer_holds_asks_to_read_again(ann: Colleague) -> None:
    with ann.client.stream("GET", "/api/v1/staff/events", params={"after": "1-0"}) as response:
        first = next(block for block in blocks(response.iter_text()) if "event" in block)
    assert first["event"] == "reset"
    assert ann.client.get("/api/v1/staff/events", params={"after": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("messages", {}),
        ("messages", {"content": " "}),
        ("messages", {"content": "x" * 4001}),
        ("notes", {"content": 7}),
        ("snooze", {"until": "tomorrow"}),
        ("snooze", {"until": "2030-01-01T00:00:00"}),
        ("labels", {"labels": ["x"] * 21}),
        ("labels", {"labels": [""]}),
        ("assign", {}),
    ],
)
def test_bad_input_is_named(chat: Chat, ann: Colleague, what: str, body: dict[str, Any]) -> None:
    answer = ann.post(chat, what, body)
    assert answer.status_code == 422
    assert answer.json()["field"]


def test_nobody_else_gets_in(product: Product, chat: Chat, client: httpx.Client) -> None:
    paths = [
        ("GET", "/api/v1/staff/conversations"),
        ("GET", f"/api/v1/staff/conversations/{chat.id}"),
        ("GET", "/api/v1/staff/events"),
        ("POST", f"/api/v1/staff/conversations/{chat.id}/take_over"),
        ("POST", f"/api/v1/staff/conversations/{chat.id}/suggest"),
    ]
    strangers = [{}, chat.headers, {"Authorization": f"Bearer {product.key}"}]
    for method, path in paths:
        for headers in strangers:
            assert client.request(method, path, headers=headers).status_code == 401, path


@pytest.mark.parametrize("unknown", ["c_unknown", "x" * 81, "..%2f..", "%00"])
def test_an_unknown_conversation_is_404(ann: Colleague, unknown: str) -> None:
    assert ann.client.get(f"/api/v1/staff/conversations/{unknown}").status_code == 404
