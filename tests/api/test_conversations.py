"""A customer's conversation over HTTP, on the whole product."""

import asyncio
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import time
from typing import Any

import httpx
import jwt
import pytest
import uvicorn

from agent.app import create_app

from .conftest import POLICIES, Chat, Product, blocks

pytestmark = pytest.mark.model


def test_a_question_is_answered_from_the_policies_with_a_citation(chat: Chat) -> None:
    posted = chat.say("How much is the fee for a dog?")
    events = []
    for event in chat.events(posted["event_id"]):
        events.append(event)
        if event["type"] == "reply.completed":
            break
    message = events[-1]["data"]["message"]
    assert "17" in message["content"]
    assert message["outcome"] == "answered"
    assert message["citations"][0]["title"] == "Pets"
    assert message["citations"][0]["quote"] in POLICIES[0][1]
    assert events[0]["type"] == "turn.started"
    deltas = "".join(e["data"]["text"] for e in events if e["type"] == "reply.delta")
    assert deltas == message["content"] or events[-1]["data"]["replaced"] is True


def test_curl_reads_the_stream(chat: Chat, product: Product) -> None:
    curl = shutil.which("curl")
    assert curl, "curl is not installed; run: apt-get install curl"
    posted = chat.say("Are cats allowed?")
    reading = subprocess.Popen(
        [
            curl, "-N", "-s", "-H", f"Authorization: Bearer {chat.token}",
            "-H", f"Last-Event-ID: {posted['event_id']}",
            f"{product.url}{chat.path}/events",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert reading.stdout is not None
        seen = []
        for block in blocks(iter(lambda: reading.stdout.readline(), "")):  # type: ignore[union-attr]
            seen.append(block)
            if block.get("event") in ("reply.completed", "turn.failed"):
                break
    finally:
        reading.kill()
        reading.communicate()
    assert seen[0] == {}, "a comment tells the reader that it is connected"
    completed = json.loads(seen[-1]["data"])
    assert completed["type"] == "reply.completed"
    assert completed["data"]["message"]["content"]


def test_a_reader_that_leaves_does_not_stop_the_turn(chat: Chat) -> None:
    posted = chat.say("Until when can I cancel free of charge?")
    stream = chat.events(posted["event_id"])
    assert next(stream)["type"] == "turn.started"
    stream.close()  # type: ignore[attr-defined]
    types = []
    for event in chat.events(posted["event_id"]):
        types.append(event["type"])
        if types[-1] == "reply.completed":
            break
    assert types.count("turn.started") == 1


def test_the_stream_resumes_after_the_header_and_the_header_wins_over_the_query(
    chat: Chat,
) -> None:
    posted = chat.say("hello")
    first = []
    for event in chat.events(posted["event_id"]):
        first.append(event)
        if event["type"] == "reply.completed":
            break
    again = chat.events(first[-1]["id"], **{"Last-Event-ID": first[0]["id"]})
    assert [next(again)["id"] for _ in first[1:]] == [event["id"] for event in first[1:]]


def test_a_position_that_the_log_no_longer_holds_asks_for_a_new_snapshot(
    chat: Chat, product: Product
) -> None:
    first = chat.say("hello")["event_id"]
    chat.answer("hello again")
    trimming = product.services.store._trim(chat.id, keep=1)
    asyncio.run_coroutine_threadsafe(trimming, product.loop).result()
    with chat.client.stream(
        "GET", f"{chat.path}/events", params={"after": first}, headers=chat.headers
    ) as response:
        seen = list(blocks(response.iter_text()))
    assert [block["event"] for block in seen if block] == ["reset"]
    assert json.loads(seen[-1]["data"])["code"] == "log_trimmed"


def test_the_servers_end_ends_the_event_streams(chat: Chat, product: Product) -> None:
    """On a server of its own, over the product's services."""
    app = create_app(product.services)
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    serving = asyncio.run_coroutine_threadsafe(server.serve([listening]), product.loop)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}{chat.path}/events"
    with httpx.stream("GET", url, headers=chat.headers, timeout=60) as response:
        parts = response.iter_raw()
        assert next(parts) == b": heartbeat\n\n"
        product.loop.call_soon_threadsafe(app.state.closing.set)
        assert b"".join(parts) == b"", "the stream ended, and in order"
    server.should_exit = True
    serving.result()


def test_the_snapshot_and_the_events_behind_it_join(chat: Chat) -> None:
    completed = chat.answer("hello")
    snapshot = chat.snapshot()
    assert snapshot["id"] == chat.id
    assert snapshot["status"] == "pending"
    assert snapshot["last_event_id"] == completed["id"]
    assert [message["role"] for message in snapshot["messages"]] == ["customer", "ai_agent"]
    assert snapshot["messages"][1] == completed["data"]["message"]


def test_the_same_client_message_id_again_is_the_same_message(chat: Chat) -> None:
    body = {"content": "hello", "client_message_id": "one"}
    first, second = chat.post("messages", body), chat.post("messages", body)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert [m["content"] for m in chat.snapshot()["messages"]].count("hello") == 1


def test_talking_to_a_person_opens_the_conversation(chat: Chat) -> None:
    assert chat.post("handoff", {"reason": "I want to complain"}).status_code == 202
    assert chat.snapshot()["status"] == "open"


def test_the_second_question_in_a_row_without_an_answer_calls_a_person(chat: Chat) -> None:
    first = chat.answer("What will the weather be like in Lisbon tomorrow?")
    assert first["data"]["message"]["outcome"] == "refused"
    assert chat.snapshot()["status"] == "pending"
    second = chat.answer("Who won the football match yesterday?")
    assert second["data"]["message"]["outcome"] == "handed_off"
    changed = next(e for e in chat.events(second["id"]) if e["type"] == "status.changed")
    assert changed["data"] == {"from": "pending", "to": "open", "reason": "missing_knowledge"}


def test_a_handoff_needs_no_body(chat: Chat) -> None:
    response = chat.client.post(f"{chat.path}/handoff", headers=chat.headers)
    assert response.status_code == 202


def test_a_reply_can_be_rated_and_a_message_that_is_none_cannot(chat: Chat) -> None:
    message = chat.answer("hello")["data"]["message"]
    good = chat.post(f"messages/{message['id']}/feedback", {"rating": "up", "comment": "nice"})
    assert good.status_code == 202
    missing = chat.post("messages/m_none/feedback", {"rating": "down"})
    assert missing.status_code == 404
    assert chat.post(f"messages/{message['id']}/feedback", {"rating": "so"}).status_code == 422


@pytest.mark.parametrize("score", [0, 6, "5", 2.5, None, True])
def test_a_score_is_a_number_from_one_to_five(chat: Chat, score: Any) -> None:
    response = chat.post("csat", {"score": score})
    assert (response.status_code, response.json()["field"]) == (422, "score")
    assert chat.post("csat", {"score": 5}).status_code == 202


def test_an_erased_conversation_is_gone(chat: Chat) -> None:
    chat.answer("hello")
    erased = chat.client.delete(chat.path, headers=chat.headers)
    assert erased.status_code == 202
    assert chat.client.get(chat.path, headers=chat.headers).status_code == 404


def test_no_token_is_401_and_another_conversations_token_404(
    chat: Chat, client: httpx.Client
) -> None:
    other = client.post("/api/v1/conversations", json={}).json()
    nobody = client.get(chat.path)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    stranger = client.get(chat.path, headers={"Authorization": f"Bearer {other['token']}"})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "not_found")
    unknown = client.get("/api/v1/conversations/c_unknown", headers=chat.headers)
    assert unknown.status_code == 404


