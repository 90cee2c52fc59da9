"""axe finds nothing in any state of the console, in light and in dark, wide and on a phone."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.accessible import violations
from tests.browser.conftest import Product
from tests.product.running import Customer

pytestmark = [pytest.mark.browser, pytest.mark.model]
MIA, PASSWORD = "mia.chen@example.org", "correct horse"
WIDE, PHONE = ViewportSize(width=1500, height=900), ViewportSize(width=360, height=740)


@pytest.fixture(scope="module")
def customer(product: Product) -> Customer:
    """A conversation with everything in it: the AI's answer, a person's, a note, a way back."""
    arguments = ("users", "add", MIA, "--role", "supervisor", "--password-stdin")
    assert product.command(*arguments, said=f"{PASSWORD}\n").returncode == 0
    customer = Customer(product.url)
    customer.ask("How much is the pet fee for one dog?")
    with httpx.Client(base_url=product.url) as staff:
        login = {"email": MIA, "password": PASSWORD}
        answer = staff.post("/api/v1/login", json=login).json()
        staff.headers["X-CSRF-Token"] = answer["csrf"]
        path = f"/api/v1/staff/conversations/{customer.id}"
        for what, body in (
            ("take_over", None),
            ("messages", {"content": "Hello, I am **Mia**."}),
            ("notes", {"content": "Asked about a dog."}),
            ("return_to_ai", None),
            ("take_over", None),
            ("priority", {"priority": "high"}),
            ("labels", {"labels": ["pets"]}),
        ):
            assert staff.post(f"{path}/{what}", json=body).is_success, what
        canned = {"name": "thanks", "content": "Thank you!"}
        assert staff.post("/api/v1/staff/canned_replies", json=canned).is_success
    customer.request_person()
    customer.say("And for two dogs?")
    return customer


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def page(
    browser: Browser, customer: Customer, scheme: Any, request: pytest.FixtureRequest
) -> Iterator[Page]:
    with browser.new_context(
        locale="en-GB", viewport=request.param, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        yield context.new_page()


def test_every_pane_and_dialog(page: Page, product: Product, customer: Customer) -> None:
    page.goto(f"{product.url}/console")
    page.get_by_label("E-mail address").fill(MIA)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("wrong")
    assert violations(page) == [], "the sign-in, refused"
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    row = page.locator("#rows button", has_text=customer.id[2:7])
    row.wait_for()
    page.get_by_text("More filters").click()
    assert violations(page) == [], "the list with its filters"
    page.locator("body").press("?")
    assert violations(page) == [], "the keys"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Canned replies").click()
    page.get_by_role("button", name="Change thanks").click()
    assert violations(page) == [], "the canned replies"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Overview").click()
    page.locator(".fact").first.wait_for()
    assert violations(page) == [], "the overview"
    page.get_by_role("button", name="Overview").click()

    row.click()
    expect(page.get_by_role("log")).to_contain_text("And for two dogs?")
    assert violations(page) == [], "the thread"
    page.locator("#say").press_sequentially("/th")
    expect(page.locator("#canned-menu")).to_be_visible()
    assert violations(page) == [], "the list of canned replies"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Private note").click()
    assert violations(page) == [], "writing a note"
    page.locator("#say").fill("")
    page.keyboard.press("Escape")

    page.locator("body").press("s")
    assert violations(page) == [], "until when"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Report this answer").first.click()
    assert violations(page) == [], "what is wrong"
    page.keyboard.press("Escape")
    page.locator("body").press("f")
    page.locator("#policy-query").fill("pet fee")
    page.keyboard.press("Enter")
    page.locator(".found summary").first.click()
    assert violations(page) == [], "what is known beside it"


def test_nothing_is_wider_than_a_phone(
    browser: Browser, product: Product, customer: Customer
) -> None:
    with browser.new_context(locale="en-GB", viewport=PHONE) as context:
        page = context.new_page()
        page.goto(f"{product.url}/console#{customer.id}")
        page.get_by_label("E-mail address").fill(MIA)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.locator(".thread-head").wait_for()
        for key in ("s", "?", "i", "/", "o"):
            page.locator("body").press(key)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, key
            for _ in range(2):
                page.keyboard.press("Escape")
