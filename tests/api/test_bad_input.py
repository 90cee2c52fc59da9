"""What is wrong with a request is said clearly, and nothing of it is stored."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .conftest import Chat

pytestmark = pytest.mark.model


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body = dict(response.json())
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == response.status_code
    return body


@pytest.mark.parametrize(
    "content", ["", "   ", "\n\t ", "\x00\x01\x7f", "x" * 4001, 7, None, ["hello"]]
)
def test_a_content_that_is_none_is_422_and_names_the_field(chat: Chat, content: Any) -> None:
    body = problem(chat.post("messages", {"content": content}))
    assert (body["status"], body["field"]) == (422, "content")
    assert chat.snapshot()["messages"] == []


def test_control_characters_are_taken_out_of_a_content(chat: Chat) -> None:
    chat.answer(" \x00hel\x07lo\r\n\tthere\x1b \x9f")
    assert chat.snapshot()["messages"][0]["content"] == "hello\n\tthere"


def test_four_thousand_characters_after_trimming_are_accepted(chat: Chat) -> None:
    assert chat.post("handoff").status_code == 202  # so that nobody has to answer it
    assert chat.post("messages", {"content": " " + "é" * 4000 + "\n"}).status_code == 202


@pytest.mark.parametrize("place", ["content", "client_message_id"])
def test_half_a_character_is_refused(chat: Chat, place: str) -> None:
    raw = json.dumps({"content": "hello", place: "\ud800"})
    response = chat.client.post(
        f"{chat.path}/messages",
        content=raw,
        headers={**chat.headers, "Content-Type": "application/json"},
    )
    body = problem(response)
    assert (body["status"], body["field"]) == (422, place)


def test_half_a_character_inside_a_customers_attributes_is_refused(client: httpx.Client) -> None:
    raw = json.dumps({"customer": {"attributes": {"plan": "\udfff"}}})
    response = client.post(
        "/api/v1/conversations", content=raw, headers={"Content-Type": "application/json"}
    )
    assert problem(response)["status"] == 422


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"content": "hel', 400),
        (b"\xff\xfe{}", 400),
        (b'{"content": "\xff"}', 400),
        (b"[" * 50_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"hello"', 422),
        (b'{"content": NaN}', 422),
    ],
)
def test_a_body_that_is_no_object_is_refused(chat: Chat, raw: bytes, status: int) -> None:
    response = chat.client.post(
        f"{chat.path}/messages",
        content=raw,
        headers={**chat.headers, "Content-Type": "application/json"},
    )
    assert problem(response)["status"] == status


def test_a_body_that_is_not_json_is_415(chat: Chat) -> None:
    response = chat.client.post(
        f"{chat.path}/messages",
        content="content=hello",
        headers={**chat.headers, "Content-Type": "text/plain"},
    )
    assert problem(response)["code"] == "unsupported_media_type"


def test_a_megabyte_is_413_when_its_length_is_announced(chat: Chat) -> None:
    body = problem(chat.post("messages", {"content": "x" * 1_000_000}))
    assert (body["status"], body["code"]) == (413, "body_too_large")


def test_a_megabyte_is_413_when_it_comes_in_chunks(chat: Chat) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"content": "'
        for _ in range(100):
            yield b"x" * 10_000
        yield b'"}'

    response = chat.client.post(
        f"{chat.path}/messages",
        content=chunks(),
        headers={**chat.headers, "Content-Type": "application/json"},
    )
    assert problem(response)["status"] == 413


def test_unknown_addresses_and_wrong_methods_are_problems(client: httpx.Client) -> None:
    assert problem(client.get("/nowhere"))["status"] == 404
    assert problem(client.get("/static/nothing.js"))["status"] == 404
    assert problem(client.get("/static/../../settings.py"))["status"] == 404
    wrong = client.put("/api/v1/conversations")
    assert problem(wrong)["status"] == 405
    assert "POST" in wrong.headers["allow"]


@pytest.mark.parametrize("after", ["x", "1", "-", "1-", "99999999999999999999999-0"])
def test_a_position_that_is_no_event_id_is_422(chat: Chat, after: str) -> None:
    by_query = chat.client.get(f"{chat.path}/events", params={"after": after}, headers=chat.headers)
    assert problem(by_query)["status"] == 422
    by_header = chat.client.get(
        f"{chat.path}/events", headers={**chat.headers, "Last-Event-ID": after}
    )
    assert problem(by_header)["status"] == 422


@pytest.mark.parametrize(
    "customer",
    [
        {"attributes": {"a": {"b": "nested"}}},
        {"attributes": {str(n): n for n in range(51)}},
        {"name": "x" * 400},
        {"identifier": ""},
        {"jwt": "x" * 5000},
    ],
)
def test_what_a_page_says_of_its_customer_has_limits(
    client: httpx.Client, customer: dict[str, Any]
) -> None:
    body = problem(client.post("/api/v1/conversations", json={"customer": customer}))
    assert body["status"] == 422
    assert body["field"].startswith("customer.")
