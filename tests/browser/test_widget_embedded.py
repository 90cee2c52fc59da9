"""The widget on a page of another origin, under a strict policy, put there by the one tag."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.shop import Chat, Shop, identifier_hash, signed

pytestmark = [pytest.mark.browser, pytest.mark.model]


@pytest.fixture
def tag(shop: Shop) -> Iterator[Callable[[str], None]]:
    """Sets the attributes of the widget's tag on the shop's page."""

    def attributes(text: str) -> None:
        shop.site.tag = text

    yield attributes
    shop.site.tag = ""


def test_one_tag_under_a_strict_policy_is_enough(page: Page, shop: Shop) -> None:
    hosts = set()
    page.on("request", lambda request: hosts.add("/".join(request.url.split("/")[:3])))
    chat = Chat.on(page, shop.page)
    chat.greet()
    page.keyboard.press("Escape")
    page.wait_for_function("() => !window.$frontdesk.isOpen")
    assert page.evaluate("window.violations") == []
    assert hosts == {shop.site.origin, shop.product.url}, "nobody else is asked"

    names = [event["name"] for event in page.evaluate("window.heard")]
    assert {"ready", "opened", "on-message", "closed"} <= set(names)
    assert "error" not in names
    roles = [message["role"] for message in chat.heard("on-message")]
    assert roles == ["customer", "ai_agent"]


def test_a_site_that_is_not_named_cannot_embed_it(browser: Browser, shop: Shop) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        refused = page.expect_console_message(lambda message: "frame-ancestors" in message.text)
        with refused:
            page.goto(f"{shop.stranger.origin}/host_page.html")


FORGED = """([origin, source, data]) => window.dispatchEvent(new MessageEvent('message',
  {origin, source: {own: window, parent: window.parent}[source], data}))"""


def test_the_frame_hears_only_its_page(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    asked = {"frontdesk": 1, "type": "ask", "value": "Forged words"}
    here, there = shop.site.origin, shop.other.origin
    for origin, source in ((there, "parent"), (here, "own"), ("null", "parent")):
        chat.frame.evaluate(FORGED, [origin, source, asked])
    chat.frame.evaluate(FORGED, [here, "parent", {"type": "ask", "value": "Forged words"}])
    chat.frame.evaluate(FORGED, [here, "parent", {**asked, "type": "constructor"}])
    chat.frame.evaluate(FORGED, [here, "parent", {**asked, "value": "hi"}])
    chat.says("How can I help you")
    assert "Forged words" not in chat.see("#log").inner_text()


def test_the_page_hears_only_its_frame(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    close = {"frontdesk": 1, "type": "close"}
    page.evaluate("data => window.postMessage(data, '*')", close)
    page.evaluate(FORGED, [shop.product.url, "own", close])
    page.evaluate(FORGED, [shop.other.origin, "parent", close])
    with page.context.expect_page() as found:
        page.evaluate("url => void window.open(url)", f"{shop.other.origin}/bare.html")
    found.value.evaluate("data => window.opener.postMessage(data, '*')", close)
    page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    assert page.evaluate("window.$frontdesk.isOpen")
    chat.frame.evaluate(
        "([data, origin]) => window.parent.postMessage(data, origin)", [close, shop.site.origin]
    )
    page.wait_for_function("() => !window.$frontdesk.isOpen")


def test_a_page_that_says_it_is_another_gets_no_ear(page: Page, shop: Shop) -> None:
    """Both origins may embed the frame; the one that does speaks for itself only."""
    page.goto(f"{shop.other.origin}/bare.html")
    page.evaluate(
        """([frame, host]) => new Promise((loaded) => {
          const made = document.createElement('iframe');
          made.onload = loaded;
          made.src = `${frame}/widget/frame#host=${encodeURIComponent(host)}`;
          document.body.append(made);
        })""",
        [shop.product.url, shop.site.origin],
    )
    page.evaluate(
        """data => document.querySelector('iframe').contentWindow.postMessage(data, '*')""",
        {"frontdesk": 1, "type": "ask", "value": "Forged words"},
    )
    frame = page.frame_locator("iframe")
    expect(frame.locator("#log .message").first).to_be_visible()
    assert "Forged words" not in frame.locator("#log").inner_text()


# Who the customer is


def identity(shop: Shop, chat: Chat) -> dict[str, Any]:
    found = shop.staff_sees(chat.customer.id)["identity"]
    return {name: found[name] for name in ("level", "method", "identifier", "stated")}


def set_user(page: Page, identifier: str | None, **proof: str) -> None:
    page.evaluate("([who, proof]) => window.$frontdesk.setUser(who, proof)", [identifier, proof])


def test_a_customer_who_is_known_from_the_start_is_verified(page: Page, shop: Shop) -> None:
    page.goto(shop.page)
    page.wait_for_function("() => window.$frontdesk !== undefined")
    set_user(page, "ann", identifier_hash=identifier_hash("ann"), name="Ann Moss")
    page.evaluate("window.$frontdesk.setCustomAttributes({plan: 'gold'})")
    chat = Chat(page)
    chat.open()
    chat.greet()
    assert identity(shop, chat) == {
        "level": "verified",
        "method": "hmac",
        "identifier": "ann",
        "stated": {"name": "Ann Moss", "attributes": {"plan": "gold"}},
    }


def test_a_customer_who_signs_in_later_keeps_the_conversation(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    chat.greet()
    before = chat.customer
    set_user(page, None, jwt=signed("ben", tier="silver"))
    chat.wait_until(lambda: identity(shop, chat)["level"] == "verified")
    assert identity(shop, chat)["method"] == "jwt"
    after = chat.customer
    assert (after.id, after.token != before.token) == (before.id, True)
    page.evaluate("window.$frontdesk.setCustomAttributes({cart: 3})")
    chat.wait_until(lambda: identity(shop, chat)["stated"] == {"attributes": {"cart": 3}})
    chat.write("thanks")
    chat.says("You're welcome")


def test_two_tabs_that_both_say_who_the_customer_is_go_on(browser: Browser, shop: Shop) -> None:
    """Each time the token is renewed, and the other tab's ends."""
    with browser.new_context(locale="en-GB") as context:
        first = Chat.on(context.new_page(), shop.page)
        first.greet()
        second = Chat.on(context.new_page(), shop.page)
        for chat in (first, second, first):
            set_user(chat.page, "cleo", identifier_hash=identifier_hash("cleo"))
        first.wait_until(lambda: identity(shop, first)["level"] == "verified")
        second.write("thanks")
        second.says("You're welcome")
        first.write("ok")
        first.wait_until(lambda: len(first.customer.snapshot()["messages"]) >= 5)
        first.shows_what_the_server_has()
        second.shows_what_the_server_has()


