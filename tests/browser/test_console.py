"""The console in a real browser, beside a customer who writes over HTTP."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Product
from tests.product.running import Customer

pytestmark = [pytest.mark.model, pytest.mark.browser]
EMAIL, PASSWORD = "ann.moss@example.org", "correct horse"


@pytest.fixture(scope="module")
def staffed(product: Product) -> Product:
    arguments = ("users", "add", EMAIL, "--role", "staff", "--password-stdin")
    added = product.command(*arguments, said=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    return product


@pytest.fixture
def console(staffed: Product, page: Page) -> Page:
    page.goto(f"{staffed.url}/console")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Search conversations").wait_for()
    return page


def test_a_conversation_from_handoff_to_resolution(staffed: Product, console: Page) -> None:
    customer = Customer(staffed.url)
    customer.ask("How much is the pet fee for one dog?")
    customer.request_person()

    console.locator("#rows button", has_text=customer.id[2:7]).click()
    expect(console.get_by_label("About this conversation")).to_contain_text("Asked for a person")
    console.get_by_role("button", name="Take over").click()
    expect(console.locator(".thread-head")).to_contain_text("yours")

    customer.say("Is it the same for a second dog?")
    expect(console.get_by_role("log")).to_contain_text("Is it the same for a second dog?")
    console.get_by_role("button", name="Draft a reply").click()
    expect(console.locator("#say")).not_to_have_value("", timeout=120_000)
    console.locator("#say").fill("A second dog costs 20 EUR.")
    console.get_by_role("button", name="Send").click()
    expect(console.get_by_role("log")).to_contain_text("A second dog costs 20 EUR.")
    assert customer.snapshot()["messages"][-1]["content"] == "A second dog costs 20 EUR."

    console.get_by_role("button", name="Private note").click()
    console.locator("#say").fill("Nice guest.")
    console.get_by_role("button", name="Add note").click()
    expect(console.locator(".note")).to_contain_text("Nice guest.")
    assert "Nice guest" not in str(customer.snapshot())

    console.get_by_role("button", name="Resolve").click()
    expect(console.locator(".thread-head")).to_contain_text("Resolved")
    assert customer.snapshot()["status"] == "resolved"


def test_what_is_written_stays_when_another_conversation_is_read(
    staffed: Product, console: Page
) -> None:
    names = []
    for _ in range(2):
        customer = Customer(staffed.url)
        customer.request_person()
        names.append(customer.id[2:7])
    first, second = (console.locator("#rows button", has_text=name) for name in names)
    first.click()
    console.locator("#say").fill("Half of a")
    second.click()
    expect(console.locator("#say")).to_have_value("")
    first.click()
    expect(console.locator("#say")).to_have_value("Half of a")


def test_everything_can_be_done_by_keyboard(staffed: Product, console: Page) -> None:
    customer = Customer(staffed.url)
    customer.request_person()
    console.locator("#rows button", has_text=customer.id[2:7]).focus()
    console.keyboard.press("Enter")
    expect(console.locator(".thread-head")).to_contain_text(customer.id[2:7])
    console.keyboard.press("t")
    expect(console.locator(".thread-head")).to_contain_text("yours")
    console.keyboard.press("r")
    console.keyboard.type("Hello there.")
    console.keyboard.press("Control+Enter")
    expect(console.get_by_role("log")).to_contain_text("Hello there.")
    console.keyboard.press("Escape")
    console.keyboard.press("?")
    expect(console.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    console.keyboard.press("Escape")
    console.keyboard.press("e")
    expect(console.locator(".thread-head")).to_contain_text("Resolved")


def test_the_first_admin_comes_by_a_link(staffed: Product, browser: Browser) -> None:
    link = staffed.data_dir / "first-admin"
    assert link.stat().st_mode & 0o777 == 0o600
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(link.read_text().strip())
        page.get_by_label("E-mail address").fill("boss@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create and sign in").click()
        expect(page.locator("#me")).to_have_text("boss@example.org")
        assert "setup" not in page.url


def test_a_wrong_password_is_said_and_nothing_shown(staffed: Product, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{staffed.url}/console")
        page.get_by_label("E-mail address").fill(EMAIL)
        page.get_by_label("Password").fill("wrong horse")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert").first).to_contain_text("password is wrong")
        expect(page.locator("#desk")).to_be_hidden()


def test_it_fits_a_phone(staffed: Product, console: Page) -> None:
    customer = Customer(staffed.url)
    customer.request_person()
    console.set_viewport_size({"width": 360, "height": 740})
    console.locator("#rows button", has_text=customer.id[2:7]).click()
    expect(console.locator("#rows")).to_be_hidden()
    console.get_by_role("button", name="Details").click()
    expect(console.get_by_label("About this conversation")).to_contain_text("Not verified")
    assert console.evaluate("document.documentElement.scrollWidth") <= 360
    console.get_by_role("button", name="‹ Back").click()
    console.get_by_role("button", name="Back to the list").click()
    expect(console.locator("#rows")).to_be_visible()
