"""What staff have beside conversations, and how they work together, over HTTP."""

import asyncio
import hmac
import json
from collections.abc import Iterator
from contextlib import closing
from secrets import token_hex
from typing import Any

import httpx
import pytest

from agent.storage.archive import archive_one
from tests.api.conftest import POLICIES, Chat, Product, blocks
from tests.api.test_staff import PASSWORD, Colleague, ann  # noqa: F401  # a fixture

pytestmark = pytest.mark.model

STAFF = "/api/v1/staff"


@pytest.fixture
def boss(product: Product) -> Iterator[Colleague]:
    email = f"bo.lane.{token_hex(4)}@example.org"
    product.services.records.people.add(email, PASSWORD, "supervisor")
    with closing(product.client()) as client:
        answer = client.post("/api/v1/login", json={"email": email, "password": PASSWORD}).json()
        client.headers["X-CSRF-Token"] = answer["csrf"]
        yield Colleague(answer["user"]["id"], client)


def a_chat(client: httpx.Client) -> Chat:
    started = client.post("/api/v1/conversations", json={}).json()
    return Chat(started["id"], started["token"], client)


def archived(product: Product, chat: Chat) -> bool:
    move = archive_one(product.services.store, product.services.records, chat.id)
    return asyncio.run_coroutine_threadsafe(move, product.loop).result()


# -- canned replies


def test_supervisors_write_canned_replies_and_staff_read_them(
    ann: Colleague,  # noqa: F811
    boss: Colleague,
) -> None:
    name = f"thanks-{token_hex(3)}"
    path = f"{STAFF}/canned_replies"
    refused = ann.client.post(path, json={"name": name, "content": "Thank you!"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")

    made = boss.client.post(path, json={"name": name, "content": "Thank you, {name}!"})
    assert made.status_code == 201
    kept = [one for one in ann.client.get(path).json()["items"] if one["name"] == name]
    assert kept == [made.json()]
    again = boss.client.post(path, json={"name": name, "content": "Another."})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")

    own = f"{path}/{made.json()['id']}"
    changed = boss.client.put(own, json={"name": name, "content": "Thanks a lot!"})
    assert changed.json()["content"] == "Thanks a lot!"
    assert ann.client.delete(own).status_code == 403
    assert boss.client.delete(own).status_code == 200
    assert boss.client.delete(own).status_code == 404
    assert name not in {one["name"] for one in ann.client.get(path).json()["items"]}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "content": "x"},
        {"name": "two words", "content": "x"},
        {"name": "x" * 61, "content": "x"},
        {"name": "x", "content": " "},
        {"name": "x"},
    ],
)
def test_a_bad_canned_reply_is_refused_by_its_field(boss: Colleague, body: dict[str, str]) -> None:
    answer = boss.client.post(f"{STAFF}/canned_replies", json=body)
    assert (answer.status_code, bool(answer.json()["field"])) == (422, True)


# -- the list


def test_priority_is_shown_filtered_and_sorts_who_waits(
    client: httpx.Client,
    ann: Colleague,  # noqa: F811
) -> None:
    first, second = a_chat(client), a_chat(client)
    for chat in (first, second):
        chat.post("handoff")
    assert ann.does(second, "priority", {"priority": "urgent"})["priority"] == "urgent"
    waiting = ann.lists(status="open")
    assert waiting.index(second.id) < waiting.index(first.id)
    assert second.id in ann.lists(priority="urgent")
    assert first.id not in ann.lists(priority="urgent")
    assert ann.post(first, "priority", {"priority": "soon"}).json()["field"] == "priority"


def test_the_list_is_filtered_by_reason_and_label(
    chat: Chat,
    ann: Colleague,  # noqa: F811
) -> None:
    chat.post("handoff")
    mark = token_hex(5)
    ann.does(chat, "labels", {"labels": [mark]})
    assert ann.lists(label=mark) == [chat.id]
    assert ann.lists(label=mark, reason="customer_request") == [chat.id]
    assert ann.lists(label=mark, reason="agent_error") == []


def test_what_was_archived_is_found_by_its_words_and_among_the_resolved(
    product: Product,
    chat: Chat,
    ann: Colleague,  # noqa: F811
) -> None:
    word = f"w{token_hex(6)}"
    ann.does(chat, "take_over")
    chat.say(f"My booking is {word}.")
    ann.does(chat, "resolve")
    assert archived(product, chat)
    assert ann.lists(q=word) == [chat.id]
    assert chat.id in ann.lists(status="resolved")
    assert chat.id not in ann.lists(status="open")
    assert ann.sees(chat)["messages"][-1]["content"].endswith(f"{word}.")


