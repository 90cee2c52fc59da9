"""The outcomes in a real browser: a chart and its table, the CSV; on a phone too; axe."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from agent.storage.outcomes import Visit
from agent.storage.records import Records
from tests.browser.accessible import violations
from tests.browser.conftest import Product

pytestmark = [pytest.mark.browser, pytest.mark.model]
EMAIL, PASSWORD = "boss@tidelark.example", "correct horse"
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)
# The customer's word, by day of January 2026: two said yes and one no.
VISITS = ((3, "yes"), (3, "yes"), (4, "no"))


@pytest.fixture(scope="module")
def counted(product: Product) -> Product:
    added = product.command(
        "users", "add", EMAIL, "--role", "admin", "--password-stdin", said=f"{PASSWORD}\n"
    )
    assert added.returncode == 0, added.stderr
    records = Records.open(f"sqlite:///{product.data_dir / 'frontdesk.sqlite3'}")
    for number, (day, verdict) in enumerate(VISITS):
        at = f"2026-01-{day:02}T12:00:00.000Z"
        known: Any = {"started_at": at, "last_at": at, "replies": 1, "answers": 1}
        one = Visit(
            conversation_id=f"c{number}", number=1, customer=f"c{number}", verdict=verdict,
            last_reply="answered", **known,
        )  # fmt: skip
        records.visits.keep([one], "1-1", None)
    records.close()
    return product


@pytest.fixture
def page(counted: Product, browser: Browser) -> Iterator[Page]:
    """Signed in; what the page says of itself as an error fails the test."""
    errors: list[str] = []
    with browser.new_context(viewport=WIDE, locale="en-GB") as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(f"{counted.url}/admin#outcomes")
        page.get_by_label("E-mail address").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Outcomes", exact=True)).to_be_visible()
        yield page
    assert errors == []


def show(page: Page) -> None:
    page.get_by_label("Period").select_option("own")
    page.get_by_label("From").fill("2026-01-01")
    page.get_by_label("Until, included").fill("2026-01-05")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_label("Resolved by the AI")).to_be_visible()


def test_a_period_without_conversations_says_what_will_be_here(page: Page) -> None:
    expect(page.get_by_role("heading", name="No conversation began")).to_be_visible()
    expect(page.get_by_role("link", name="Open the demo page")).to_be_visible()
    assert violations(page) == []


def test_charts_tables_and_the_csv_say_the_same(counted: Product, page: Page) -> None:
    show(page)
    confirmed = page.get_by_label("Resolved by the AI").locator("div", has_text="Confirmed").first
    expect(confirmed).to_contain_text("67%")

    chart = page.locator("figure", has_text="Conversations a day")
    expect(chart.locator("canvas")).to_be_visible()
    chart.get_by_text("Show the numbers").click()
    rows = chart.get_by_role("row")
    expect(rows).to_have_count(6)
    told = [row.split("\t") for row in rows.all_inner_texts()]
    drawn = {row[0]: row[1:] for row in told[1:]}
    assert drawn["3 Jan"] == ["2", "0", "0", "0", "0", "0", "0"]
    assert drawn["4 Jan"] == ["0", "0", "0", "0", "0", "1", "0"]

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download CSV").click()
    with downloading.value.path().open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["date"] for line in lines] == [f"2026-01-{day:02}" for day in range(1, 6)]
    assert [line["confirmed"] for line in lines] == ["0", "0", "2", "0", "0"]

    assert violations(page) == []
    page.set_viewport_size(PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide == 0, "nothing sticks out"
    assert violations(page) == []


def test_a_price_typed_in_is_counted_at_once(page: Page) -> None:
    show(page)
    costs = page.get_by_label("What it costs")
    expect(costs).to_contain_text("not set")
    costs.get_by_label("Paid by resolution").fill("0.99")
    expect(costs.get_by_role("status")).to_have_text("€1.98")


def test_the_command_counts_as_the_page_does(counted: Product) -> None:
    period = ("--from", "2026-01-01", "--to", "2026-01-06")
    found = json.loads(counted.command("analytics", *period, "--json").stdout)
    assert found["outcomes"]["confirmed"] == 2
    told = counted.command("analytics", *period).stdout
    assert "confirmed" in told
    assert "67%" in told
    lines = counted.command("analytics", *period, "--csv").stdout.splitlines()
    assert len(lines) == 6
    refused = counted.command("analytics", "--from", "2026-01-06", "--to", "2026-01-01")
    assert refused.returncode == 1
    assert "later one" in refused.stderr
    assert httpx.get(f"{counted.url}/api/v1/admin/analytics").status_code == 401
