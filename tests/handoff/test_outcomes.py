"""What becomes of conversations is counted: over HTTP, with a model whose words are given."""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.storage.archive import archive_one
from tests.handoff.conftest import PASSWORD, Colleague, Opened, Stage, eventually

QUESTION = "How much is the fee for a dog?"
ANALYTICS = "/api/v1/admin/analytics"


@pytest.fixture(scope="module")
def own_stage(staged: Opened) -> Iterator[Stage]:
    prices = {"machine_price_per_hour": 0.05, "machine_watts": 90, "electricity_price": 0.3}
    with staged(time_zone="Europe/Berlin", price_per_resolution=0.99, **prices) as stage:
        yield stage


@pytest.fixture(scope="module")
def boss(own_stage: Stage) -> Colleague:
    own_stage.product.services.records.people.add("bo@example.org", PASSWORD, "supervisor")
    client = own_stage.product.client()
    own_stage.clients.append(client)
    answer = client.post("/api/v1/login", json={"email": "bo@example.org", "password": PASSWORD})
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return Colleague(answer.json()["user"]["id"], client)


Numbers = Callable[[], dict[str, Any]]


@pytest.fixture
def numbers(boss: Colleague) -> Numbers:
    return lambda: dict(boss.client.get(ANALYTICS).json())


def comes(numbers: Numbers, look: Callable[[dict[str, Any]], Any], value: Any) -> dict[str, Any]:
    """The numbers, once what `look` finds in them is the value."""

    def there() -> dict[str, Any] | None:
        found = numbers()
        return found if look(found) == value else None

    return dict(eventually(there))


def test_a_thumb_up_confirms_and_a_thumb_down_does_not(own_stage: Stage, numbers: Numbers) -> None:
    before = numbers()
    chat = own_stage.chat()
    reply = chat.answer(QUESTION)["data"]["message"]

    def kind(name: str) -> Callable[[dict[str, Any]], int]:
        return lambda found: found["outcomes"][name] - before["outcomes"][name]

    found = comes(numbers, kind("too_early"), 1)
    assert found["conversations"] - before["conversations"] == 1
    assert found["answered"] - before["answered"] == 1
    chat.post(f"messages/{reply['id']}/feedback", {"rating": "up"})
    found = comes(numbers, kind("confirmed"), 1)
    assert kind("too_early")(found) == 0
    assert found["ratings"]["up"] - before["ratings"]["up"] == 1
    chat.post(f"messages/{reply['id']}/feedback", {"rating": "down"})
    found = comes(numbers, kind("unresolved"), 1)
    assert kind("confirmed")(found) == 0


def test_a_handoff_counts_with_its_reason_and_its_wait(
    own_stage: Stage, numbers: Numbers, boss: Colleague
) -> None:
    def times(found: dict[str, Any]) -> int:
        reasons = {one["reason"]: one["times"] for one in found["handoffs"]["reasons"]}
        return int(reasons.get("customer_request", 0))

    before = numbers()
    chat = own_stage.chat()
    chat.answer("I want to talk to a person")
    boss.does(chat, "messages", {"content": "Here I am."})
    boss.does(chat, "resolve")
    chat.post("csat", {"score": 5})
    found = comes(numbers, lambda f: f["ratings"]["csat"]["5"], before["ratings"]["csat"]["5"] + 1)
    assert times(found) - times(before) == 1
    assert found["outcomes"]["handed_off"] - before["outcomes"]["handed_off"] == 1
    assert found["outcomes"]["confirmed"] == before["outcomes"]["confirmed"], "people did that"
    assert found["human_first_s"]["n"] - before["human_first_s"]["n"] == 1


def test_what_is_erased_is_not_counted_any_more(own_stage: Stage, numbers: Numbers) -> None:
    before = numbers()["conversations"]
    chat = own_stage.chat()
    chat.answer(QUESTION)
    comes(numbers, lambda found: found["conversations"], before + 1)
    own_stage.client.delete(chat.path, headers=chat.headers)
    found = comes(numbers, lambda found: found["conversations"], before)
    assert own_stage.product.services.records.visits.last(chat.id) is None
    assert sum(found["outcomes"].values()) == before