def test_another_customer_does_not_see_the_conversation(browser: Browser, shop: Shop) -> None:
    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), shop.page)
        set_user(chat.page, "dan", identifier_hash=identifier_hash("dan"))
        chat.write("My name is a secret")
        chat.wait_until(lambda: identity(shop, chat)["level"] == "verified")
        dans = chat.customer.id
        set_user(chat.page, "eve", identifier_hash=identifier_hash("eve"))
        expect(chat.see("#log")).not_to_contain_text("secret")
        chat.wait_until(lambda: chat.customer.id != dans)
        assert identity(shop, chat)["identifier"] == "eve"


def test_a_proof_that_does_not_hold_costs_no_chat(browser: Browser, shop: Shop) -> None:
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(shop.page)
        page.wait_for_function("() => window.$frontdesk !== undefined")
        set_user(page, "fay", identifier_hash="0" * 64, name="Fay")
        chat = Chat(page)
        chat.open()
        chat.greet()
        assert identity(shop, chat)["level"] == "anonymous"
        assert identity(shop, chat)["stated"] == {"name": "Fay"}
        assert chat.heard("error")[0]["code"] == "unauthorized"


def test_reset_leaves_nothing_for_whoever_comes_next(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    chat.greet()
    chat.see("#text").fill("half a word")
    page.evaluate("window.$frontdesk.reset()")
    expect(chat.see("#log")).not_to_contain_text("How can I help you")
    expect(chat.see("#text")).to_have_value("")
    kept = "({...localStorage, ...sessionStorage})"
    assert chat.frame.evaluate(kept) == {}
    assert "token" not in json.dumps(page.evaluate(kept))


# How it looks and speaks


def test_the_page_chooses_language_and_scheme(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    chat.greet()
    page.evaluate("window.$frontdesk.setLocale('de')")
    expect(chat.see("#talk")).to_have_text("Mit einem Menschen sprechen")
    expect(chat.see("html")).to_have_attribute("lang", "de")
    paint = "getComputedStyle(document.body).backgroundColor"
    light = chat.frame.evaluate(paint)
    page.evaluate("window.$frontdesk.setColorScheme('dark')")
    assert chat.frame.evaluate(paint) != light
    page.evaluate("window.$frontdesk.setColorScheme('light')")
    assert chat.frame.evaluate(paint) == light


def test_a_person_is_announced_to_the_page(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    chat.see("#talk").click()
    expect(chat.see("#state")).to_have_text("A colleague will join you here")
    assert chat.heard("handoff") == [{"reason": "customer_request"}]
    shop.staff_does(chat.customer.id, "messages", content="Hello, I am Ann.")
    chat.says("Hello, I am Ann.")
    expect(chat.see("#state")).to_contain_text("You are talking with")
    page.evaluate("window.$frontdesk.toggle()")
    shop.staff_does(chat.customer.id, "messages", content="Are you still there?")
    button = page.get_by_role("button", name="Open chat (1 new)")
    expect(button).to_be_visible()
    button.click()
    chat.says("Are you still there?")
    expect(page.get_by_role("button", name="Close chat", exact=True)).to_be_visible()


LOOK = {
    "colour": "#b4005a",
    "position": "left",
    "default_locale": "fr",
    "greetings": {"en": "Welcome to our shop. I am its AI assistant."},
    "suggested_questions": {"en": ["hi", "What is the pet fee?"], "fr": ["Bonjour"]},
}


@pytest.fixture
def look(shop: Shop) -> Iterator[None]:
    shop.admin_sets(LOOK)
    yield
    shop.admin_sets({})


def button_looks(page: Page) -> dict[str, str]:
    return dict(
        page.evaluate(
            """() => {
              const style = getComputedStyle(
                document.getElementById('frontdesk').shadowRoot.querySelector('button'));
              return {colour: style.backgroundColor, left: style.left};
            }"""
        )
    )


@pytest.mark.usefixtures("look")
def test_an_admin_sets_colour_side_greeting_and_first_questions(page: Page, shop: Shop) -> None:
    chat = Chat.on(page, shop.page)
    assert button_looks(page) == {"colour": "rgb(180, 0, 90)", "left": "20px"}
    chat.says("Welcome to our shop.")
    questions = chat.see(".suggestions button")
    assert questions.all_inner_texts() == ["hi", "What is the pet fee?"]
    send = "getComputedStyle(document.querySelector('.mark')).backgroundColor"
    assert chat.frame.evaluate(send) == "rgb(180, 0, 90)"
    questions.first.click()
    chat.says("How can I help you")
    expect(questions).to_have_count(0)


@pytest.mark.usefixtures("look")
def test_the_tag_wins_over_the_admin(page: Page, shop: Shop, tag: Callable[[str], None]) -> None:
    tag(
        'data-accent="#0050b4" data-position="right" data-locale="de" data-name="Laden"'
        ' data-greeting="Moin, ich bin ein KI-Assistent." data-questions="Eins?|Zwei?"'
    )
    page.goto(shop.page)
    page.wait_for_function("() => window.$frontdesk !== undefined")
    page.evaluate("window.$frontdesk.toggle('open')")
    chat = Chat(page)
    chat.says("Moin, ich bin ein KI-Assistent.")
    assert button_looks(page)["colour"] == "rgb(0, 80, 180)"
    assert button_looks(page)["left"] != "20px"
    assert chat.see("#name").inner_text() == "Laden"
    assert chat.see(".suggestions button").all_inner_texts() == ["Eins?", "Zwei?"]


@pytest.mark.usefixtures("look")
def test_the_admins_language_is_for_whoever_speaks_none_of_ours(
    browser: Browser, shop: Shop
) -> None:
    with browser.new_context(locale="nl-NL") as context:
        page = context.new_page()
        page.goto(shop.page)
        page.get_by_role("button", name="Ouvrir le chat").click()
        questions = page.frame_locator("iframe").locator(".suggestions button")
        expect(questions).to_have_text(["Bonjour"])
