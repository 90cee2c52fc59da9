"""What nobody answers becomes a gap, and a publication that answers it closes it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli import app
from tests.api.conftest import Chat
from tests.gaps.conftest import PARKING, answered, words
from tests.handoff.conftest import Colleague, Opened, Stage, eventually


@pytest.fixture(scope="module")
def stage(staged: Opened) -> Iterator[Stage]:
    with staged(gaps=True, hand_off_after=0) as stage:
        yield stage


@pytest.fixture(autouse=True)
def a_model_that_reads(stage: Stage) -> None:
    stage.script.reply = words  # type: ignore[method-assign]


@pytest.fixture
def boss(stage: Stage) -> Colleague:
    return stage.colleague("boss", "admin")


def refused(stage: Stage, question: str, **customer: Any) -> Chat:
    chat = stage.chat(**customer)
    assert answered(stage, chat, question)["outcome"] == "refused"
    return chat


def listed(boss: Colleague, **query: str) -> list[dict[str, Any]]:
    answer = boss.client.get("/api/v1/admin/gaps", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def gap_about(boss: Colleague, word: str) -> dict[str, Any]:
    found = [
        one for one in listed(boss) if any(word in e["question"].lower() for e in one["examples"])
    ]
    assert len(found) == 1, found
    return found[0]


def call(boss: Colleague, gap: dict[str, Any], verb: str, body: Any = None) -> dict[str, Any]:
    answer = boss.client.post(f"/api/v1/admin/gaps/{gap['id']}/{verb}", json=body or {})
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def test_from_two_refusals_to_a_closed_gap_and_open_again(stage: Stage, boss: Colleague) -> None:
    first = refused(stage, "Where can I park my car?")
    second = refused(stage, "Is there a place to park the car?")
    answered(stage, second, "Where do I park our car?")
    refused(stage, "Do you sell vegan ice cream?")

    gap = gap_about(boss, "park")
    assert (gap["state"], gap["customers"], gap["questions"]) == ("open", 2, 3)
    assert gap["reasons"] == {"refused": 3}
    assert {one["conversation_id"] for one in gap["examples"]} == {first.id, second.id}
    assert listed(boss)[0]["id"] == gap["id"]  # more customers than the ice cream has
    assert gap_about(boss, "ice cream")["customers"] == 1
    checked = call(boss, gap, "check")
    assert (checked["state"], [one["holds"] for one in checked["proof"]]) == ("open", [False] * 3)

    first.post("handoff", {})
    ann = stage.colleague()
    ann.does(first, "messages", {"content": "Hi Ben, guests park for free in the yard. Regards"})
    drafted = call(boss, gap, "draft")
    assert drafted["state"] == "drafted"
    library = stage.product.services.library
    document = library.document(drafted["document_id"])
    (revision,) = library.revisions(document.id)
    assert (document.status, revision.note) == ("draft", "drafted from a gap")
    assert "Guests park for free in the yard." in revision.text
    assert "40" not in revision.text  # nobody of the staff said so
    assert "Ben" not in revision.text

    library.add_text(source="t", key="parking.md", text=PARKING, publish=True)
    closed = eventually(
        lambda: next((g for g in listed(boss, state="answered") if g["id"] == gap["id"]), None),
        60,
    )
    assert closed["customers"] == 2
    whole = boss.client.get(f"/api/v1/admin/gaps/{gap['id']}").json()
    assert all(one["holds"] for one in whole["proof"])
    (citation,) = whole["proof"][0]["citations"]
    assert citation["title"] == "Parking"
    assert "yard" in whole["proof"][0]["answer"]

    library.retire(citation["document_id"])
    opened = eventually(
        lambda: next((g for g in listed(boss, state="open") if g["id"] == gap["id"]), None), 60
    )
    assert "not answered any more" in opened["why"]


def test_a_new_question_opens_what_was_closed_and_dismissed_stays(
    stage: Stage, boss: Colleague
) -> None:
    refused(stage, "Can I get married on the beach?")
    gap = gap_about(boss, "married")
    records = stage.product.services.records.gaps
    records.change(gap["id"], "answered", of=("open",))
    refused(stage, "Can we get married on your beach?")
    assert gap_about(boss, "married") | {"state": "open", "customers": 2} == gap_about(
        boss, "married"
    )
    done = call(boss, gap, "dismiss", {"reason": "Not our business"})
    assert (done["state"], done["why"]) == ("dismissed", "Not our business")
    refused(stage, "Could I get married at the beach?")
    again = gap_about(boss, "married")
    assert (again["state"], again["customers"]) == ("dismissed", 3)
    assert boss.client.post(f"/api/v1/admin/gaps/{gap['id']}/draft").status_code == 409
    assert call(boss, gap, "reopen")["state"] == "open"


def test_where_nobody_answered_a_draft_asks_and_repeats_nothing_personal(
    stage: Stage, boss: Colleague
) -> None:
    refused(stage, "Do you rent out surfboards?")
    refused(stage, "Do you rent surfboards to Wilma Kraus, born 1980?")
    gap = gap_about(boss, "surfboards")
    drafted = call(boss, gap, "draft")
    (revision,) = stage.product.services.library.revisions(drafted["document_id"])
    assert "## Do you rent out surfboards?\n\n(to be answered)" in revision.text
    assert "Kraus" not in revision.text
    assert "1980" not in revision.text


def test_what_staff_reported_and_customers_disliked_counts(stage: Stage, boss: Colleague) -> None:
    library = stage.product.services.library
    text = "# Sauna\n\nThe sauna is open until 22:00."
    library.add_text(source="t", key="sauna.md", text=text, publish=True)
    chat = stage.chat()
    reply = answered(stage, chat, "Until when is the sauna open?")
    assert reply["outcome"] == "answered"
    assert not [g for g in listed(boss) if "sauna" in str(g["examples"])]
    chat.post(f"messages/{reply['id']}/feedback", {"rating": "down"})
    path = f"/api/v1/staff/conversations/{chat.id}/messages/{reply['id']}/report"
    report = {"reason": "incorrect_information", "right_answer": "The sauna closes at 20:30."}
    assert boss.client.post(path, json=report).status_code == 200
    gap = next(g for g in listed(boss) if reply["id"] in str(g["examples"]))
    assert gap["reasons"] == {"thumbs_down": 1, "reported": 1}
    checked = call(boss, gap, "check")  # the same answer from the same document is none
    mine = [one for one in checked["proof"] if one["message_id"] == reply["id"]]
    assert [one["holds"] for one in mine] == [False]
    drafted = call(boss, gap, "draft")
    assert "closes at 20:30" in library.revisions(drafted["document_id"])[-1].text


def test_erasure_takes_everything_of_a_customer(stage: Stage, boss: Colleague) -> None:
    services = stage.product.services
    alone = refused(stage, "Is my grandmother's zither insured?")
    gap = gap_about(boss, "zither")
    eventually(lambda: services.records.gaps.everything(0.3, gap["id"])[0].name, 60)
    call(boss, gap, "check")
    alone.client.delete(alone.path, headers=alone.headers)
    assert boss.client.get(f"/api/v1/admin/gaps/{gap['id']}").status_code == 404
    assert not [g for g in listed(boss) if "zither" in str(g)]

    one = refused(stage, "Can I rent a boat named Zauberfloete?")
    refused(stage, "Can I rent a boat?")
    gap = gap_about(boss, "boat")
    services.records.gaps.name(gap["id"], "Zauberfloete", frozenset())
    call(boss, gap, "check")
    one.client.delete(one.path, headers=one.headers)
    left = boss.client.get(f"/api/v1/admin/gaps/{gap['id']}").json()
    assert (left["customers"], left["questions"], len(left["proof"])) == (1, 1, 1)
    assert "Zauberfloete" not in str(left)


def test_the_command_line_lists_what_the_page_lists(stage: Stage, boss: Colleague) -> None:
    refused(stage, "May I bring my parrot?")
    whole = [one["id"] for one in listed(boss)]
    folder = str(stage.product.services.settings.data_dir)
    found = CliRunner().invoke(app, ["gaps", "list", "--json", "--data-dir", folder])
    assert [one["id"] for one in json.loads(found.stdout)] == whole
    told = CliRunner().invoke(app, ["gaps", "list", "--data-dir", folder])
    assert "(1 customer, 1 question)" in told.stdout


def test_staff_see_no_gaps_and_unknown_ones_are_not_found(stage: Stage, boss: Colleague) -> None:
    ann = stage.colleague()
    assert ann.client.get("/api/v1/admin/gaps").status_code == 403
    assert boss.client.get("/api/v1/admin/gaps/g_none").status_code == 404
    assert boss.client.get("/api/v1/admin/gaps?cursor=g_none").status_code == 422
    assert boss.client.post("/api/v1/admin/gaps/g_none/check").status_code == 404


def test_the_list_comes_in_pages(stage: Stage, boss: Colleague) -> None:
    refused(stage, "Do you have a helicopter pad?")
    refused(stage, "How do I become a pirate?")
    whole = [one["id"] for one in listed(boss)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = boss.client.get("/api/v1/admin/gaps", params=query).json()
        found += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == whole
