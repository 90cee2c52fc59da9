"""What customers say of us in the widget, what they take with them, and what they have erased."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.shop import Chat, Shop

pytestmark = [pytest.mark.browser, pytest.mark.model]

QUESTION = "How much is the pet fee?"


@pytest.fixture(scope="module")
def answered(browser: Browser, shop: Shop) -> Iterator[dict[str, Any]]:
    """A browser's storage after a cited answer: the model is asked once."""
    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), shop.page)
        chat.write(QUESTION)
        expect(chat.see("#log button.cite").first).to_be_visible(timeout=120_000)
        yield dict(context.storage_state())


@pytest.fixture
def chat(browser: Browser, shop: Shop, answered: dict[str, Any]) -> Iterator[Chat]:
    with browser.new_context(locale="en-GB", storage_state=answered) as context:
        chat = Chat.on(context.new_page(), shop.page)
        chat.says("35 EUR")
        yield chat


def posted(page: Page, path: str) -> list[dict[str, Any]]:
    """Bodies sent to addresses that end so, as they are sent."""
    bodies: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: (
            bodies.append(json.loads(request.post_data or "null"))
            if request.method == "POST" and request.url.endswith(path)
            else None
        ),
    )
    return bodies


def test_a_source_opens_with_title_section_date_and_the_quoted_passage(chat: Chat) -> None:
    chip = chat.see("#log button.cite").first
    chip.press("Enter")
    source = chat.see("#source")
    expect(source.get_by_role("heading")).to_contain_text("Pets in our homes")
    expect(source).to_contain_text("Pet fee")
    expect(source.locator("blockquote")).to_contain_text("35 EUR for each pet and stay")
    expect(source).to_contain_text("In force since 1 Feb 2026")
    chat.page.keyboard.press("Escape")
    expect(source).to_be_hidden()
    expect(chip).to_be_focused()


def test_a_thumb_down_asks_why_and_everything_goes_by_keyboard(chat: Chat) -> None:
    bodies = posted(chat.page, "/feedback")
    chat.button("This did not help").press("Enter")
    first = chat.within.get_by_role("radio", name="Not correct")
    expect(first).to_be_focused()
    keys = chat.page.keyboard
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    expect(chat.within.get_by_role("radio", name="Out of date")).to_be_checked()
    keys.press("Tab")
    keys.type("That was the fee of last year.")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    expect(chat.see(".rating-answer")).to_have_text("Thank you. We read every comment.")
    down = chat.button("This did not help")
    expect(down).to_have_attribute("aria-pressed", "true")
    expect(down).to_be_focused()
    comment = "That was the fee of last year."
    assert bodies == [
        {"rating": "down"},
        {"rating": "down", "reason": "outdated", "comment": comment},
    ]
    chat.button("This helped").click()
    expect(chat.button("This helped")).to_have_attribute("aria-pressed", "true")
    expect(down).to_have_attribute("aria-pressed", "false")


def test_words_that_do_not_get_through_stay(chat: Chat) -> None:
    chat.button("This did not help").click()
    words = chat.see(".why textarea")
    words.fill("Half of it is missing.")
    chat.page.context.route("**/feedback", lambda route: route.abort())
    chat.button("Send comment").click()
    expect(chat.see(".rating-answer")).to_contain_text("did not get through")
    expect(words).to_have_value("Half of it is missing.")
    chat.page.context.unroute("**/feedback")
    chat.button("Send comment").click()
    expect(words).to_have_count(0)


def test_a_transcript_holds_what_was_said_and_its_sources(chat: Chat) -> None:
    with chat.page.expect_download() as found:
        chat.choose("Download transcript")
    assert found.value.suggested_filename.endswith(".txt")
    text = found.value.path().read_text("utf-8")
    assert "AI assistant:" in text
    assert QUESTION in text
    assert "35 EUR" in text
    assert "[1] Pets in our homes" in text


def resolved(browser: Browser, shop: Shop) -> Chat:
    chat = Chat.on(browser.new_context(locale="en-GB").new_page(), shop.page)
    chat.greet()
    shop.staff_does(chat.customer.id, "resolve")
    expect(chat.see("#state")).to_contain_text("Resolved")
    return chat


def test_a_resolved_conversation_asks_how_it_was(browser: Browser, shop: Shop) -> None:
    chat = resolved(browser, shop)
    bodies = posted(chat.page, "/csat")
    first = chat.within.get_by_role("radio", name="1: Very poor")
    first.focus()
    for _ in range(3):
        chat.page.keyboard.press("ArrowRight")
    expect(chat.within.get_by_role("radio", name="4: Good")).to_be_checked()
    chat.page.keyboard.press("Tab")
    chat.page.keyboard.type("Fast.")
    chat.page.keyboard.press("Tab")
    chat.page.keyboard.press("Enter")
    thanks = chat.see(".score [role=status]")
    expect(thanks).to_have_text("Thank you for your rating.")
    expect(thanks).to_be_focused()
    assert bodies == [{"score": 4, "comment": "Fast."}]

    other = Chat.on(chat.page.context.new_page(), shop.page)
    expect(other.see(".score")).to_have_text("Thank you for your rating.")
    other.write("thanks")
    other.says("You're welcome")
    expect(other.see(".score")).to_have_count(0)
    chat.page.context.close()


def test_a_rating_in_one_tab_is_given_in_the_other(browser: Browser, shop: Shop) -> None:
    chat = resolved(browser, shop)
    other = Chat.on(chat.page.context.new_page(), shop.page)
    other.within.get_by_role("radio", name="5: Very good").press("Space")
    other.button("Send rating").click()
    expect(chat.see(".score")).to_have_text("Thank you for your rating.")
    chat.page.context.close()


def test_a_customer_who_ends_may_rate_and_begins_anew(browser: Browser, shop: Shop) -> None:
    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), shop.page)
        chat.greet()
        before = chat.customer
        bodies = posted(chat.page, "/csat")
        chat.choose("End this conversation")
        chat.within.get_by_role("radio", name="3: Fair").press("Space")
        chat.button("End conversation").click()
        expect(chat.see("#confirm")).to_be_hidden()
        expect(chat.see("#log")).not_to_contain_text("How can I help you")
        chat.wait_until(lambda: chat.customer.id != before.id)
        assert bodies == [{"score": 3}]
        assert before.snapshot()["messages"], "what was said is kept, and said to be kept"


def test_delete_my_conversation_asks_first_and_then_erases(browser: Browser, shop: Shop) -> None:
    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), shop.page)
        chat.greet()
        before = chat.customer
        chat.choose("Delete my conversation")
        expect(chat.see("#confirm")).to_contain_text("cannot be undone")
        expect(chat.button("Cancel")).to_be_focused()
        chat.page.keyboard.press("Enter")
        expect(chat.see("#confirm")).to_be_hidden()
        chat.says("How can I help you")

        chat.choose("Delete my conversation")
        chat.button("Delete").click()
        expect(chat.see("#log")).to_contain_text("Your conversation has been deleted.")
        gone = httpx.get(before.path, headers=before.headers, timeout=30)
        assert gone.status_code == 404
        assert "frontdesk.conversation" not in chat.frame.evaluate("({...localStorage})")
