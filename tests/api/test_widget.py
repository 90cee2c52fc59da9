"""The widget's settings over HTTP: who may set them, and where customers meet them."""

import gzip
import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agent.http.routes.pages import STATIC
from tests.api.conftest import Chat, Product, blocks

ADMIN = "/api/v1/admin/widget"
AS_BROUGHT = {
    "colour": None,
    "position": "right",
    "default_locale": None,
    "greetings": {},
    "suggested_questions": {},
}
SET = {
    "colour": "#B4005A",
    "position": "left",
    "default_locale": "de",
    "greetings": {"de": "Moin! Ich bin der KI-Assistent.", "fr": " "},
    "suggested_questions": {"de": ["Was kostet ein Hund?", " "], "en": ["What does a dog cost?"]},
}


@pytest.fixture
def admin(product: Product) -> Iterator[httpx.Client]:
    key = product.services.records.add_api_key("tests' admin", ("admin",))
    with product.client(headers={"Authorization": f"Bearer {key}"}) as client:
        yield client
        assert client.put(ADMIN, json={}).json() == AS_BROUGHT


def frame_settings(client: httpx.Client) -> dict[str, Any]:
    page = client.get("/widget/frame").text
    found = re.search(r'<html lang="en" data-settings="([^"]*)">', page)
    assert found, page[:200]
    return dict(json.loads(html.unescape(found[1])))


def loader_settings(client: httpx.Client) -> dict[str, Any]:
    found = re.search(r"const site = (.*?);", client.get("/widget/loader.js").text)
    assert found
    return dict(json.loads(found[1]))


def test_what_an_admin_sets_reaches_the_loader_the_frame_and_the_greeting(
    admin: httpx.Client, client: httpx.Client
) -> None:
    assert admin.get(ADMIN).json() == AS_BROUGHT
    assert loader_settings(client) == {"position": "right"}

    kept = admin.put(ADMIN, json=SET)
    assert kept.status_code == 200
    assert kept.json() == {
        **SET,
        "colour": "#b4005a",
        "greetings": {"de": "Moin! Ich bin der KI-Assistent."},
        "suggested_questions": {"de": ["Was kostet ein Hund?"], "en": ["What does a dog cost?"]},
    }
    assert admin.get(ADMIN).json() == kept.json()
    assert loader_settings(client) == {
        "colour": "#b4005a",
        "position": "left",
        "default_locale": "de",
    }
    assert frame_settings(client)["suggested_questions"]["en"] == ["What does a dog cost?"]

    def greeting(locale: str) -> str:
        started = client.post("/api/v1/conversations", json={"locale": locale})
        return str(started.json()["greeting"])

    assert greeting("de-AT") == "Moin! Ich bin der KI-Assistent."
    assert "AI assistant" in greeting("en")


def test_an_admins_words_stay_words(admin: httpx.Client, client: httpx.Client) -> None:
    sly = "\"><script>alert('x')</script> & ${1}"
    admin.put(ADMIN, json={"suggested_questions": {"en": [sly]}})
    assert "<script>alert" not in client.get("/widget/frame").text
    assert frame_settings(client)["suggested_questions"]["en"] == [sly]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"colour": "#fff;}"}, "colour"),
        ({"position": "top"}, "position"),
        ({"default_locale": "nl"}, "default_locale"),
        ({"greetings": {"nl": "Hoi"}}, "greetings"),
        ({"greetings": {"en": "x" * 501}}, "greetings"),
        ({"suggested_questions": {"en": ["?"] * 5}}, "suggested_questions"),
        ({"suggested_questions": {"en": ["x" * 121]}}, "suggested_questions"),
        ({"suggested_questions": {"en": "why?"}}, "suggested_questions"),
    ],
)
def test_what_is_no_setting_is_refused_by_name(
    admin: httpx.Client, body: dict[str, Any], field: str
) -> None:
    answer = admin.put(ADMIN, json=body)
    assert answer.status_code == 422
    assert answer.json()["field"].startswith(field)
    assert admin.get(ADMIN).json() == AS_BROUGHT


def test_only_admins_see_and_set_them(product: Product, client: httpx.Client) -> None:
    staff = product.services.records.add_api_key("tests' staff", ("supervisor",))
    for headers, status in (
        ({}, 401),
        ({"Authorization": f"Bearer {product.key}"}, 401),
        ({"Authorization": f"Bearer {staff}"}, 403),
    ):
        assert client.get(ADMIN, headers=headers).status_code == status
        assert client.put(ADMIN, json={}, headers=headers).status_code == status


def test_a_known_frame_is_not_sent_again_until_a_setting_changes(
    admin: httpx.Client, client: httpx.Client
) -> None:
    first = client.get("/widget/frame")
    known = {"If-None-Match": first.headers["etag"]}
    assert client.get("/widget/frame", headers=known).status_code == 304
    admin.put(ADMIN, json={"colour": "#123456"})
    assert client.get("/widget/frame", headers=known).status_code == 200


def test_a_reason_and_words_go_with_a_thumb_down_and_staff_see_them(
    product: Product, chat: Chat
) -> None:
    message = chat.answer("hello")["data"]["message"]
    path = f"messages/{message['id']}/feedback"
    down = {"rating": "down", "reason": "outdated", "comment": "That was last year."}
    key = product.services.records.add_api_key("tests' staff", ("staff",))
    with (
        product.client(headers={"Authorization": f"Bearer {key}"}) as staff,
        staff.stream("GET", "/api/v1/staff/events") as feed,
    ):
        parts = feed.iter_text()
        next(parts)  # connected
        assert chat.post(path, down).status_code == 202
        events = (json.loads(block["data"]) for block in blocks(parts) if "data" in block)
        event = next(event for event in events if event["conversation_id"] == chat.id)
    assert event["type"] == "feedback.submitted"
    assert event["data"] == {"message_id": message["id"], **down}
    refused = chat.post(path, {"rating": "down", "reason": "because"})
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")


def test_a_score_is_an_event_of_the_conversation(chat: Chat) -> None:
    after = chat.answer("hello")["id"]
    assert chat.post("csat", {"score": 4, "comment": "Fast."}).status_code == 202
    event = next(chat.events(after))
    assert event["type"] == "csat.submitted"
    assert event["data"] == {"score": 4, "comment": "Fast."}


# What a page pays for the widget, in bytes on the wire.


def sent(client: httpx.Client, path: str) -> int:
    """The length of the body as it travels."""
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.status_code == 200
        assert response.headers["content-encoding"] == "gzip"
        assert "accept-encoding" in response.headers["vary"].lower()
        raw = b"".join(response.iter_raw())
        assert gzip.decompress(raw)
        return len(raw)


def test_the_loader_weighs_less_than_6_kb(client: httpx.Client) -> None:
    assert sent(client, "/widget/loader.js") < 6 * 1024


def test_the_frame_with_all_that_it_loads_weighs_less_than_60_kb(client: httpx.Client) -> None:
    page = client.get("/widget/frame").text
    parts = sorted(set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)))
    modules = {f"/static/widget/{one.name}" for one in (STATIC / "widget").glob("*.js")}
    assert modules - set(parts) == {"/static/widget/loader.js"}, "else it is not weighed"
    assert sent(client, "/widget/frame") + sum(sent(client, path) for path in parts) < 60 * 1024
