"""The whole story in three browsers at once: a customer's phone, a colleague, their supervisor.

Asks for facts (amounts, sources, states), never for the model's words, and waits for states only.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Product
from tests.browser.shop import Chat

pytestmark = [pytest.mark.model, pytest.mark.browser]

PASSWORD = "correct horse"
ANN, MIA = "ann.moss@example.org", "mia.chen@example.org"
MODEL_MS = 180_000
PETS = "Pets and assistance animals"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "locale": "en-GB",
}
DESK: dict[str, Any] = {"viewport": {"width": 1500, "height": 900}, "locale": "en-GB"}


@contextmanager
def seat(browser: Browser, options: dict[str, Any]) -> Iterator[Page]:
    """A browser of one's own; an error in its pages fails the test."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


def sign_in(page: Page, product: Product, email: str) -> None:
    page.goto(f"{product.url}/console")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Search conversations").wait_for()


@dataclass
class Stage:
    """Everybody in their place: the phone with the chat open, two consoles signed in."""

    phone: Chat
    ann: Page
    mia: Page

    def replies(self) -> list[dict[str, Any]]:
        """Whole answers of the AI, as the server has them."""
        messages = self.phone.customer.snapshot()["messages"]
        return [m for m in messages if m["role"] == "ai_agent" and not m.get("pending")]

    def ask(self, question: str) -> dict[str, Any]:
        """The answer, when it is whole."""
        before = len(self.replies())
        self.phone.write(question)
        self.phone.wait_until(lambda: len(self.replies()) > before, MODEL_MS / 1000)
        return self.replies()[-1]

    def waiting(self) -> Locator:
        return self.mia.locator(".fact", has_text="Waiting").first.locator("dd")

    def status(self) -> str:
        return str(self.phone.customer.snapshot()["status"])

    def soon(self, holds: Callable[[], object]) -> None:
        self.phone.wait_until(holds)


@pytest.fixture
def stage(browser: Browser, product: Product) -> Iterator[Stage]:
    for email, role in ((ANN, "staff"), (MIA, "supervisor")):
        arguments = ("users", "add", email, "--role", role, "--password-stdin")
        added = product.command(*arguments, said=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
    with ExitStack() as stack:
        phone, ann, mia = (
            stack.enter_context(seat(browser, options)) for options in (PHONE, DESK, DESK)
        )
        sign_in(ann, product, ANN)
        sign_in(mia, product, MIA)
        mia.get_by_role("button", name="Overview").click()
        yield Stage(Chat.on(phone, f"{product.url}/demo"), ann, mia)


def test_from_a_question_to_its_rating(stage: Stage) -> None:
    expect(stage.waiting()).to_have_text("0")
    a_cited_answer_and_a_follow_up(stage)
    a_person_is_called(stage)
    a_colleague_takes_over_and_answers(stage)
    the_phone_is_reloaded(stage)
    the_ai_has_it_again(stage)
    it_is_resolved_and_rated(stage)


def a_cited_answer_and_a_follow_up(stage: Stage) -> None:
    first = stage.ask("How much is the fee for bringing my first pet?")
    assert first["outcome"] == "answered"
    assert "35" in first["content"]
    assert PETS in {citation["title"] for citation in first["citations"]}
    chip = stage.phone.see("#log button.cite").first
    chip.tap()
    source = stage.phone.see("#source")
    expect(source).to_contain_text(PETS)
    expect(source).to_contain_text("35 EUR")
    stage.phone.page.keyboard.press("Escape")
    expect(source).to_be_hidden()

    second = stage.ask("And for a second one?")
    assert second["outcome"] == "answered"
    assert "20" in second["content"]
    assert PETS in {citation["title"] for citation in second["citations"]}


def a_person_is_called(stage: Stage) -> None:
    answer = stage.ask("I want a person")
    assert answer["outcome"] == "handed_off"
    assert stage.status() == "open"
    expect(stage.phone.see("#state")).to_contain_text("A colleague will join you here")
    expect(stage.waiting()).to_have_text("1")
    expect(stage.mia.locator("#overview")).to_contain_text("Asked for a person")

    row = stage.ann.locator("#rows button", has_text=stage.phone.customer.id[2:7])
    row.click()
    about = stage.ann.get_by_label("About this conversation")
    expect(about).to_contain_text("Asked for a person")
    expect(about).to_contain_text(PETS)


def a_colleague_takes_over_and_answers(stage: Stage) -> None:
    stage.ann.get_by_role("button", name="Take over").click()
    expect(stage.ann.locator(".thread-head")).to_contain_text("yours")
    expect(stage.mia.locator("#overview tr", has_text="Ann Moss").locator("td").first).to_have_text(
        "1"
    )
    question = "How much is the pet fee for one dog?"
    stage.phone.write(question)
    expect(stage.ann.get_by_role("log")).to_contain_text(question)

    stage.ann.get_by_role("button", name="Draft a reply").click()
    expect(stage.ann.locator(".based")).to_contain_text(question, timeout=MODEL_MS)
    draft = stage.ann.locator("#say").input_value()
    assert "35" in draft
    expect(stage.ann.locator(".based summary").first).to_contain_text(PETS)
    stage.ann.locator("#say").fill(f"Ann here. {draft}")
    stage.ann.get_by_role("button", name="Send").click()
    stage.phone.says("Ann here.")
    expect(stage.phone.see("#state")).to_contain_text("Ann Moss")
    expect(stage.waiting()).to_have_text("0")
    assert len(stage.replies()) == 3, "the AI said nothing meanwhile"


def the_phone_is_reloaded(stage: Stage) -> None:
    before = stage.phone.customer.id
    stage.phone.page.reload()
    stage.phone.page.wait_for_function("() => window.$frontdesk !== undefined")
    stage.phone.open("Support team")
    stage.phone.says("Ann here.")
    assert stage.phone.customer.id == before
    expect(stage.phone.see("#log button.cite").first).to_be_visible()
    expect(stage.phone.see("#state")).to_contain_text("Ann Moss")


def the_ai_has_it_again(stage: Stage) -> None:
    stage.ann.get_by_role("button", name="Return to AI").click()
    expect(stage.ann.locator(".thread-head")).to_contain_text("With the AI")
    assert stage.status() == "pending"
    answer = stage.ask("How much is the fee for bringing my first pet?")
    assert answer["outcome"] == "answered"
    assert "35" in answer["content"]
    assert PETS in {citation["title"] for citation in answer["citations"]}
    assert stage.status() == "pending"


def it_is_resolved_and_rated(stage: Stage) -> None:
    stage.ann.get_by_role("button", name="Resolve").click()
    expect(stage.ann.locator(".thread-head")).to_contain_text("Resolved")
    expect(stage.phone.see("#state")).to_contain_text("Resolved")
    stage.phone.within.get_by_role("radio", name="4: Good").press("Space")
    stage.phone.button("Send rating").tap()
    expect(stage.phone.see(".score")).to_have_text("Thank you for your rating.")
    expect(stage.ann.get_by_role("log")).to_contain_text("The customer gave 4 of 5 stars")
    resolved = stage.mia.locator("#overview tr", has_text="Resolved").locator("td").first
    expect(resolved).to_have_text("1")
    expect(stage.waiting()).to_have_text("0")
