"""The admin page in a real browser: inviting, changing and letting go; keys; the audit log."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import Product

pytestmark = [pytest.mark.browser, pytest.mark.model]
EMAIL, PASSWORD = "boss@tidelark.example", "correct horse"
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)


@pytest.fixture(scope="module")
def staffed(product: Product) -> Product:
    for email, role in ((EMAIL, "admin"), ("ann@tidelark.example", "staff")):
        arguments = ("users", "add", email, "--role", role, "--password-stdin")
        added = product.command(*arguments, said=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
    return product


def sign_in(page: Page, email: str = EMAIL, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.fixture
def admin(staffed: Product, browser: Browser) -> Iterator[Page]:
    """The browser's own words about a refused call are no fault; an exception is."""
    errors: list[str] = []
    with browser.new_context(viewport=WIDE, locale="en-GB") as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{staffed.url}/admin#people")
        sign_in(page)
        page.get_by_role("heading", name="People").wait_for()
        yield page
    assert errors == []


def row(page: Page, text: str) -> Any:
    return page.get_by_role("row").filter(has_text=text)


def test_a_colleague_is_invited_comes_in_and_is_let_go(
    staffed: Product, admin: Page, browser: Browser
) -> None:
    admin.get_by_role("button", name="Invite somebody").click()
    admin.get_by_label("E-mail address").fill("nobody")
    admin.get_by_role("button", name="Invite", exact=True).click()
    expect(admin.get_by_role("alert")).to_contain_text("no e-mail address")
    admin.get_by_label("E-mail address").fill("new@tidelark.example")
    admin.get_by_label("Name").fill("Nell New")
    admin.get_by_label("Supervisor").check()
    admin.get_by_role("button", name="Invite", exact=True).click()
    link = admin.get_by_label("Link").input_value()
    assert link.startswith(f"{staffed.url}/console#invitation=")
    admin.get_by_role("button", name="Done").click()
    expect(row(admin, "Nell New")).to_contain_text("Invited")

    with browser.new_context() as context:
        theirs = context.new_page()
        theirs.goto(link)
        expect(theirs.get_by_role("heading", name="Choose your password")).to_be_visible()
        assert "invitation" not in theirs.url
        theirs.get_by_label("New password").fill("my own horse")
        theirs.get_by_role("button", name="Save and sign in").click()
        expect(theirs.locator("#me")).to_have_text("new@tidelark.example")
        theirs.get_by_role("link", name="Outcomes").click()
        expect(theirs.get_by_role("heading", name="Outcomes", exact=True)).to_be_visible()
        expect(theirs.get_by_role("link", name="Outcomes")).to_be_visible()
        expect(theirs.get_by_role("link", name="People")).to_be_hidden()

        admin.get_by_role("button", name="Change new@tidelark.example").click()
        admin.get_by_role("button", name="Deactivate").click()
        admin.get_by_role("button", name="Deactivate").click()
        expect(row(admin, "Nell New")).to_contain_text("Deactivated")
        theirs.reload()
        expect(theirs.get_by_label("E-mail address")).to_be_visible()


def test_the_last_admin_is_told_why_not(staffed: Product, admin: Page) -> None:
    admin.get_by_role("button", name=f"Change {EMAIL}").click()
    admin.get_by_role("radio", name="Staff Answers").check()
    with admin.expect_response("**/users/*") as refused:
        admin.get_by_role("button", name="Save").click()
    assert refused.value.status == 409
    expect(admin.get_by_role("alert")).to_contain_text("last admin")
    admin.keyboard.press("Escape")
    expect(row(admin, EMAIL)).to_contain_text("Admin")


