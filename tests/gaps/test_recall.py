"""Whoever was answered from a document that was wrong is found, and hears what is right."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agent.storage.archive import archive_one
from tests.api.conftest import Chat
from tests.gaps.conftest import answered
from tests.handoff.conftest import Colleague, Opened, Stage

OLD = (
    "# Dogs\n\nA guest may bring one dog, which stays on a lead. "
    "The fee for a dog is 17 euros a night."
)
LEAD = "Yes, a guest may bring one dog."


@pytest.fixture(scope="module")
def stage(staged: Opened) -> Iterator[Stage]:
    with staged() as stage:
        yield stage


@pytest.fixture
def boss(stage: Stage) -> Colleague:
    return stage.colleague("boss", "admin")


@pytest.fixture
def dogs(stage: Stage) -> str:
    library = stage.product.services.library
    for document in library.documents():
        if document.status == "published":
            library.retire(document.id)
    added = library.add_text(source="r", key="dogs.md", text=OLD)
    assert added.document_id is not None
    library.publish(added.document_id)
    stage.script.answer = "The fee for a dog is 17 euros a night."
    return added.document_id


def correct(stage: Stage, text: str) -> None:
    stage.product.services.library.add_text(source="r", key="dogs.md", text=text, publish=True)


def told(stage: Stage, words: str = "", **body: Any) -> tuple[Chat, dict[str, Any]]:
    if words:
        stage.script.answer = words
    chat = stage.chat(**body)
    reply = answered(stage, chat, "What is the fee for a dog?")
    assert reply["outcome"] == "answered", reply
    return chat, reply


def recalled(boss: Colleague, document_id: str, **query: Any) -> dict[str, Any]:
    path = f"/api/v1/admin/documents/{document_id}/recall"
    answer = boss.client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def of(found: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in found["items"] if one["message_id"] == reply["id"])


def test_a_customer_who_was_told_a_wrong_fee_hears_the_right_one(
    stage: Stage, boss: Colleague, dogs: str
) -> None:
    chat, wrong = told(stage)
    other, right = told(stage, LEAD)
    number = wrong["citations"][0]["revision"]
    assert recalled(boss, dogs)["counts"] == {"changed": 0, "gone": 0, "reworded": 0, "same": 0}
    correct(stage, OLD.replace("17", "20"))

    found = recalled(boss, dogs, revision=number)
    assert of(found, right)["verdict"] == "same"
    item = of(found, wrong)
    assert (item["verdict"], item["conversation_id"]) == ("changed", chat.id)
    assert found["items"][0]["verdict"] == "changed"
    (difference,) = item["differences"]
    assert (difference["facts"], difference["now"]) == (
        ["17"],
        "The fee for a dog is 20 euros a night.",
    )
    (citation,) = item["draft"]["citations"]
    assert (citation["quote"], citation["revision"]) == (difference["now"], number + 1)
    assert "“The fee for a dog is 20 euros a night.” [1]" in item["draft"]["content"]

    after = chat.snapshot()["last_event_id"]
    path = f"/api/v1/admin/recall/{wrong['id']}"
    sent = boss.client.post(f"{path}/send", json={"content": item["draft"]["content"]})
    assert sent.status_code == 200, sent.text
    for event in chat.events(after):
        if event["type"] == "message.created":
            break
    message = event["data"]["message"]
    assert (message["role"], message["author"]) == ("human_agent", boss_name(boss))
    assert "20 euros" in message["content"]
    assert message["citations"][0]["quote"] == difference["now"]
    assert chat.snapshot()["status"] == "open"

    done = of(recalled(boss, dogs), wrong)["mark"]
    assert done["state"] == "sent"
    again = boss.client.post(f"{path}/send", json={"content": "Once more"})
    assert again.status_code == 409
    assert other.snapshot()["status"] == "pending"
    entry = boss.client.get("/api/v1/admin/audit", params={"limit": 5}).json()["items"]
    assert any(
        one["action"] == "admin.send_correction" and one["subject"] == chat.id for one in entry
    )

    correct(stage, OLD.replace("17", "25"))  # and wrong once more: they have to hear that too
    assert of(recalled(boss, dogs), wrong)["mark"] is None
    skipped = boss.client.post(f"{path}/skip")
    assert skipped.status_code == 200
    assert of(recalled(boss, dogs), wrong)["mark"]["state"] == "skipped"
    assert boss.client.post(f"{path}/send", json={"content": "It is 25."}).status_code == 200


def boss_name(boss: Colleague) -> str:
    people = boss.client.get("/api/v1/staff/people").json()["items"]
    return str(next(one["name"] for one in people if one["id"] == boss.id))


def test_an_archived_conversation_comes_back_and_an_erased_one_is_gone(
    stage: Stage, boss: Colleague, dogs: str
) -> None:
    chat, wrong = told(stage)
    services = stage.product.services
    moved = asyncio.run_coroutine_threadsafe(
        archive_one(services.store, services.records, chat.id), stage.product.loop
    )
    assert moved.result(30)
    correct(stage, OLD.replace("17", "21"))
    draft = of(recalled(boss, dogs), wrong)["draft"]["content"]
    path = f"/api/v1/admin/recall/{wrong['id']}"
    assert boss.client.post(f"{path}/send", json={"content": draft}).status_code == 200
    seen = chat.snapshot()
    assert (seen["status"], seen["messages"][-1]["content"]) == ("open", draft)

    chat.client.delete(chat.path, headers=chat.headers)
    assert wrong["id"] not in str(recalled(boss, dogs))
    assert boss.client.post(f"{path}/skip").status_code == 404
    assert services.records.recalls.of([wrong["id"]]) == {}


def test_german_customers_are_written_to_in_german_and_dates_narrow_the_list(
    stage: Stage, boss: Colleague, dogs: str
) -> None:
    stage.script.answer = "Die Gebühr beträgt 17 Euro."
    chat = stage.chat(locale="de")
    reply = answered(stage, chat, "Was kostet es, wenn ich einen Hund mitbringe?")
    assert reply["outcome"] == "answered", reply
    correct(stage, OLD.replace("17", "22"))
    item = of(recalled(boss, dogs), reply)
    assert item["verdict"] == "changed"
    assert item["draft"]["content"].startswith("Wir müssen etwas richtigstellen.")
    assert reply["id"] not in str(recalled(boss, dogs, to="2020-01-01T00:00:00Z"))
    assert reply["id"] in str(recalled(boss, dogs, **{"from": "2020-01-01T00:00:00Z"}))


def test_what_is_not_there_is_not_found(stage: Stage, boss: Colleague, dogs: str) -> None:
    paths = ("documents/none/recall", f"documents/{dogs}/recall?revision=99")
    for path in paths:
        assert boss.client.get(f"/api/v1/admin/{path}").status_code == 404
    assert boss.client.post("/api/v1/admin/recall/m_none/skip").status_code == 404
    body = {"content": "Hello"}
    assert boss.client.post("/api/v1/admin/recall/m_none/send", json=body).status_code == 404
    ann = stage.colleague()
    assert ann.client.get(f"/api/v1/admin/documents/{dogs}/recall").status_code == 403