def test_an_archived_conversation_that_goes_on_is_followed(
    own_stage: Stage, numbers: Numbers, boss: Colleague
) -> None:
    services = own_stage.product.services
    before = numbers()
    chat = own_stage.chat()
    chat.answer(QUESTION)
    boss.does(chat, "resolve")
    eventually(lambda: (last := services.records.visits.last(chat.id)) and last[0].resolved_at)
    moving = archive_one(services.store, services.records, chat.id)
    assert asyncio.run_coroutine_threadsafe(moving, own_stage.product.loop).result()
    chat.answer(QUESTION)
    found = comes(numbers, lambda f: f["conversations"], before["conversations"] + 2)
    came_back = found["outcomes"]["recontacted"] - before["outcomes"]["recontacted"]
    assert came_back == 1, "they came back within seven days"


def test_the_report_is_whole(own_stage: Stage, numbers: Numbers) -> None:
    own_stage.chat().answer(QUESTION)
    found = comes(numbers, lambda f: bool(f["top_documents"]), True)
    assert sum(found["outcomes"].values()) == found["conversations"]
    assert len(found["days"]) == 30
    assert sum(day["conversations"] for day in found["days"]) == found["conversations"]
    assert found["top_documents"][0]["title"] == "Pets"
    assert QUESTION in found["top_documents"][0]["examples"]
    assert found["languages"][0]["language"] == "en"
    assert found["tokens"]["prompt_tokens"] > 0
    assert found["machine_s"] > 0
    cost = found["costs"]
    assert cost["per_conversation"] == pytest.approx(cost["total"] / found["conversations"])
    assert cost["elsewhere"] == pytest.approx(0.99 * cost["resolved"])
    assert found["before"]["conversations"] == 0


def test_a_period_has_its_days_and_its_limits(own_stage: Stage, boss: Colleague) -> None:
    def asked(**query: str) -> Any:
        return boss.client.get(ANALYTICS, params=query)

    found = asked(**{"from": "2020-01-01", "to": "2020-01-03"}).json()
    assert [day["date"] for day in found["days"]] == ["2020-01-01", "2020-01-02"]
    assert found["conversations"] == 0
    assert found["costs"]["per_conversation"] is None
    for first, end in (("2020-01-03", "2020-01-03"), ("2020-01-03", "2020-01-01")):
        refused = asked(**{"from": first, "to": end})
        assert (refused.status_code, refused.json()["field"]) == (422, "to")
    refused = asked(**{"from": "2020-01-01", "to": "2022-01-01"})
    assert (refused.status_code, refused.json()["field"]) == (422, "from")
    assert asked(**{"from": "yesterday"}).status_code == 422


def test_the_csv_has_a_line_a_day(boss: Colleague, numbers: Numbers) -> None:
    answer = boss.client.get(ANALYTICS, params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["date"] for line in lines] == [day["date"] for day in numbers()["days"]]
    assert sum(int(line["conversations"]) for line in lines) == numbers()["conversations"]


def test_supervisors_may_read_it_and_staff_may_not(own_stage: Stage) -> None:
    assert own_stage.colleague().client.get(ANALYTICS).status_code == 403
    assert own_stage.client.get(ANALYTICS).status_code == 401


def test_a_finished_conversation_is_reviewed_once(
    own_stage: Stage, numbers: Numbers, boss: Colleague
) -> None:
    services = own_stage.product.services

    def review() -> bool:
        made = services.outcomes.reviewer.review_next()
        return asyncio.run_coroutine_threadsafe(made, own_stage.product.loop).result()

    chat = own_stage.chat()
    reply = chat.answer(QUESTION)["data"]["message"]
    chat.post(f"messages/{reply['id']}/feedback", {"rating": "up"})
    boss.does(chat, "resolve")
    eventually(lambda: (last := services.records.visits.last(chat.id)) and last[0].resolved_at)
    while review():
        pass
    now = datetime.now(UTC)
    found = services.records.reviewed.between(
        (now - timedelta(days=1)).isoformat(), (now + timedelta(days=1)).isoformat()
    )
    mine = next(one for one in found if one.conversation_id == chat.id)
    assert mine.question == QUESTION
    assert mine.resolved is not None
    assert mine.resolved > 0.5
    assert any("The fee for a dog is 17 euros a night." in p for p in own_stage.script.prompts)
    quality = numbers()["quality"]
    assert quality["reviewed"] >= 1
    assert quality["agreement"]["customers"]["compared"] >= 1
    assert not review(), "each conversation once"

    own_stage.client.delete(chat.path, headers=chat.headers)
    assert numbers()["quality"]["reviewed"] == quality["reviewed"] - 1
