"""A policy's whole way in two browsers at once: an admin changes it while a customer chats.

Asks for facts (amounts, states), never for the model's words, and waits for states only.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

from tests.browser.shop import Chat
from tests.product.running import Product

pytestmark = [pytest.mark.browser, pytest.mark.model]
EMAIL, PASSWORD = "boss@tidelark.example", "correct horse"
DESK, PHONE = ViewportSize(width=1500, height=900), ViewportSize(width=390, height=844)
MODEL_MS = 180_000
DOGS = "# Dogs\n\nThe fee for a dog is 17 euros a night and is paid to the host on arrival.\n"
KEYS = "# Lost keys\n\nA lost key costs 45 euros. The host brings a new one within the hour.\n"
SUMMER = "# Summer\n\nThe fee for a dog is 25 euros a night and is paid to the host on arrival.\n"
POOL = "# Pool\n\nThe swimming pool is open from 8:00 to 20:00 and is heated from May on.\n"
FEE = "How much is the fee for a dog?"
SWIM = "When is the swimming pool open?"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("story")
    policies = folder / "policies"
    policies.mkdir()
    (policies / "dogs.md").write_text(DOGS)
    (policies / "keys.md").write_text(KEYS)
    product = Product(folder / "data", {"FRONTDESK_SAMPLE": "0"}).start()
    assert product.command("kb", "add", str(policies), "--publish").returncode == 0
    people = ("users", "add", EMAIL, "--role", "admin", "--password-stdin")
    assert product.command(*people, said=f"{PASSWORD}\n").returncode == 0
    yield product
    assert product.stop() == 0


@pytest.fixture
def admin(product: Product, browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport=DESK, locale="en-GB") as context:
        page = context.new_page()
        page.goto(f"{product.url}/admin#documents")
        page.get_by_label("E-mail address").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("row").nth(2).wait_for()
        yield page


def test_a_policy_is_changed_while_a_customer_chats(
    product: Product, admin: Page, browser: Browser
) -> None:
    with browser.new_context(viewport=PHONE, locale="en-GB") as context:
        phone = Chat.on(context.new_page(), f"{product.url}/demo")
        told(phone, FEE, "17")
        told(phone, SWIM, "policies")

        upload(admin, "summer.md", SUMMER)
        against = admin.get_by_role("article", name="Contradicts").first
        expect(against.locator("mark").first).to_be_visible()
        expect(against).to_contain_text("17 euros")
        expect(against).to_contain_text("25 euros")
        told(phone, FEE, "17")

        opened(admin, "Dogs")
        edit(admin, "17 euros", "20 euros")
        admin.get_by_role("button", name="Try it").click()
        changed = admin.get_by_role("article", name=FEE)
        expect(changed).to_contain_text("Changed", timeout=MODEL_MS)
        expect(admin.get_by_role("heading", name="Tried")).to_be_visible(timeout=MODEL_MS)
        expect(changed).to_contain_text("17")
        expect(changed).to_contain_text("20")
        told(phone, FEE, "17")
        admin.get_by_role("button", name="Publish", exact=True).click()
        admin.get_by_role("dialog").get_by_role("button", name="Publish").click()
        expect(admin.locator(".section-head")).not_to_contain_text("Draft waiting")
        told(phone, FEE, "20")

        admin.get_by_role("button", name="Roll back to revision 1").click()
        admin.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(admin.locator("#toast")).to_contain_text("Rolled back to revision 1.")
        told(phone, FEE, "17")

        admin.get_by_role("link", name="Gaps").click()
        gap = admin.get_by_role("article").filter(has_text=SWIM)
        expect(gap).to_contain_text("1customer")
        admin.get_by_role("link", name="Documents").first.click()
        upload(admin, "pool.md", POOL)
        admin.get_by_role("button", name="Publish revision 1").click()
        admin.get_by_role("dialog").get_by_role("button", name="Publish").click()
        expect(admin.locator(".section-head")).to_contain_text("Published")
        admin.get_by_role("link", name="Gaps").click()
        again = gap.get_by_role("button", name="Ask again")
        answered = admin.get_by_role("button", name="Answered 1")
        again.or_(answered).first.wait_for()
        if again.is_visible():  # else it was asked again by itself
            again.click()
        answered.click(timeout=MODEL_MS)
        expect(gap).to_contain_text("8:00")
        told(phone, SWIM, "8:00")


def told(phone: Chat, question: str, fact: str) -> None:
    """The customer asks, and the newest reply says so."""
    replies = phone.see("#log .message.ai_agent")
    before = replies.count()
    phone.write(question)
    expect(replies).to_have_count(before + 1, timeout=MODEL_MS)
    expect(replies.last).not_to_have_class(re.compile("pending"), timeout=MODEL_MS)
    expect(replies.last).to_contain_text(fact)


def upload(page: Page, name: str, text: str) -> None:
    file: FilePayload = {"name": name, "mimeType": "text/markdown", "buffer": text.encode()}
    page.get_by_label("Files to upload").first.set_input_files(file)
    expect(page.get_by_label(f"Preview of {name}")).to_contain_text("Nothing is kept yet")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_role("link", name="Revision 1")).to_be_visible()


def opened(page: Page, title: str) -> None:
    page.get_by_role("link", name="Documents").first.click()
    row: Any = page.get_by_role("row").filter(has_text=title)
    row.get_by_role("link", name=title, exact=True).click()
    page.get_by_role("heading", name=title).first.wait_for()


def edit(page: Page, old: str, new: str) -> None:
    page.get_by_role("button", name="Edit").click()
    text = page.get_by_label("Text", exact=True)
    text.fill(text.input_value().replace(old, new))
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.locator(".section-head")).to_contain_text("Draft waiting")
