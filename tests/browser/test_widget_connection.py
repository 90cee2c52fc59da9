"""The widget when network, server or tab go away: nothing is lost, nothing is doubled."""

import json
import os
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

from tests.browser.shop import Chat, Shop

pytestmark = [pytest.mark.browser, pytest.mark.model]

MESSAGES = "**/api/v1/conversations/*/messages"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new visitor, who may see errors of the network."""
    with browser.new_context(locale="en-GB") as context:
        yield context


@pytest.fixture
def chat(context: BrowserContext, shop: Shop) -> Chat:
    return Chat.on(context.new_page(), shop.page)


def test_what_is_written_offline_goes_out_once_when_the_network_is_back(
    context: BrowserContext, chat: Chat
) -> None:
    chat.greet()
    context.set_offline(True)
    expect(chat.see("#state")).to_have_text("You are offline. Messages go out when you are back")
    chat.write("thanks")
    expect(chat.see(".delivery.waiting")).to_have_text("Goes out when you are back online")
    assert "thanks" not in str(chat.customer.snapshot())
    context.set_offline(False)
    chat.says("You're welcome")
    expect(chat.see(".delivery")).to_have_count(0)
    expect(chat.see("#state")).to_have_text("Answers from our policies")
    chat.shows_what_the_server_has()


def test_what_others_wrote_while_offline_is_there_afterwards(
    context: BrowserContext, chat: Chat
) -> None:
    chat.greet()
    customer = chat.customer
    context.set_offline(True)
    customer.ask("thanks")
    context.set_offline(False)
    chat.says("You're welcome")
    chat.shows_what_the_server_has()


def test_a_message_that_waits_survives_a_reload(context: BrowserContext, chat: Chat) -> None:
    chat.greet()
    context.route(MESSAGES, lambda route: route.abort())
    chat.write("thanks")
    expect(chat.see("#log")).to_contain_text("Trying again")
    chat.page.reload()
    chat.page.wait_for_function("() => window.$frontdesk !== undefined")
    chat.open()
    expect(chat.see("#log")).to_contain_text("thanks")
    context.unroute(MESSAGES)
    chat.says("You're welcome")
    chat.shows_what_the_server_has()


def test_an_answer_lost_on_the_way_doubles_no_message(context: BrowserContext, chat: Chat) -> None:
    """The server has the message, and the 202 never arrived: the same id is sent again."""
    sent: list[str] = []

    def lose_the_first(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "{}")["client_message_id"])
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    context.route(MESSAGES, lose_the_first)
    chat.greet()
    chat.wait_until(lambda: len(sent) == 2)
    assert sent[0] == sent[1]
    expect(chat.see(".delivery")).to_have_count(0)
    chat.shows_what_the_server_has()
    assert sum(m["role"] == "customer" for m in chat.customer.snapshot()["messages"]) == 1


def test_a_message_that_is_refused_can_be_tried_again_or_discarded(
    context: BrowserContext, chat: Chat
) -> None:
    refusal = {"code": "too_large", "title": "Too large", "detail": "Say it in fewer words."}
    context.route(
        MESSAGES,
        lambda route: route.fulfill(
            status=413, content_type="application/problem+json", body=json.dumps(refusal)
        ),
    )
    chat.write("hi")
    expect(chat.see(".delivery.failed")).to_contain_text("Not sent. Say it in fewer words.")
    chat.write("never mind")
    expect(chat.see(".delivery.failed")).to_have_count(2)
    chat.button("Discard").last.click()
    expect(chat.see("#log")).not_to_contain_text("never mind")
    context.unroute(MESSAGES)
    chat.button("Try again").click()
    chat.says("How can I help you")
    expect(chat.see(".delivery.failed")).to_have_count(0)
    chat.shows_what_the_server_has()


def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(
    chat: Chat, shop: Shop
) -> None:
    chat.greet()
    os.kill(shop.product.server_pid(), signal.SIGKILL)
    chat.write("thanks")
    expect(chat.see("#state")).to_have_text("Connection lost. Reconnecting…")
    chat.says("You're welcome")
    expect(chat.see("#state")).to_have_text("Answers from our policies", timeout=60_000)
    chat.write("hi")
    chat.shows_what_the_server_has()


def test_the_same_conversation_after_a_reload_and_in_a_second_tab(
    context: BrowserContext, chat: Chat, shop: Shop
) -> None:
    chat.greet()
    chat.page.reload()
    chat.page.wait_for_function("() => window.$frontdesk !== undefined")
    chat.open()
    chat.shows_what_the_server_has()
    other = Chat.on(context.new_page(), shop.page)
    assert other.customer.id == chat.customer.id
    chat.write("thanks")
    other.says("You're welcome")
    other.shows_what_the_server_has()
    chat.shows_what_the_server_has()


def test_a_colleague_who_types_is_seen(chat: Chat, shop: Shop) -> None:
    chat.see("#talk").click()
    expect(chat.see("#strip")).to_have_attribute("data-kind", "queued")
    conversation = chat.customer.id
    shop.staff_does(conversation, "take_over")
    path = f"/api/v1/staff/conversations/{conversation}/presence"
    assert shop.call("staff", "POST", path, {"doing": "typing"}).status_code == 200
    expect(chat.see("#log .human_agent .dots")).to_be_visible()
    expect(chat.see("#log .human_agent .unseen")).to_contain_text("is typing")
    shop.staff_does(conversation, "messages", content="Hello, I am Ann.")
    chat.says("Hello, I am Ann.")
    expect(chat.see("#log .dots")).to_have_count(0)


def test_words_typed_before_everything_has_loaded_stay(context: BrowserContext, shop: Shop) -> None:
    held: list[Route] = []
    context.route("**/static/widget/composer.js", lambda route: held.append(route))
    page = context.new_page()
    page.goto(shop.page)
    page.wait_for_function("() => window.$frontdesk !== undefined")
    page.evaluate("window.$frontdesk.toggle('open')")
    chat = Chat(page)
    chat.see("#text").fill("hi")
    chat.wait_until(lambda: held)
    for route in held:
        route.continue_()
    expect(chat.see("#log .message").first).to_be_visible()
    expect(chat.see("#text")).to_have_value("hi")
    chat.see("#text").press("Enter")
    chat.says("How can I help you")