def test_the_first_answer_and_each_next_one_are_due(
    product: Product,
    chat: Chat,
    ann: Colleague,  # noqa: F811
) -> None:
    assert ann.sees(chat)["due"] is None
    chat.post("handoff")
    first = ann.sees(chat)["due"]
    assert (first["answer"], first["since"] < first["at"]) == ("first", True)
    assert ann.does(chat, "messages", {"content": "Hello."})["due"] is None
    chat.say("And now?")
    later = ann.sees(chat)["due"]
    assert later["answer"] == "next"


def test_earlier_conversations_of_the_same_verified_customer(
    product: Product,
    client: httpx.Client,
    ann: Colleague,  # noqa: F811
) -> None:
    secret = product.services.records.secret("widget_secret")[0]
    who = f"guest-{token_hex(4)}"
    sign = hmac.new(secret, who.encode(), "sha256").hexdigest()
    customer = {"identifier": who, "identifier_hash": sign}
    ids = [
        client.post("/api/v1/conversations", json={"customer": customer}).json()["id"]
        for _ in range(2)
    ]
    found = ann.client.get(f"{STAFF}/conversations/{ids[1]}/earlier").json()["items"]
    assert [one["id"] for one in found] == [ids[0]]
    anonymous = a_chat(client)
    answer = ann.client.get(f"{STAFF}/conversations/{anonymous.id}/earlier")
    assert answer.json()["items"] == []


# -- who is there


def test_the_customer_sees_that_staff_type_and_nothing_is_stored(
    chat: Chat,
    ann: Colleague,  # noqa: F811
) -> None:
    chat.post("handoff")
    after = chat.snapshot()["last_event_id"]
    with chat.client.stream(
        "GET", f"{chat.path}/events", params={"after": after}, headers=chat.headers
    ) as response:
        parts = response.iter_text()
        assert next(parts).startswith(":"), "connected"
        ann.does(chat, "presence", {"doing": "typing", "note": True})
        ann.does(chat, "presence", {"doing": "looking"})
        ann.does(chat, "presence", {"doing": "typing"})
        seen = next(block for block in blocks(parts) if "data" in block)
    assert seen["event"] == "typing"
    assert "id" not in seen
    event = json.loads(seen["data"])
    assert "id" not in event
    assert event["conversation_id"] == chat.id
    assert event["data"]["name"].startswith("Ann Moss")
    assert chat.snapshot()["last_event_id"] == after


def test_two_people_in_one_conversation_see_each_other(
    chat: Chat,
    ann: Colleague,  # noqa: F811
    boss: Colleague,
) -> None:
    chat.post("handoff")
    assert ann.does(chat, "presence", {"doing": "looking"})["others"] == []
    with ann.client.stream("GET", f"{STAFF}/events") as response:
        parts = response.iter_text()
        assert next(parts).startswith(":"), "connected"
        others = boss.does(chat, "presence", {"doing": "typing"})["others"]
        assert [(one["user_id"], one["doing"]) for one in others] == [(ann.id, "looking")]
        seen = next(
            block
            for block in blocks(parts)
            if block.get("event") == "presence.updated" and chat.id in block["data"]
        )
    assert json.loads(seen["data"])["data"]["doing"] == "typing"
    boss.does(chat, "presence", {"doing": "gone"})
    assert ann.does(chat, "presence", {"doing": "looking"})["others"] == []
    assert ann.post(chat, "presence", {"doing": "sleeping"}).json()["field"] == "doing"


# -- drafts


