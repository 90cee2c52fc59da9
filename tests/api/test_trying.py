"""What admins try before customers see it, over HTTP: searches explained, answers previewed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from secrets import token_hex

import pytest

from agent.conversation import trying
from tests.api.conftest import Product, blocks
from tests.api.people import OPENED, Person, signed_in

pytestmark = pytest.mark.model

QUESTION = "How much is the fee for a dog?"


@pytest.fixture
def admin(product: Product) -> Iterator[Person]:
    yield signed_in(product, "admin")
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def draft(product: Product) -> Iterator[str]:
    """A document that is not published, about what nothing else is; its words."""
    text = "The fee for borrowing a kayak is 23 euros a day."
    library = product.services.library
    key = f"kayak-{token_hex(3)}.md"
    added = library.add_text(source="trying", key=key, text=f"# Kayaks\n\n{text}", title="Kayaks")
    assert added.document_id is not None
    yield text
    library.retire(added.document_id)


def test_a_search_says_why_each_passage_was_found(admin: Person) -> None:
    body = {"query": QUESTION, "k": 2}
    found = admin.call("POST", "admin/search", json=body).json()
    assert found["next"] is None
    best, second = found["items"]
    assert (best["title"], best["section"], best["revision"]) == ("Pets", "Dogs", 1)
    assert "17 euros" in best["text"]
    assert {"fee", "dog"} <= set(best["lexical"]["words"])
    assert (best["dense"]["rank"], best["lexical"]["rank"]) == (1, 1)
    for one in (best, second):
        parts = one["dense"]["part"] + one["lexical"]["part"] + one["subject"]["part"]
        assert parts == pytest.approx(one["score"], abs=0.0003)
    assert best["score"] > second["score"]
    assert best["fate"] == "judged", "a question for an amount is not answered unasked"


def test_what_the_ai_would_do_with_a_passage_is_said(admin: Person) -> None:
    def fates(query: str) -> list[str]:
        items = admin.call("POST", "admin/search", json={"query": query}).json()["items"]
        return [one["fate"] for one in items]

    assert fates("Who brings a new one when a key is lost?")[0] == "stands_out"
    assert set(fates("Zygote quasar?")) == {"too_far"}


def test_a_draft_and_a_day_gone_by_are_searched_when_asked_for(admin: Person, draft: str) -> None:
    def texts(**body: object) -> str:
        answer = admin.call("POST", "admin/search", json={"query": "kayak fee", **body})
        assert answer.status_code == 200, answer.text
        return " ".join(one["text"] for one in answer.json()["items"])

    assert draft in texts(include_drafts=True)
    assert draft not in texts()
    assert "17 euros" in texts(at=datetime.now(UTC).isoformat())
    assert texts(at="2020-01-01") == ""


@pytest.mark.parametrize("path", ["search", "preview"])
@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "1026-01-01", "", "x" * 41])
def test_a_day_that_is_none_is_named(admin: Person, path: str, at: str) -> None:
    body = {"query": "Dogs?", "question": "Dogs?", "at": at}
    answer = admin.call("POST", f"admin/{path}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "at")


def test_an_answer_is_previewed_and_nothing_is_kept(product: Product, admin: Person) -> None:
    services = product.services
    start = "2000-01-01"
    kept = len(services.records.asked.between(start, "2100-01-01"))
    answer = admin.call("POST", "admin/preview", json={"question": QUESTION})
    assert answer.status_code == 200, answer.text
    message = answer.json()
    assert (message["role"], message["outcome"]) == ("ai_agent", "answered")
    assert "17" in message["content"]
    assert message["citations"][0]["quote"] in message["passages"][0]["text"]
    assert 0 < message["confidence"] < 1
    assert message["decided"]["how"] == "judged"
    assert message["decided"]["judge"] > 0.4
    assert len(services.records.asked.between(start, "2100-01-01")) == kept
    assert services.records.answers.find(message["id"]) is None


def test_a_preview_answers_from_drafts_and_as_of_a_day(admin: Person, draft: str) -> None:
    def asked(**more: object) -> dict[str, object]:
        body = {"question": "What does it cost to borrow a kayak?", **more}
        return dict(admin.call("POST", "admin/preview", json=body).json())

    assert "23 euros" in str(asked(include_drafts=True)["content"])
    before = asked(at="2020-01-01", include_drafts=False)
    assert (before["outcome"], before["passages"]) == ("refused", [])
    assert before["decided"] == {"how": "nothing_near", "handoff": None}
    assert asked()["outcome"] != "answered"


def test_a_preview_goes_on_from_what_was_said(admin: Person) -> None:
    history = [
        {"role": "customer", "content": QUESTION},
        {"role": "ai_agent", "content": "The fee for a dog is 17 euros a night. [1]"},
    ]
    body = {"question": "Is that for each night?", "history": history}
    message = admin.call("POST", "admin/preview", json=body).json()
    assert message["passages"][0]["title"] == "Pets"


def test_a_preview_comes_as_it_is_written(product: Product, admin: Person) -> None:
    headers = {"X-CSRF-Token": admin.csrf, "Accept": "text/event-stream"}
    path = "/api/v1/admin/preview"
    with admin.client.stream(
        "POST", path, json={"question": QUESTION}, headers=headers
    ) as response:
        events = [block for block in blocks(response.iter_text()) if "event" in block]
    *deltas, completed = events
    assert completed["event"] == "preview.completed"
    message = json.loads(completed["data"])
    told = "".join(json.loads(one["data"])["text"] for one in deltas)
    assert told == message["content"] or message["replaced"]


def test_a_preview_that_takes_too_long_asks_to_come_back(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "LONGEST_S", 0.0)
    answer = admin.call("POST", "admin/preview", json={"question": QUESTION})
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_busy")
    assert int(answer.headers["Retry-After"]) > 0
