"""A customer on the demo page, in a real browser, with the real model behind it."""

import re

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect

from tests.browser.conftest import Product

pytestmark = [pytest.mark.browser, pytest.mark.model]

ANSWER_MS = 120_000
QUESTION = "How much is the fee for bringing my first pet?"


def widget(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


def open_chat(page: Page, product: Product) -> FrameLocator:
    page.goto(f"{product.url}/demo")
    page.wait_for_function("() => window.$frontdesk !== undefined")
    page.evaluate("window.$frontdesk.toggle('open')")
    frame = widget(page)
    expect(frame.locator("#role")).to_contain_text("AI assistant")
    return frame


def ask(frame: FrameLocator, question: str) -> None:
    frame.locator("#text").fill(question)
    frame.locator("#text").press("Enter")


def test_a_question_gets_a_cited_answer_whose_source_opens(page: Page, product: Product) -> None:
    frame = open_chat(page, product)
    ask(frame, QUESTION)
    chip = frame.locator("#log button.cite").first
    expect(chip).to_be_visible(timeout=ANSWER_MS)
    expect(frame.locator("#log")).to_contain_text("35")
    chip.click()
    source = frame.locator("#source")
    expect(source).to_be_visible()
    expect(source).to_contain_text("Pets and assistance animals")
    expect(source).to_contain_text("35 EUR")
    page.keyboard.press("Escape")
    expect(source).to_be_hidden()


def test_the_conversation_is_there_after_a_reload_and_in_a_second_tab(
    page: Page, product: Product
) -> None:
    frame = open_chat(page, product)
    ask(frame, QUESTION)
    expect(frame.locator("#log button.cite").first).to_be_visible(timeout=ANSWER_MS)
    page.reload()
    frame = open_chat(page, product)
    expect(frame.locator("#log")).to_contain_text(QUESTION)
    expect(frame.locator("#log button.cite").first).to_be_visible()

    second = page.context.new_page()
    other = open_chat(second, product)
    expect(other.locator("#log")).to_contain_text(QUESTION)
    ask(frame, "Thanks!")
    expect(other.locator("#log")).to_contain_text("You're welcome", timeout=ANSWER_MS)


def test_a_person_is_one_click_away(page: Page, product: Product) -> None:
    frame = open_chat(page, product)
    frame.locator("#talk").click()
    confirm = frame.locator("#confirm[open] button").last
    if confirm.is_visible():
        confirm.click()
    expect(frame.locator("body")).to_contain_text(
        re.compile("colleague|person from our team", re.IGNORECASE)
    )
    expect(frame.locator("#talk")).to_be_hidden()


def test_everything_works_by_keyboard_on_a_phone(browser: Browser, product: Product) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{product.url}/demo")
    page.wait_for_function("() => window.$frontdesk !== undefined")
    page.evaluate("window.$frontdesk.toggle('open')")
    frame = widget(page)
    frame.locator("#text").press_sequentially("hello there")
    page.keyboard.press("Enter")
    expect(frame.locator("#log")).to_contain_text("How can I help you", timeout=ANSWER_MS)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    page.keyboard.press("Escape")
    page.wait_for_function("() => !window.$frontdesk.isOpen")
    context.close()


def test_what_was_written_and_sent_before_the_chat_had_loaded_is_sent(
    page: Page, product: Product
) -> None:
    held: list[Route] = []
    page.route("**/widget/app.js", lambda route: held.append(route))
    page.goto(f"{product.url}/demo")
    page.wait_for_function("() => window.$frontdesk !== undefined")
    page.evaluate("window.$frontdesk.toggle('open')")
    frame = widget(page)
    ask(frame, "hello there")
    for route in held:
        route.continue_()
    expect(frame.locator("#log")).to_contain_text("How can I help you", timeout=ANSWER_MS)
    expect(frame.locator("#text")).to_have_value("")


def test_the_widget_asks_nobody_else(page: Page, product: Product) -> None:
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    frame = open_chat(page, product)
    ask(frame, "hi")
    expect(frame.locator("#log")).to_contain_text("How can I help you", timeout=ANSWER_MS)
    assert hosts == {product.url.split("/")[2]}