@pytest.mark.parametrize("token", ["x", "é", "a" * 5000, ".", "a.b.c", "Bearer"])
def test_a_token_of_any_form_opens_nothing(chat: Chat, token: str) -> None:
    authorization = f"Bearer {token}".encode("latin-1")
    response = chat.client.get(chat.path, headers={b"Authorization": authorization})
    assert response.status_code in (401, 404)


def test_a_token_in_the_address_is_no_token(chat: Chat) -> None:
    assert chat.client.get(chat.path, params={"token": chat.token}).status_code == 401


def test_an_identifier_needs_its_hash(product: Product, client: httpx.Client) -> None:
    path = "/api/v1/conversations"
    bare = client.post(path, json={"customer": {"identifier": "u1"}})
    assert bare.status_code == 401
    secret = product.services.records.secret("widget_secret")[0]
    good = hmac.new(secret, b"u1", hashlib.sha256).hexdigest()
    started = client.post(path, json={"customer": {"identifier": "u1", "identifier_hash": good}})
    assert (started.status_code, started.json()["identity"]) == (201, "verified")
    own = client.get(path, headers={"Authorization": f"Bearer {started.json()['token']}"})
    assert [one["id"] for one in own.json()["items"]] == [started.json()["id"]]
    assert own.json()["next"] is None


def test_identifying_later_rotates_the_token(product: Product, chat: Chat) -> None:
    secret = product.services.records.secret("jwt_secret")[0]
    signed = jwt.encode({"sub": "u2", "exp": 4_000_000_000}, secret, algorithm="HS256")
    too_long = chat.post("identify", {"jwt": signed})
    assert too_long.status_code == 401, "a JWT must end within a day"
    signed = jwt.encode({"sub": "u2", "exp": int(time.time()) + 600}, secret, algorithm="HS256")
    identified = chat.post("identify", {"jwt": signed})
    assert (identified.status_code, identified.json()["identity"]) == (200, "verified")
    assert chat.client.get(chat.path, headers=chat.headers).status_code == 404
    fresh = {"Authorization": f"Bearer {identified.json()['token']}"}
    assert chat.client.get(chat.path, headers=fresh).status_code == 200


def test_an_anonymous_customer_has_no_list(chat: Chat) -> None:
    response = chat.client.get("/api/v1/conversations", headers=chat.headers)
    assert response.status_code == 401


def test_a_list_comes_in_pages(product: Product, client: httpx.Client) -> None:
    path = "/api/v1/conversations"
    secret = product.services.records.secret("widget_secret")[0]
    claim = {
        "identifier": "u3",
        "identifier_hash": hmac.new(secret, b"u3", hashlib.sha256).hexdigest(),
    }
    started = [client.post(path, json={"customer": claim}).json() for _ in range(3)]
    headers = {"Authorization": f"Bearer {started[0]['token']}"}
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = client.get(path, params=query, headers=headers).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(one["id"] for one in started)
    unknown = client.get(path, params={"cursor": "c_x"}, headers=headers)
    assert (unknown.status_code, unknown.json()["field"]) == (422, "cursor")
