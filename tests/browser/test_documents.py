"""Documents in a real browser: taken in, looked at, edited, compared, published and taken back."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, ViewportSize, expect

from tests.browser.accessible import violations
from tests.browser.conftest import Product

pytestmark = [pytest.mark.browser, pytest.mark.model]
EMAIL, PASSWORD = "boss@tidelark.example", "correct horse"
WIDE, PHONE = ViewportSize(width=1500, height=900), ViewportSize(width=360, height=740)
SAUNA = "# The sauna\n\n## Hours\n\nThe sauna is open from 16:00 to 22:00.\n"
DROP = """([name, text]) => {
    const transfer = new DataTransfer();
    for (const [file, body] of Object.entries(text)) transfer.items.add(new File([body], file));
    for (const kind of ['dragenter', 'dragover', 'drop'])
        document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true,
            cancelable: true}));
}"""


@pytest.fixture(scope="module")
def staffed(product: Product) -> Product:
    arguments = ("users", "add", EMAIL, "--role", "admin", "--password-stdin")
    added = product.command(*arguments, said=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    return product


def opened(page: Page, product: Product, path: str = "#documents") -> Page:
    page.goto(f"{product.url}/admin{path}")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator("#panel h2").first.wait_for()
    return page


@pytest.fixture
def admin(staffed: Product, browser: Browser) -> Iterator[Page]:
    """The browser's own words about a refused call are no fault; an exception is."""
    errors: list[str] = []
    with browser.new_context(viewport=WIDE, locale="en-GB") as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield opened(page, staffed)
    assert errors == []


def file(name: str, text: str = SAUNA) -> FilePayload:
    return {"name": name, "mimeType": "text/markdown", "buffer": text.encode()}


def taken_in(page: Page, name: str, text: str = SAUNA) -> None:
    page.get_by_label("Files to upload").first.set_input_files(file(name, text))
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_role("link", name="Revision 1")).to_be_visible()


def edited(page: Page, old: str, new: str, note: str) -> None:
    page.get_by_role("button", name="Edit").click()
    text = page.get_by_label("Text", exact=True)
    text.fill(text.input_value().replace(old, new))
    expect(page.get_by_label("How it reads")).to_contain_text(new)
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.get_by_role("main")).to_contain_text(note)


def test_a_document_is_previewed_kept_edited_compared_published_and_taken_back(
    staffed: Product, admin: Page
) -> None:
    admin.get_by_label("Files to upload").first.set_input_files(file("sauna.md"))
    preview = admin.get_by_label("Preview of sauna.md")
    expect(preview).to_contain_text("Nothing is kept yet")
    expect(preview.get_by_label("Passages")).to_contain_text("open from 16:00")
    admin.get_by_label("Title").fill("Sauna hours")
    admin.get_by_role("button", name="Keep as a draft").click()
    head = admin.locator(".section-head")
    expect(head).to_contain_text("Draft")
    admin.get_by_role("link", name="Passages (1)").click()
    expect(admin.locator(".passages")).to_contain_text("The sauna is open")

    admin.get_by_role("button", name="Publish revision 1").click()
    admin.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(head).to_contain_text("Published")
    edited(admin, "22:00", "23:30", "Longer in summer.")
    expect(head).to_contain_text("Draft waiting")

    admin.get_by_role("link", name="What changed").first.click()
    expect(admin.locator(".changed del")).to_have_text(["22", "00"])
    expect(admin.locator(".changed ins")).to_have_text(["23", "30"])
    admin.reload()
    expect(admin.locator(".changed ins")).to_have_text(["23", "30"])

    admin.get_by_role("button", name="Publish revision 2").click()
    admin.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(admin.locator("#toast")).to_contain_text("Revision 2 is published.")
    expect(head).not_to_contain_text("Draft waiting")
    admin.get_by_role("button", name="Undo").click()
    expect(admin.locator("#toast")).to_contain_text("Taken back.")
    expect(head).to_contain_text("Draft waiting")

    admin.get_by_role("button", name="Retire").click()
    admin.get_by_role("dialog").get_by_role("button", name="Retire").click()
    expect(head).to_contain_text("Retired")
    admin.get_by_role("button", name="Undo").click()
    expect(head).to_contain_text("Published")
    admin.get_by_role("link", name="Documents").last.click()
    admin.get_by_label("Find").fill("sauna hours")
    expect(admin.get_by_role("row")).to_have_count(2)
    expect(admin.get_by_role("row").last).to_contain_text("1 → 2")