def test_a_draft_is_streamed_as_it_is_written(
    chat: Chat,
    ann: Colleague,  # noqa: F811
) -> None:
    headers = {"Accept": "text/event-stream"}
    path = f"{STAFF}/conversations/{chat.id}/suggest"
    assert ann.client.post(path, headers=headers).status_code == 409, "nobody has asked anything"
    chat.post("handoff")
    chat.say("How much is the fee for a dog?")
    with ann.client.stream("POST", path, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = [(b["event"], json.loads(b["data"])) for b in blocks(response.iter_text()) if b]
    texts = "".join(data["text"] for event, data in told if event == "draft.delta")
    assert [event for event, _ in told].count("draft.completed") == 1
    last, draft = told[-1]
    assert last == "draft.completed"
    assert "17" in texts
    assert "17" in draft["content"]
    assert draft["question"] == "How much is the fee for a dog?"
    assert draft["citations"][0]["title"] == "Pets"
    assert chat.snapshot()["messages"][-1]["role"] == "customer"


# -- what staff say of answers


def approved_again(client: httpx.Client, question: str) -> dict[str, Any]:
    return dict(a_chat(client).answer(question)["data"]["message"])


def test_an_approved_answer_is_given_again_until_it_is_reported(
    product: Product,
    client: httpx.Client,
    ann: Colleague,  # noqa: F811
) -> None:
    added = product.services.library.add_texts(
        [("boats.md", "# Boats\n\nA rowing boat costs 23 euros a day.", "Boats")],
        source="backstage",
        publish=True,
    )
    question = "What does a rowing boat cost a day?"
    chat = a_chat(client)
    answer = chat.answer(question)["data"]["message"]
    seen = ann.does(chat, f"messages/{answer['id']}/approve")
    assert seen["reviews"][answer["id"]]["verdict"] == "approved"
    again = approved_again(client, question)
    assert (again["content"], again["timings"]["completion_tokens"]) == (answer["content"], 0)

    fault = {
        "reason": "outdated_information",
        "comment": "The price has changed.",
        "right_answer": "25 euros.",
    }
    seen = ann.does(chat, f"messages/{answer['id']}/report", fault)
    assert seen["reviews"][answer["id"]]["verdict"] == "reported"
    assert approved_again(client, question)["timings"]["completion_tokens"] > 0
    report = ann.client.get(f"{STAFF}/reports", params={"limit": 1}).json()["items"][0]
    assert {name: report[name] for name in fault} == fault
    assert (report["question"], report["answer"]) == (question, answer["content"])
    assert report["citations"][0]["title"] == "Boats"
    assert "changed" not in json.dumps(chat.snapshot())

    assert client.delete(chat.path, headers=chat.headers).status_code == 202
    kept = ann.client.get(f"{STAFF}/reports").json()["items"]
    assert answer["id"] not in {one["message_id"] for one in kept}
    product.services.library.retire(added[0].document_id or "")


def test_only_answers_of_the_ai_are_reviewed(
    chat: Chat,
    ann: Colleague,  # noqa: F811
) -> None:
    hello = chat.answer("hello")["data"]["message"]
    refused = ann.post(chat, f"messages/{hello['id']}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    said = chat.snapshot()["messages"][0]["id"]
    for message_id in (said, "m_unknown", "x" * 81):
        fault = {"reason": "other"}
        assert ann.post(chat, f"messages/{message_id}/report", fault).status_code == 404
    wrong = ann.post(chat, f"messages/{hello['id']}/report", {"reason": "ugly"})
    assert wrong.json()["field"] == "reason"


# -- beside it all


def test_the_policies_are_searched_with_those_for_staff(
    product: Product,
    ann: Colleague,  # noqa: F811
) -> None:
    found = ann.client.post(f"{STAFF}/search", json={"query": "fee for a dog"}).json()["items"]
    assert found[0]["title"] == "Pets"
    assert found[0]["text"] in POLICIES[0][1]
    assert {"document_id", "revision", "section", "audience", "score"} <= set(found[0])
    empty = ann.client.post(f"{STAFF}/search", json={"query": " "})
    assert empty.json()["field"] == "query"


def test_a_supervisor_sees_how_work_stands(
    chat: Chat,
    ann: Colleague,  # noqa: F811
    boss: Colleague,
) -> None:
    chat.post("handoff")
    before = boss.client.get(f"{STAFF}/overview").json()
    listed = ann.client.get(f"{STAFF}/conversations", params={"status": "resolved"}).json()
    assert before["waiting"] == listed["waiting"] >= 1
    assert before["oldest"]["since"]
    assert sum(one["waiting"] for one in before["reasons"]) == before["waiting"]
    ann.does(chat, "messages", {"content": "Hello."})
    after = boss.client.get(f"{STAFF}/overview").json()
    assert after["waiting"] == before["waiting"] - 1
    mine = next(one for one in after["people"] if one["id"] == ann.id)
    assert (mine["open"], mine["waiting"], mine["answered_today"]) == (1, 0, 1)
    assert ann.client.get(f"{STAFF}/overview").status_code == 403


def test_staff_know_their_colleagues(ann: Colleague, boss: Colleague) -> None:  # noqa: F811
    found = {one["id"]: one for one in ann.client.get(f"{STAFF}/people").json()["items"]}
    assert found[boss.id]["role"] == "supervisor"
    assert found[boss.id]["name"].startswith("Bo Lane")


def test_nobody_else_gets_in(client: httpx.Client, chat: Chat) -> None:
    paths = [("GET", p) for p in ("people", "canned_replies", "overview", "reports")]
    for method, path in [*paths, ("POST", "search"), ("POST", "canned_replies")]:
        for headers in ({}, chat.headers):
            answer = client.request(method, f"{STAFF}/{path}", headers=headers, json={})
            assert answer.status_code == 401, path
