"""A change is tried in the admin page, seen side by side and published; golden ones are kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.accessible import violations
from tests.product.running import Customer, Product
from tests.product.scripted_engine import amount_of, scripted_engine

pytestmark = [pytest.mark.browser]
EMAIL, PASSWORD = "boss@tidelark.example", "correct horse"
FEE = "The fee for a dog is 17 euros a night and is paid to the host on arrival."
KEY = "A lost key costs 45 euros, and the host brings a new one within the hour."
ASKED = "How much is the fee for a dog?"
LOOKS: list[Any] = [
    ("light", ViewportSize(width=1280, height=900)),
    ("dark", ViewportSize(width=360, height=740)),
]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Its model reads amounts aloud; a draft raises the fee."""
    folder = tmp_path_factory.mktemp("gate")
    policies = folder / "policies"
    policies.mkdir()
    written(policies, FEE)
    with scripted_engine(reply=amount_of) as engine:
        settings = {"FRONTDESK_ENGINE_URL": engine, "FRONTDESK_SAMPLE": "0", "FRONTDESK_WARM": "1"}
        product = Product(folder / "data", settings).start()
        added = product.command("kb", "add", str(policies), "--publish")
        assert added.returncode == 0, added.stderr
        for question in (ASKED, ASKED, "What does a lost key cost?"):
            Customer(product.url).ask(question)
        written(policies, FEE.replace("17", "20"))
        assert product.command("kb", "add", str(policies)).returncode == 0
        people = ("users", "add", EMAIL, "--role", "admin", "--password-stdin")
        assert product.command(*people, said=f"{PASSWORD}\n").returncode == 0
        yield product
        assert product.stop() == 0


def written(folder: Path, fee: str) -> None:
    (folder / "dogs.md").write_text(f"# Dogs\n\n{fee}\n")
    (folder / "keys.md").write_text(f"# Lost keys\n\n{KEY}\n")


def signed_in(page: Page, product: Product, section: str) -> None:
    page.goto(f"{product.url}/admin#{section}")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def tried(page: Page) -> None:
    page.get_by_role("button", name="Try them together").click()
    page.get_by_role("button", name="Try it").or_(
        page.get_by_role("heading", name="Tried")
    ).wait_for()
    if page.get_by_role("button", name="Try it").is_visible():
        page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="Tried")).to_be_visible(timeout=60_000)


@pytest.mark.parametrize(("scheme", "size"), LOOKS, ids=["wide", "phone"])
def test_both_answers_stand_side_by_side_for_everybody(
    product: Product, browser: Browser, scheme: Any, size: ViewportSize
) -> None:
    with browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB") as context:
        page = context.new_page()
        signed_in(page, product, "drafts")
        tried(page)
        changed = page.get_by_role("article", name=ASKED)
        expect(changed).to_contain_text("Asked 2 times")
        expect(changed.locator("del")).to_contain_text("17")
        expect(changed.locator("ins .fact")).to_have_text("20")
        expect(changed).to_contain_text("Dogs")
        chip = page.get_by_role("button", name="1 Changed")
        chip.focus()
        page.keyboard.press("Enter")
        expect(chip).to_be_focused()
        expect(page.get_by_role("article")).to_have_count(1)
        changed.locator("summary").first.click()
        assert violations(page) == []
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1]


def test_what_was_tried_is_published_and_golden_from_then_on(product: Product, page: Page) -> None:
    signed_in(page, product, "drafts")
    tried(page)
    page.get_by_role("button", name=f"Keep as golden question: {ASKED}").click()
    page.get_by_label("What an answer has to have").fill("20 euros")
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", name="Published")).to_be_visible()
    expect(page.get_by_text("The AI has read 2 of 2 passages.")).to_be_visible(timeout=60_000)
    assert "20 euros" in Customer(product.url).ask(ASKED)["content"]

    page.get_by_role("link", name="Golden questions").click()
    kept = page.get_by_role("row").filter(has_text=ASKED)
    expect(kept).to_contain_text("20 euros")
    page.get_by_role("button", name="Add a question").click()
    page.get_by_role("textbox", name="Question").fill("May cats come?")
    page.get_by_label("It must not be answered").check()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("row").filter(has_text="May cats come?")).to_contain_text("No answer")
    assert violations(page) == []
    page.get_by_role("link", name="Drafts").click()
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
