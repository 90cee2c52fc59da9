"""axe finds nothing in any state of the widget, in light and in dark, wide and on a phone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.accessible import violations
from tests.browser.shop import Chat, Shop

pytestmark = [pytest.mark.browser, pytest.mark.model]

WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def answered(browser: Browser, shop: Shop) -> Iterator[dict[str, Any]]:
    """A browser's storage after a cited answer: the model is asked once."""
    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), shop.page)
        chat.write("How much is the pet fee?")
        expect(chat.see("#log button.cite").first).to_be_visible(timeout=120_000)
        yield dict(context.storage_state())


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def page(
    browser: Browser, answered: dict[str, Any], scheme: Any, request: pytest.FixtureRequest
) -> Iterator[Page]:
    with browser.new_context(
        locale="en-GB",
        viewport=request.param,
        color_scheme=scheme,
        reduced_motion="reduce",
        storage_state=answered,
    ) as context:
        yield context.new_page()


def test_every_panel_of_an_answered_conversation(page: Page, shop: Shop) -> None:
    page.goto(shop.page)
    page.get_by_role("button", name="Open chat").wait_for()
    assert violations(page) == [], "closed"
    chat = Chat.on(page, shop.page)
    chat.says("35 EUR")
    assert violations(page) == [], "open"
    assert violations(chat.frame) == [], "an answer with its source"

    chat.see("#log button.cite").first.click()
    expect(chat.see("#source")).to_be_visible()
    assert violations(chat.frame) == [], "the source"
    page.keyboard.press("Escape")

    chat.button("More").click()
    assert violations(chat.frame) == [], "the menu"
    chat.within.get_by_role("menuitem", name="End this conversation").click()
    chat.within.get_by_role("radio", name="2: Poor").press("Space")
    assert violations(chat.frame) == [], "the end"
    chat.button("Cancel").click()

    chat.choose("Delete my conversation")
    assert violations(chat.frame) == [], "the question before deleting"
    chat.button("Cancel").click()

    chat.button("This did not help").click()
    chat.within.get_by_role("radio", name="Not complete").press("Space")
    assert violations(chat.frame) == [], "why"

    page.context.route(
        "**/messages",
        lambda route: route.fulfill(status=413, body=json.dumps({"detail": "Too long."})),
    )
    chat.write("A message that is refused")
    expect(chat.see("#log .delivery.failed")).to_be_visible()
    assert violations(chat.frame) == [], "a message that failed"
    page.context.set_offline(True)
    expect(chat.see("#state")).to_contain_text("You are offline")
    assert violations(chat.frame) == [], "offline"


def test_from_first_questions_to_the_rating(browser: Browser, shop: Shop, scheme: Any) -> None:
    look = {"colour": "#f2c200", "suggested_questions": {"en": ["What is the pet fee?"]}}
    shop.admin_sets(look)
    with browser.new_context(
        locale="en-GB", color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        chat = Chat.on(context.new_page(), shop.page)
        shop.admin_sets({})
        expect(chat.see(".suggestions button")).to_be_visible()
        assert violations(chat.frame) == [], "first questions, in a colour that is hard to read on"
        chat.see("#talk").click()
        expect(chat.see("#strip")).to_have_attribute("data-kind", "queued")
        assert violations(chat.frame) == [], "waiting for a person"
        shop.staff_does(chat.customer.id, "messages", content="Hello, I am Ann.")
        chat.says("Hello, I am Ann.")
        assert violations(chat.frame) == [], "with a person"
        shop.staff_does(chat.customer.id, "resolve")
        chat.within.get_by_role("radio", name="4: Good").press("Space")
        assert violations(chat.frame) == [], "the rating"
        chat.button("Send rating").click()
        expect(chat.see(".score [role=status]")).to_be_visible()
        assert violations(chat.frame) == [], "rated"


def test_the_focus_stays_in_the_chat_on_a_phone_and_comes_back(page: Page, shop: Shop) -> None:
    page.goto(shop.page)
    button = page.get_by_role("button", name="Open chat")
    button.focus()
    page.keyboard.press("Enter")
    chat = Chat(page)
    expect(chat.see("#text")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") != "frontdesk", "a closed chat is no stop"


def test_a_screen_reader_hears_answers_and_what_changes(browser: Browser, shop: Shop) -> None:
    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), shop.page)
        said = chat.see("#announcer")
        expect(said).to_have_attribute("aria-live", "polite")
        chat.write("hi")
        expect(said).to_contain_text("AI assistant: Hello", timeout=60_000)
        chat.see("#talk").click()
        expect(said).to_contain_text("A colleague will join you here")


def test_forced_colours_keep_every_edge(browser: Browser, shop: Shop) -> None:
    with browser.new_context(locale="en-GB", forced_colors="active") as context:
        chat = Chat.on(context.new_page(), shop.page)
        chat.greet()
        edges = chat.see(".bubble").evaluate_all(
            "all => all.map((one) => getComputedStyle(one).borderStyle)"
        )
        assert set(edges) == {"solid"}


def test_reduced_motion_moves_nothing(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    moving = chat.frame.evaluate(
        """() => document.getAnimations().filter((one) =>
          Number(one.effect.getComputedTiming().duration) > 10).length"""
    )
    assert moving == 0


def test_what_is_wrong_would_be_found(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    chat.frame.evaluate("document.querySelector('#chat').append(document.createElement('img'))")
    assert violations(chat.frame)[0].startswith("image-alt")
