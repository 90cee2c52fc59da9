"""The admin page's widget section: seen at once, and by customers once it is saved."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.shop import Chat, Shop

pytestmark = [pytest.mark.browser, pytest.mark.model]
EMAIL, PASSWORD = "boss@example.org", "correct horse"


@pytest.fixture(scope="module")
def staffed(shop: Shop) -> Shop:
    arguments = ("users", "add", EMAIL, "--role", "admin", "--password-stdin")
    added = shop.product.command(*arguments, said=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    return shop


def opened(page: Page, shop: Shop) -> Page:
    page.goto(f"{shop.product.url}/admin#widget")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Greeting").wait_for()
    return page


def test_what_is_set_is_previewed_at_once_and_shown_once_saved(
    page: Page, browser: Browser, staffed: Shop
) -> None:
    begun = []
    page.on("request", lambda request: begun.append(request.url))
    opened(page, staffed)
    preview = page.frame_locator("iframe")
    expect(preview.locator("#log")).to_contain_text("I am an AI assistant")

    page.get_by_label("Colour", exact=True).fill("#b4005a")
    page.get_by_label("Greeting").fill("Welcome to the shop of our AI assistant.")
    page.get_by_label("Question 1").fill("What is the pet fee?")
    page.get_by_label("Words in").select_option("de")
    expect(page.get_by_label("Greeting")).to_have_value("")
    page.get_by_label("Greeting").fill("Willkommen beim KI-Assistenten.")
    expect(preview.locator("#log")).to_contain_text("Willkommen beim KI-Assistenten.")
    page.get_by_label("Words in").select_option("en")
    expect(preview.locator("#log")).to_contain_text("Welcome to the shop")
    expect(preview.locator(".suggestions button")).to_have_text(["What is the pet fee?"])
    mark = "one => getComputedStyle(one).backgroundColor"
    assert preview.locator(".mark").evaluate(mark) == "rgb(180, 0, 90)"
    assert not [url for url in begun if "/conversations" in url], "a preview begins nothing"

    with browser.new_context(locale="en-GB") as context:
        chat = Chat.on(context.new_page(), staffed.page)
        expect(chat.see("#log")).not_to_contain_text("Welcome to the shop")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.").first).to_be_visible()
    try:
        with browser.new_context(locale="de-DE") as context:
            customer = context.new_page()
            customer.goto(staffed.page)
            customer.get_by_role("button", name="Chat öffnen").click()
            log = customer.frame_locator("iframe").locator("#log")
            expect(log).to_contain_text("Willkommen beim KI-Assistenten.")
            expect(log.locator(".suggestions button")).to_have_text(["What is the pet fee?"])
    finally:
        staffed.admin_sets({})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_and_it_fits(
    browser: Browser, staffed: Shop, scheme: str, width: int
) -> None:
    with browser.new_context(
        locale="en-GB",
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    ) as context:
        page = opened(context.new_page(), staffed)
        found = Axe().run(page, options={"resultTypes": ["violations"], "iframes": False})
        assert found.response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
