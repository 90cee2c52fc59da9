"""Gaps and corrections as an admin works with them, in a real browser."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.accessible import violations
from tests.gaps.conftest import PARKING, answered, words
from tests.handoff.conftest import PASSWORD, Opened, Stage

pytestmark = pytest.mark.browser
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)
PICTURES = os.environ.get("PICTURES")


@pytest.fixture(scope="module")
def stage(staged: Opened) -> Iterator[Stage]:
    with staged(hand_off_after=0) as stage:
        stage.script.reply = words  # type: ignore[method-assign]
        yield stage


@pytest.fixture
def email(stage: Stage) -> str:
    people = stage.product.services.records.people
    people.add("boss@tidelark.example", PASSWORD, "admin", "Bea Boss")
    return "boss@tidelark.example"


def sign_in(page: Page, stage: Stage, email: str) -> None:
    page.goto(f"{stage.product.url}/admin#gaps")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Gaps", exact=True).wait_for()


def look(page: Page, name: str) -> None:
    """In both schemes, from a phone to a wide screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            assert violations(page) == [], (name, scheme, size)
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], (name, size)
            if PICTURES:
                file = Path(PICTURES) / f"{name}-{scheme}-{size['width']}.png"
                page.screenshot(path=file, full_page=True)
    page.set_viewport_size(WIDE)


def gap(page: Page, name: str) -> Any:
    return page.get_by_role("article", name=name)


def test_a_gap_is_worked_on_and_a_wrong_answer_put_right(
    stage: Stage, email: str, browser: Browser
) -> None:
    library = stage.product.services.library
    errors: list[str] = []
    with browser.new_context(viewport=WIDE, locale="en-GB") as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        sign_in(page, stage, email)
        page.get_by_role("heading", name="No gaps yet").wait_for()
        look(page, "empty")

        answered(stage, stage.chat(), "Where can I park my car?")
        answered(stage, stage.chat(), "Is there a place to park the car?")
        answered(stage, stage.chat(), "Do you sell vegan ice cream?")
        page.reload()
        parking, ice = gap(page, "park"), gap(page, "ice cream")
        expect(parking).to_contain_text("2customers")
        expect(parking).to_contain_text("Not answered 2×")
        look(page, "open")

        ice.get_by_role("button", name="Dismiss").click()
        page.get_by_label("Why").fill("We are no kiosk")
        page.get_by_role("button", name="Dismiss", exact=True).click()
        expect(ice).to_have_count(0)

        parking.get_by_role("button", name="Draft a document").click()
        page.wait_for_url("**/admin#documents/**")
        page.get_by_role("link", name="Gaps").click()
        expect(parking.get_by_role("link", name="Open the draft")).to_be_visible()

        added = library.add_text(source="t", key="parking.md", text=PARKING, publish=True)
        parking.get_by_role("button", name="Ask again").click()
        expect(parking).to_have_count(0)
        page.get_by_role("button", name="Answered 1").click()
        expect(gap(page, "park")).to_contain_text("Guests park their car for free in the yard")
        look(page, "answered")

        told = stage.chat()
        assert answered(stage, told, "Where may I park my car?")["outcome"] == "answered"
        new = PARKING.replace("in the yard behind the house", "on the meadow opposite the station")
        library.add_text(source="t", key="parking.md", text=new, publish=True)
        page.get_by_role("button", name="Corrections").click()
        page.get_by_label("Document").select_option(str(added.document_id))
        wrong = page.get_by_role("article", name="Where may I park my car?")
        expect(wrong).to_contain_text("on the meadow opposite the station")
        look(page, "corrections")
        wrong.get_by_role("button", name="Write to the customer").click()
        page.get_by_role("dialog").wait_for()
        look(page, "message")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(wrong).to_contain_text("wrote to the customer")
        last = told.snapshot()["messages"][-1]
        assert (last["role"], last["author"]) == ("human_agent", "Bea Boss")
        assert "on the meadow opposite the station" in last["content"]
        page.goto(f"{stage.product.url}/admin#documents/{added.document_id}")
        page.get_by_role("heading", name="Answered from older revisions").wait_for()
        expect(wrong).to_contain_text("wrote to the customer")
        look(page, "document")
    assert errors == []
