"""Nobody is there: what the customer is told, and the address they leave."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from agent.storage.attendance import AttendanceStore
from tests.apart import run_apart
from tests.handoff.conftest import Opened, Stage, eventually

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
NAMES = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
OPEN_ON = (datetime.now(UTC) + timedelta(days=3)).weekday()


@pytest.fixture(scope="module")
def closed(staged: Opened) -> Iterator[Stage]:
    with staged(working_hours=f"{DAYS[OPEN_ON]} 09:00-10:00") as stage:
        yield stage


def test_a_customer_hears_when_somebody_is_there_and_leaves_an_address(closed: Stage) -> None:
    ann = closed.colleague()
    chat = closed.chat(locale="de")
    chat.post("handoff")
    told = chat.snapshot()["messages"][-1]
    assert (told["role"], told["notice"]) == ("system", "away")
    assert NAMES[OPEN_ON] in told["content"]
    assert "09:00 (UTC)" in told["content"]
    assert "E-Mail" in told["content"]

    chat.say("Gern an bello@example.org, danke.")
    thanks = chat.snapshot()["messages"][-1]
    assert thanks["notice"] == "email_kept"
    assert "bello@example.org" in thanks["content"]
    seen = ann.sees(chat)
    assert seen["identity"]["stated"]["email"] == "bello@example.org"
    assert seen["customer"]["email"] == "bello@example.org"
    assert seen["customer"]["level"] == "anonymous", "said, not proven"

    chat.say("Oder an other@example.org")
    assert ann.sees(chat)["customer"]["email"] == "bello@example.org", "it is asked for once"


def test_whose_address_is_known_is_not_asked(closed: Stage) -> None:
    chat = closed.chat(locale="en", customer={"email": "known@example.org"})
    chat.answer("I want to talk to a person")
    *_, told = chat.snapshot()["messages"]
    assert told["notice"] == "away"
    assert "e-mail" not in told["content"]


def test_an_address_that_nobody_asked_for_is_only_text(stage: Stage) -> None:
    ann = stage.colleague()
    chat = stage.chat()
    chat.post("handoff")
    chat.say("I am bello@example.org")
    assert ann.sees(chat)["customer"]["email"] is None
    assert all(m["role"] != "system" for m in chat.snapshot()["messages"])


def test_when_every_console_is_closed_the_customer_is_told(staged: Opened) -> None:
    with staged() as stage:
        url = stage.product.services.settings.redis_url
        assert url is not None
        unknown = stage.chat()
        unknown.post("handoff")
        assert unknown.snapshot()["messages"] == [], "nobody has ever used a console here"

        run_apart(report(url, "u_1", time.time() - 3600))
        chat = stage.chat()
        chat.post("handoff")
        told = chat.snapshot()["messages"][-1]
        assert told["notice"] == "away"
        assert "We are back" not in told["content"], "nobody knows when"

        ann = stage.colleague()
        with ann.client.stream("GET", "/api/v1/staff/events") as stream:
            parts = stream.iter_text()
            assert next(parts).startswith(":"), "connected"
            served = stage.chat()
            served.post("handoff")
            assert served.snapshot()["messages"] == []


def test_whose_person_closed_the_console_waits_for_anybody(staged: Opened) -> None:
    with staged() as stage:
        ann = stage.colleague()
        chat, talking = stage.chat(), stage.chat()
        for one in (chat, talking):
            one.post("handoff")
            ann.does(one, "messages", {"content": "Hello, I am here."})
        chat.say("And now?")
        url = stage.product.services.settings.redis_url
        assert url is not None
        run_apart(report(url, ann.id, time.time() - 3600))
        eventually(lambda: ann.sees(chat)["assignee"] is None, patience_s=40)
        assert "anybody's again" in ann.sees(chat)["notes"][-1]["content"]
        assert ann.sees(talking)["assignee"] == ann.id, "nobody waits there"


async def report(url: str, user_id: str, moment: float) -> None:
    store = AttendanceStore(url)
    await store.seen([user_id], moment)
    await store.close()
