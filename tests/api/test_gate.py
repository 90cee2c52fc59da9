"""The publish gate over HTTP, on the real model; golden questions and their files."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Chat, Product, blocks
from tests.api.test_admin import Person, signed_in

pytestmark = pytest.mark.model
BOATS = "# Boats\n\nThe rowing boat costs 17 euros a day. A deposit is not asked for."
SAUNA = "# Sauna\n\nThe sauna may be used until 22:30 and costs 9 euros an evening."
RULES = "# Bicycles\n\nA bicycle may be borrowed for 3 days at most and has to be locked at night."
FEE = "How much does the rowing boat cost?"
LATE = "Until when may the sauna be used?"
LOAN = "For how many days may a bicycle be borrowed?"


@pytest.fixture(scope="module")
def documents(product: Product) -> Iterator[dict[str, str]]:
    library = product.services.library
    texts = [("boats.md", BOATS, None), ("sauna.md", SAUNA, None), ("bicycles.md", RULES, None)]
    added = library.add_texts(texts, source="gate", publish=True)
    ids = {one.key: str(one.document_id) for one in added}
    yield ids
    for one in ids.values():
        library.retire(one)


@pytest.fixture
def admin(product: Product) -> Iterator[Person]:
    person = signed_in(product, "admin")
    yield person
    person.client.close()


def asks(product: Product, question: str) -> dict[str, Any]:
    with product.client() as client:
        started = client.post("/api/v1/conversations", json={}).json()
        chat = Chat(started["id"], started["token"], client)
        return dict(chat.answer(question)["data"]["message"])


def seen(admin: Person, run_id: str) -> dict[str, Any]:
    """The run once its events have ended."""
    with admin.client.stream("GET", f"/api/v1/admin/gate/{run_id}/events", timeout=300) as events:
        assert events.status_code == 200
        for block in blocks(events.iter_text()):
            if block.get("event") == "end":
                break
    return dict(admin.call("GET", f"admin/gate/{run_id}").json())


def test_a_change_is_tried_seen_and_published(
    product: Product, admin: Person, documents: dict[str, str]
) -> None:
    for question in (FEE, LATE, LOAN):
        assert asks(product, question)["outcome"] == "answered"
    library = product.services.library
    for key, text in (
        ("boats.md", BOATS.replace("17", "20")),
        ("sauna.md", SAUNA.replace("9 euros", "9 euros for guests")),
        ("bicycles.md", "# Bicycles\n\nThe shed is painted green."),
    ):
        library.add_text(source="gate", key=key, text=text)
    changes = [{"document_id": one, "revision": 2} for one in documents.values()]
    begun = admin.call("POST", "admin/gate", json={"changes": changes})
    assert begun.status_code == 202, begun.text
    early = admin.call("POST", f"admin/gate/{begun.json()['id']}/publish", json={})
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    run = seen(admin, begun.json()["id"])
    found = {one["question"]: one for one in run["items"]}
    assert run["state"] == "done", run["error"]
    assert found[FEE]["verdict"] == "changed", found[FEE]
    assert ("17" in found[FEE]["lost"], "20" in found[FEE]["gained"]) == (True, True)
    assert found[LATE]["verdict"] == "same", found[LATE]
    assert found[LOAN]["verdict"] in ("worse", "lost_support"), found[LOAN]

    published = admin.call("POST", f"admin/gate/{run['id']}/publish", json={})
    assert published.json()["published_at"]
    assert "20" in asks(product, FEE)["content"]
    named = admin.audit(action="admin.publish_tried")
    assert "Boats r2" in named[0]["detail"]
    listed = admin.call("GET", "admin/gate", params={"document_id": documents["boats.md"]}).json()
    assert [one["id"] for one in listed["items"]] == [run["id"]]


def test_golden_questions_go_out_and_in_as_an_evaluation_file(
    admin: Person, documents: dict[str, str]
) -> None:
    wanted = {"question": FEE, "expected": "20 euros", "document_id": documents["boats.md"]}
    made = admin.call("POST", "admin/golden", json=wanted)
    assert made.status_code == 201, made.text
    assert admin.call("POST", "admin/golden", json=wanted).status_code == 409
    file = admin.call("GET", "admin/golden/export").text
    line = json.loads(file)
    assert (line["question"], line["answer"], line["gold_docs"]) == (FEE, "20 euros", ["boats.md"])
    one = made.json()["id"]
    changed = admin.call("PATCH", f"admin/golden/{one}", json={"expected": "21 euros"}).json()
    assert (changed["expected"], changed["question"]) == ("21 euros", FEE)
    assert admin.call("DELETE", f"admin/golden/{one}").status_code == 200
    assert admin.call("DELETE", f"admin/golden/{one}").status_code == 404
    taken = admin.call("POST", "admin/golden/import", json={"jsonl": file + file})
    assert taken.json() == {"added": 1, "read": 2}
    (back,) = admin.call("GET", "admin/golden").json()["items"]
    assert (back["expected"], back["document_id"]) == ("20 euros", documents["boats.md"])
    broken = admin.call("POST", "admin/golden/import", json={"jsonl": "{}"})
    assert (broken.status_code, "line 1" in broken.json()["detail"]) == (422, True)
    admin.call("DELETE", f"admin/golden/{back['id']}")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ([], 422),
        ([{"document_id": "nothing", "revision": 1}], 404),
        ([{"document_id": "nothing"}], 422),
    ],
)
def test_what_cannot_be_tried_is_refused(admin: Person, changes: Any, status: int) -> None:
    assert admin.call("POST", "admin/gate", json={"changes": changes}).status_code == status
    assert admin.call("GET", "admin/gate/g_nothing").status_code == 404