def test_several_files_are_dropped_and_each_says_what_became_of_it(admin: Page) -> None:
    files = {"pool.md": "# Pool\n\nThe pool opens at 8.", "bar.md": "# Bar\n\nIt closes at 1."}
    admin.evaluate(DROP, ["", {**files, "film.mp4": "x"}])
    uploads = admin.get_by_label("Uploads")
    expect(uploads).to_contain_text("2 drafts taken in, 1 refused.")
    refused = uploads.get_by_role("listitem").filter(has_text="film.mp4")
    expect(refused).to_contain_text("is of a kind that is not read")
    uploads.get_by_role("button", name="Publish all 2").click()
    expect(uploads).to_contain_text("2 documents published.")
    row = admin.get_by_role("row").filter(has_text="pool.md")
    expect(row).to_contain_text("Published")


def test_what_was_typed_and_not_saved_is_there_again(admin: Page) -> None:
    taken_in(admin, "unsaved.md")
    admin.get_by_role("button", name="Edit").click()
    admin.get_by_label("Text", exact=True).fill("# Other\n\nOther words.")
    admin.get_by_role("link", name="People").click()
    admin.get_by_role("heading", name="People").wait_for()
    admin.go_back()
    expect(admin.get_by_label("Text", exact=True)).to_have_value("# Other\n\nOther words.")
    admin.get_by_role("button", name="Throw away").click()
    expect(admin.locator(".sheet")).to_contain_text("The sauna is open")


def test_it_is_done_by_keyboard(admin: Page) -> None:
    taken_in(admin, "keys.md")
    publish = admin.get_by_role("button", name="Publish revision 1")
    publish.focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("dialog")).to_be_visible()
    admin.get_by_role("dialog").get_by_role("button", name="Publish").focus()
    admin.keyboard.press("Enter")
    undo = admin.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    admin.keyboard.press("Enter")
    expect(admin.locator(".section-head")).to_contain_text("Draft")
    expect(admin.get_by_role("button", name="Close this message")).to_be_focused()


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("dark", WIDE), ("light", PHONE)], ids=["dark-wide", "light-phone"]
)
def test_axe_finds_nothing_and_everything_fits(
    staffed: Product, browser: Browser, scheme: Any, viewport: ViewportSize
) -> None:
    with browser.new_context(viewport=viewport, color_scheme=scheme, locale="en-GB") as context:
        page = opened(context.new_page(), staffed)

        def check(where: str) -> None:
            assert violations(page) == [], where
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], where

        page.get_by_role("table").wait_for()
        check("list")
        page.get_by_label("Files to upload").first.set_input_files(file("axe.md"))
        page.get_by_role("button", name="Keep as a draft").wait_for()
        check("preview")
        page.get_by_role("button", name="Keep as a draft").click()
        page.get_by_text(re.compile("Revision 1, a draft")).wait_for()
        check("document")
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Text", exact=True).fill(SAUNA.replace("22", "23") + "\nNew.\n")
        check("editor")
        page.get_by_role("button", name="Save as a draft").click()
        page.get_by_role("link", name="What changed").click()
        page.locator(".changed").first.wait_for()
        check("differences")
        page.get_by_role("button", name="Retire").click()
        check("question")
        page.get_by_role("dialog").get_by_role("button", name="Retire").click()
        page.locator("#toast").wait_for()
        check("toast")