def test_a_key_is_shown_once_opens_what_was_ticked_and_is_revoked(
    staffed: Product, admin: Page
) -> None:
    admin.get_by_role("link", name="API keys").click()
    expect(admin.get_by_role("heading", name="No keys yet")).to_be_visible()
    admin.get_by_role("button", name="Make a key").first.click()
    admin.get_by_label("Name").fill("billing")
    admin.get_by_label("Answers and the model").uncheck()
    admin.get_by_label("As staff").check()
    admin.get_by_role("button", name="Make the key").click()
    key = admin.get_by_role("textbox", name="API key").input_value()
    headers = {"Authorization": f"Bearer {key}"}
    lists = f"{staffed.url}/api/v1/staff/conversations"
    assert httpx.get(lists, headers=headers).status_code == 200
    assert httpx.get(f"{staffed.url}/v1/models", headers=headers).status_code == 403
    admin.get_by_role("button", name="Done").click()
    expect(row(admin, "billing")).to_contain_text("As staff")
    assert key not in admin.content()
    admin.get_by_role("button", name="Revoke billing").click()
    admin.get_by_role("button", name="Revoke", exact=True).click()
    expect(admin.get_by_role("heading", name="No keys yet")).to_be_visible()
    assert httpx.get(lists, headers=headers).status_code == 401


def test_the_audit_log_is_read_and_filtered(staffed: Product, admin: Page) -> None:
    admin.get_by_role("link", name="Audit").click()
    expect(row(admin, "Signed in").first).to_contain_text(EMAIL)
    admin.get_by_label("Who").fill("command line")
    admin.get_by_label("Who").press("Enter")
    expect(row(admin, "Signed in")).to_have_count(0)
    expect(row(admin, "ann@tidelark.example")).to_contain_text("Added a person")
    admin.get_by_label("What").select_option("Conversations")
    expect(admin.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_a_new_password_and_the_other_sessions_are_in_ones_account(
    staffed: Product, page: Page, browser: Browser
) -> None:
    with browser.new_context() as context:
        other = context.new_page()
        for one in (other, page):
            one.goto(f"{staffed.url}/console")
            sign_in(one, "ann@tidelark.example")
            one.locator("#me").wait_for()
        page.locator("#me").click()
        page.get_by_role("button", name="Sign out Chrome on Linux").first.click()
        expect(page.locator(".sessions li")).to_have_count(1)
        other.reload()
        expect(other.get_by_label("E-mail address")).to_be_visible()
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label("New password").fill("another horse")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("dialog")).to_contain_text("Your password is changed")
    page.get_by_role("button", name="Done").click()
    page.reload()
    expect(page.locator("#me")).to_have_text("ann@tidelark.example")


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def looked_at(
    staffed: Product, browser: Browser, scheme: Any, request: pytest.FixtureRequest
) -> Iterator[Page]:
    with browser.new_context(viewport=request.param, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(f"{staffed.url}/admin#people")
        yield page


def check(page: Page, where: str) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [f"{one['id']}: {[n['html'] for n in one['nodes']]}" for one in found] == [], where
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], where


def test_axe_finds_nothing_and_everything_fits(looked_at: Page) -> None:
    page = looked_at
    page.get_by_label("E-mail address").wait_for()
    check(page, "sign-in")
    sign_in(page)
    page.get_by_role("heading", name="People").wait_for()
    check(page, "people")
    dialogs = {
        "People": ("Invite somebody", f"Change {EMAIL}"),
        "API keys": ("Make a key",),
        "Audit": (),
    }
    for section, openers in dialogs.items():
        page.get_by_role("link", name=section).click()
        page.get_by_role("heading", name=section).wait_for()
        check(page, section)
        for opener in openers:
            page.get_by_role("button", name=opener).first.click()
            page.get_by_role("dialog").wait_for()
            check(page, opener)
            page.keyboard.press("Escape")
    page.locator("#me").click()
    page.get_by_text("This one").wait_for()
    check(page, "account")


def test_everything_is_done_by_keyboard(staffed: Product, admin: Page) -> None:
    opener = admin.get_by_role("button", name="Change ann@tidelark.example")
    opener.focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_label("Name")).to_be_focused()
    admin.keyboard.type("Ann Moss")
    admin.keyboard.press("Enter")
    expect(row(admin, "Ann Moss")).to_be_visible()
    expect(admin.get_by_role("dialog")).to_have_count(0)
