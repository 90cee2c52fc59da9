"""Coming in by the company's identity provider, in a real browser, where passwords are off."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Product
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, running

pytestmark = [pytest.mark.browser, pytest.mark.model]


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, provider: OidcProvider) -> Iterator[Product]:
    environment = {
        "FRONTDESK_OIDC_ISSUER": provider.url,
        "FRONTDESK_OIDC_CLIENT_ID": CLIENT_ID,
        "FRONTDESK_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "FRONTDESK_OIDC_ROLES": "boss@tidelark.example=admin",
        "FRONTDESK_PASSWORD_SIGN_IN": "0",
    }
    product = Product(tmp_path_factory.mktemp("oidc") / "data", environment).start()
    yield product
    assert product.stop() == 0


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    with browser.new_context(locale="en-GB") as context:
        yield context.new_page()


def is_at_the_provider(provider: OidcProvider, email: str) -> None:
    provider.person = {"sub": f"the {email}", "email": email, "email_verified": True}


def test_an_admin_comes_in_invites_a_colleague_and_the_colleague_comes_in(
    product: Product, provider: OidcProvider, visitor: Page, browser: Browser
) -> None:
    is_at_the_provider(provider, "boss@tidelark.example")
    visitor.goto(f"{product.url}/admin")
    button = visitor.get_by_role("link", name="Sign in with 127.0.0.1")
    expect(visitor.get_by_label("Password")).to_have_count(0)
    button.click()
    expect(visitor.get_by_role("heading", name="Documents")).to_be_visible()
    assert visitor.url == f"{product.url}/admin"
    visitor.locator("#me").click()
    expect(visitor.get_by_text("This one")).to_be_visible()
    expect(visitor.get_by_label("Old password")).to_have_count(0)
    visitor.keyboard.press("Escape")

    visitor.get_by_role("link", name="People").click()
    visitor.get_by_role("button", name="Invite somebody").click()
    visitor.get_by_label("E-mail address").fill("ann@elsewhere.example")
    visitor.get_by_role("button", name="Invite", exact=True).click()
    expect(visitor.get_by_role("dialog")).to_contain_text("comes in by")

    is_at_the_provider(provider, "ann@elsewhere.example")
    with browser.new_context(locale="en-GB") as context:
        theirs = context.new_page()
        theirs.goto(f"{product.url}/console")
        theirs.get_by_role("link", name="Sign in with").click()
        expect(theirs.locator("#me")).to_have_text("ann@elsewhere.example")
        theirs.reload()
        expect(theirs.locator("#me")).to_have_text("ann@elsewhere.example")


def test_a_stranger_is_told_so(product: Product, provider: OidcProvider, visitor: Page) -> None:
    is_at_the_provider(provider, "eve@elsewhere.example")
    visitor.goto(f"{product.url}/console")
    visitor.get_by_role("link", name="Sign in with").click()
    expect(visitor.get_by_role("alert").first).to_contain_text("Nobody here knows you yet")
    assert visitor.url == f"{product.url}/console"
    expect(visitor.locator("#desk")).to_be_hidden()
