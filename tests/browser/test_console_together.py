"""Two people in the console at once, and what each of them has there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Product
from tests.product.running import Customer

pytestmark = [pytest.mark.model, pytest.mark.browser]
PASSWORD = "correct horse"
ANN, MIA = "ann.moss@example.org", "mia.chen@example.org"
STAFF = "/api/v1/staff"


@pytest.fixture(scope="module")
def staffed(product: Product) -> Product:
    for email, role in ((ANN, "staff"), (MIA, "supervisor")):
        arguments = ("users", "add", email, "--role", role, "--password-stdin")
        added = product.command(*arguments, said=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
    return product


@contextmanager
def console_of(browser: Browser, product: Product, email: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1500, "height": 900}, locale="en-GB", permissions=["notifications"]
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{product.url}/console")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Search conversations").wait_for()
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def ann(browser: Browser, staffed: Product) -> Iterator[Page]:
    with console_of(browser, staffed, ANN) as page:
        yield page


@pytest.fixture
def mia(browser: Browser, staffed: Product) -> Iterator[Page]:
    with console_of(browser, staffed, MIA) as page:
        yield page


def waiting(product: Product, said: str = "") -> Customer:
    customer = Customer(product.url)
    customer.request_person()
    if said:
        customer.say(said)
    return customer


def read(page: Page, customer: Customer) -> None:
    page.locator("#rows button", has_text=customer.id[2:7]).click()
    expect(page.locator(".thread-head")).to_contain_text(customer.id[2:7])


def test_two_people_see_each_other_and_a_clash_is_said(
    staffed: Product, ann: Page, mia: Page
) -> None:
    customer = waiting(staffed, "Is anybody there?")
    read(ann, customer)
    read(mia, customer)
    expect(ann.locator(".others")).to_have_text("Mia Chen is looking at this")
    ann.locator("#say").press_sequentially("One mom")
    expect(mia.locator(".others")).to_have_text("Ann Moss is typing a reply")
    mia.locator("#say").fill("Hello, Mia here.")
    mia.get_by_role("button", name="Send").click()
    expect(ann.get_by_role("alert").last).to_contain_text("Mia Chen has answered meanwhile")
    expect(ann.locator("#say")).to_have_value("One mom")
    expect(ann.locator(".thread-head")).to_contain_text("with Mia Chen")
    mia.close()
    expect(ann.locator(".others")).to_have_text("", timeout=10_000)


def test_supervisors_write_canned_replies_and_a_slash_finds_them(
    staffed: Product, ann: Page, mia: Page
) -> None:
    mia.get_by_role("button", name="Canned replies").click()
    dialog = mia.get_by_role("dialog")
    for name, text in (("photo", "Please send us a photo."), ("bye", "Goodbye {name}, thank you!")):
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_label("Text").fill(text)
        dialog.get_by_role("button", name="Add").click()
        expect(dialog.get_by_role("button", name=f"Delete {name}")).to_be_visible()
    dialog.get_by_role("button", name="Change photo").click()
    dialog.get_by_label("Text").fill("Could you send a photo?")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("Could you send a photo?")

    expect(ann.get_by_role("button", name="Canned replies")).to_be_hidden()
    ann.reload()
    customer = waiting(staffed)
    read(ann, customer)
    say = ann.locator("#say")
    say.press_sequentially("I see. /")
    expect(ann.locator("#canned-menu [role=option]")).to_have_count(2)
    say.press("ArrowDown")
    say.press("Enter")
    expect(say).to_have_value("I see. Could you send a photo?")
    say.press_sequentially(" /by")
    say.press("Enter")
    expect(say).to_have_value("I see. Could you send a photo? Goodbye, thank you!")
    say.press_sequentially(" /")
    say.press("Escape")
    expect(ann.get_by_role("listbox")).to_be_hidden()
    expect(say).to_be_focused()


def test_a_draft_comes_word_by_word_says_what_it_is_based_on_and_can_be_stopped(
    staffed: Product, ann: Page
) -> None:
    customer = waiting(staffed, "How much is the pet fee for one dog?")
    read(ann, customer)
    ann.get_by_role("button", name="Draft a reply").click()
    expect(ann.locator(".based")).to_contain_text(
        "Drafted for “How much is the pet fee for one dog?”", timeout=120_000
    )
    expect(ann.locator("#say")).to_have_value("The pet fee for one dog is 35 EUR.")
    expect(ann.locator(".based summary").first).to_contain_text("Pets")
    assert customer.snapshot()["messages"][-1]["role"] == "customer"

    ann.locator("#say").fill("Mine.")
    ann.get_by_role("button", name="Draft a reply").click()
    ann.get_by_role("button", name="Stop").click()
    expect(ann.get_by_role("button", name="Draft a reply")).to_be_visible()
    expect(ann.locator("#say")).to_be_editable()
    assert ann.locator("#say").input_value().startswith("Mine.")


def test_assignment_priority_labels_and_filters(staffed: Product, ann: Page) -> None:
    customer, other = waiting(staffed), waiting(staffed)
    read(ann, customer)
    ann.locator("body").press("p")
    expect(ann.get_by_label("Priority", exact=True).last).to_be_focused()
    ann.locator("#priority").select_option("Urgent")
    ann.locator("#assignee").select_option("Mia Chen")
    expect(ann.locator(".thread-head")).to_contain_text("with Mia Chen")
    expect(ann.locator(".thread-head")).to_contain_text("Urgent")
    ann.locator("#new-label").fill("vip")
    ann.locator("#new-label").press("Enter")
    row = ann.locator("#rows button", has_text=customer.id[2:7])
    for text in ("Urgent", "vip", "Mia Chen"):
        expect(row).to_contain_text(text)
    hidden = ann.locator("#rows button", has_text=other.id[2:7])
    expect(hidden).to_be_visible()
    ann.get_by_text("More filters").click()
    ann.locator("#by-label").fill("vip")
    ann.locator("#by-label").press("Enter")
    expect(hidden).to_be_hidden()
    expect(row).to_be_visible()
    ann.locator("#by-priority").select_option("Low")
    expect(ann.locator("#rows")).to_contain_text("Nothing found")
    ann.get_by_role("button", name="Clear").click()
    expect(hidden).to_be_visible()


def test_answers_are_approved_and_reported(staffed: Product, ann: Page, mia: Page) -> None:
    customer = Customer(staffed.url)
    customer.ask("How much is the fee for bringing my first pet?")
    customer.request_person()
    read(ann, customer)
    read(mia, customer)
    ann.get_by_role("button", name="Approve this answer").click()
    expect(mia.get_by_role("log")).to_contain_text("Approved by Ann Moss")
    mia.get_by_role("button", name="Report this answer").click()
    dialog = mia.get_by_role("dialog")
    dialog.get_by_label("Outdated").check()
    dialog.get_by_label("In your words").fill("It is 40 EUR now.")
    dialog.get_by_role("button", name="Report").click()
    expect(dialog).to_be_hidden()
    expect(ann.get_by_role("log")).to_contain_text("Reported by Mia Chen: outdated")


def test_the_policies_are_searched_and_quoted(staffed: Product, ann: Page) -> None:
    read(ann, waiting(staffed))
    ann.locator("body").press("f")
    ann.locator("#policy-query").fill("pet fee")
    ann.locator("#policy-query").press("Enter")
    ann.locator(".found summary").first.click()
    ann.get_by_role("button", name="Quote in the reply").first.click()
    expect(ann.locator("#say")).to_be_focused()
    assert "“" in ann.locator("#say").input_value()


def test_a_supervisor_watches_live_and_staff_do_not(staffed: Product, ann: Page, mia: Page) -> None:
    expect(ann.get_by_role("button", name="Overview")).to_be_hidden()
    mia.get_by_role("button", name="Overview").click()
    fact = mia.locator(".fact", has_text="Waiting").first.locator("dd")
    before = int(fact.inner_text())
    assert mia.title() == f"({before}) Console" if before else "Console"
    waiting(staffed)
    expect(fact).to_have_text(str(before + 1))
    expect(mia).to_have_title(f"({before + 1}) Console")
    expect(mia.locator("#overview")).to_contain_text("Asked for a person")
    expect(mia.locator("#overview tr", has_text="Ann Moss")).to_be_visible()


def test_notifications_come_after_a_click_and_hold_no_word_of_the_customer(
    staffed: Product, ann: Page
) -> None:
    # Only what the operating system would be asked to show is replaced.
    ann.evaluate(
        """() => {
          window.shown = [];
          window.Notification = class {
            static permission = 'granted';
            static requestPermission() { return Promise.resolve('granted'); }
            constructor(title, options) { window.shown.push([title, options]); }
          };
          document.hasFocus = () => false;
        }"""
    )
    waiting(staffed, "My secret.")
    ann.locator("#rows button").first.wait_for()
    assert ann.evaluate("window.shown") == []
    ann.get_by_role("button", name="Notifications").click()
    expect(ann.get_by_role("button", name="Notifications")).to_have_attribute(
        "aria-pressed", "true"
    )
    waiting(staffed, "My secret.")
    ann.wait_for_function("window.shown.length > 0")
    assert "secret" not in str(ann.evaluate("window.shown"))


def test_every_key_does_what_the_sheet_says(staffed: Product, mia: Page) -> None:
    first, second = waiting(staffed, "One?"), waiting(staffed, "Two?")
    body, head = mia.locator("body"), mia.locator(".thread-head")
    mia.locator("#rows button", has_text=second.id[2:7]).wait_for()
    read(mia, first)
    body.press("j")
    expect(head).to_contain_text(second.id[2:7])
    body.press("k")
    expect(head).to_contain_text(first.id[2:7])
    for key, place in (("r", "#say"), ("n", "#say"), ("i", "#assignee"), ("p", "#priority")):
        body.press(key)
        expect(mia.locator(place)).to_be_focused()
        mia.keyboard.press("Escape")
    expect(mia.get_by_role("button", name="Add note")).to_be_visible()
    for key, place in (("l", "#new-label"), ("f", "#policy-query"), ("/", "#search")):
        body.press(key)
        expect(mia.locator(place)).to_be_focused()
        mia.keyboard.press("Escape")
    for key, title in (("s", "Snooze until"), ("?", "Keyboard shortcuts")):
        body.press(key)
        expect(mia.get_by_role("dialog")).to_contain_text(title)
        mia.keyboard.press("Escape")
    body.press("t")
    expect(head).to_contain_text("yours")
    body.press("d")
    expect(mia.get_by_role("button", name="Stop")).to_be_visible()
    mia.keyboard.press("Escape")
    expect(mia.get_by_role("button", name="Draft a reply")).to_be_visible()
    mia.keyboard.press("Escape")
    body.press("a")
    expect(head).to_contain_text("With the AI")
    body.press("e")
    expect(head).to_contain_text("Resolved")
    body.press("o")
    expect(mia.locator("#overview")).to_be_visible()
    body.press("o")
    expect(mia.locator("#overview")).to_be_hidden()


def test_what_was_read_stays_read_after_a_reload(staffed: Product, ann: Page) -> None:
    customer, other = waiting(staffed, "One?"), waiting(staffed, "Two?")
    rows = [ann.locator("#rows button", has_text=one.id[2:7]) for one in (customer, other)]
    expect(rows[0]).to_contain_text("unread")
    read(ann, customer)
    expect(rows[0]).not_to_contain_text("unread")
    ann.goto(f"{staffed.url}/console")
    expect(rows[1]).to_contain_text("unread")
    expect(rows[0]).not_to_contain_text("unread")
    customer.say("And another thing.")
    expect(rows[0]).to_contain_text("unread")


def test_snoozing_by_keyboard(staffed: Product, ann: Page) -> None:
    customer = waiting(staffed)
    read(ann, customer)
    ann.locator("body").press("s")
    ann.get_by_role("button", name="Tomorrow morning").press("Enter")
    expect(ann.locator(".thread-head")).to_contain_text(re.compile(r"Snoozed until .*09:00"))


def test_a_late_answer_is_said_in_words(staffed: Product, ann: Page) -> None:
    customer = waiting(staffed)
    row = ann.locator("#rows button", has_text=customer.id[2:7])
    expect(row).to_contain_text("waits now")
    ann.clock.install(time=datetime.now(UTC) + timedelta(minutes=8))
    ann.reload()
    expect(row).to_contain_text("min late")


def test_the_browsers_back_leads_to_the_list_on_a_phone(staffed: Product, ann: Page) -> None:
    customer = waiting(staffed)
    ann.set_viewport_size({"width": 360, "height": 740})
    read(ann, customer)
    expect(ann.get_by_role("button", name="Back to the list")).to_be_focused()
    ann.locator("body").press("i")
    expect(ann.locator("#assignee")).to_be_focused()
    ann.go_back()
    expect(ann.locator("#rows")).to_be_visible()
    expect(ann.locator("#thread")).to_be_hidden()
    assert httpx.get(f"{staffed.url}{STAFF}/people").status_code == 401
