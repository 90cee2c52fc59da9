"""Signing in through an identity provider: over HTTP, against a real one on this machine."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_hex
from typing import Any

import httpx
import pytest
import uvicorn

from agent.app import create_app
from agent.errors import SetupError
from agent.http.auth import SESSION_COOKIE
from agent.http.oidc import role_of
from agent.http.routes.oidc import COOKIE
from agent.settings import load_settings
from agent.storage.people import Wish
from tests.api.conftest import Product
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, running, unspoilt

DOMAIN = "tidelark.example"


@contextmanager
def served_with(product: Product, **settings: Any) -> Iterator[str]:
    """The product's services behind another door, with other settings."""
    changed = product.services.settings.model_copy(update=settings)
    app = create_app(replace(product.services, settings=changed))
    options = {"lifespan": "off", "log_config": None, "access_log": False, "proxy_headers": False}
    server = uvicorn.Server(uvicorn.Config(app, **options))  # type: ignore[arg-type]
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.run_coroutine_threadsafe(server.serve([listening]), product.loop)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.result(timeout=30)
        listening.close()


@pytest.fixture(scope="module")
def started() -> Iterator[OidcProvider]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module")
def url(product: Product, started: OidcProvider) -> Iterator[str]:
    settings = load_settings(
        oidc_issuer=started.url,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_roles=(f"boss@{DOMAIN}=admin", f"@{DOMAIN}=staff"),
    )
    given = settings.model_dump(
        include={name for name in type(settings).model_fields if "oidc" in name}
    )
    with served_with(product, **given, password_sign_in=False) as url:
        yield url


@pytest.fixture
def provider(started: OidcProvider) -> OidcProvider:
    """As it should be, with a person whom nobody knows yet."""
    started.person = a_person()
    started.spoil = unspoilt
    started.broken = started.email_in_userinfo = False
    return started


def a_person(**claims: Any) -> dict[str, Any]:
    name = token_hex(6)
    given = {"sub": f"s-{name}", "email": f"{name}@{DOMAIN}", "email_verified": True}
    return {**given, "name": "Ann Moss", **claims}


@pytest.fixture
def browser(url: str) -> Iterator[httpx.Client]:
    # Each from an address of its own: failures are counted by address.
    address = f"10.{int(token_hex(1), 16)}.{int(token_hex(1), 16)}.{int(token_hex(1), 16)}"
    with httpx.Client(base_url=url, timeout=60, headers={"X-Forwarded-For": address}) as client:
        yield client


def goes(browser: httpx.Client, page: str = "console") -> str:
    """To the provider and as far back as the callback's address."""
    out = browser.get("/api/v1/oidc/start", params={"page": page})
    assert out.status_code == 303, out.text
    back = httpx.get(out.headers["location"])
    assert back.status_code == 302
    return str(back.headers["location"])


def comes_back(browser: httpx.Client, address: str) -> str:
    """Where the browser ends."""
    answer = browser.get(address)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def who(browser: httpx.Client) -> dict[str, Any] | None:
    found: dict[str, Any] | None = browser.get("/api/v1/session").json()["user"]
    return found


def newest(product: Product) -> Any:
    page = product.services.records.audit.page
    return page(before=None, limit=1, actor=None, action="account.oidc_callback")[0]


def test_somebody_of_the_companys_domain_comes_in_with_the_role_that_was_set(
    product: Product, provider: OidcProvider, browser: httpx.Client
) -> None:
    assert comes_back(browser, goes(browser)) == "/console"
    user = who(browser)
    assert user is not None
    assert (user["email"], user["role"]) == (provider.person["email"], "staff")
    assert COOKIE not in browser.cookies
    entry = newest(product)
    assert (entry.actor.id, entry.status, entry.detail) == (user["id"], 200, "as staff")


def test_who_comes_from_the_admin_page_goes_back_to_it(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    provider.person = a_person(email=f"boss@{DOMAIN}", sub="the boss")
    assert comes_back(browser, goes(browser, "admin")) == "/admin"
    assert who(browser) | {"id": ""} == {"id": "", "email": f"boss@{DOMAIN}", "role": "admin"}
    assert browser.get("/api/v1/admin/users").status_code == 200


def test_an_invited_person_comes_in_and_is_known_by_the_subject_from_then_on(
    product: Product, provider: OidcProvider, browser: httpx.Client
) -> None:
    email = f"{token_hex(6)}@elsewhere.example"
    invited = product.services.records.people.add(email, None, "supervisor")
    provider.person = a_person(email=email.upper())
    assert comes_back(browser, goes(browser)) == "/console"
    assert who(browser) == {"id": invited.id, "email": email, "role": "supervisor"}
    provider.person = {**provider.person, "email": "married@elsewhere.example"}
    assert comes_back(browser, goes(browser)) == "/console"
    assert who(browser) == {"id": invited.id, "email": email, "role": "supervisor"}
    # The address is free again at the provider, and somebody else has it now.
    provider.person = a_person(email=email)
    with httpx.Client(base_url=browser.base_url) as other:
        assert comes_back(other, goes(other)) == "/console#problem=unknown"
        assert who(other) is None


def test_strangers_are_refused_and_the_audit_log_says_whom(
    product: Product, provider: OidcProvider, browser: httpx.Client
) -> None:
    provider.person = a_person(email="eve@elsewhere.example")
    assert comes_back(browser, goes(browser)) == "/console#problem=unknown"
    assert who(browser) is None
    entry = newest(product)
    told = (entry.actor.kind, entry.status, entry.detail)
    assert told == ("nobody", 403, "not let in: eve@elsewhere.example")


def test_who_is_deactivated_stays_out(
    product: Product, provider: OidcProvider, browser: httpx.Client
) -> None:
    comes_back(browser, goes(browser))
    user = who(browser)
    assert user is not None
    product.services.records.people.change(user["id"], Wish(active=False))
    assert who(browser) is None
    assert comes_back(browser, goes(browser)) == "/console#problem=unknown"


@pytest.mark.parametrize("verified", [False, None, "no"])
def test_an_address_that_the_provider_does_not_vouch_for_opens_nothing(
    provider: OidcProvider, browser: httpx.Client, verified: object
) -> None:
    provider.person = a_person(email=f"boss@{DOMAIN}", email_verified=verified)
    assert comes_back(browser, goes(browser)) == "/console#problem=refused"


def a_claim(name: str, value: Any) -> Any:
    return lambda claims, header: claims.update({name: value})


def without(name: str) -> Any:
    return lambda claims, header: claims.pop(name)


def a_header(name: str, value: str) -> Any:
    return lambda claims, header: header.update({name: value})


SPOILT = {
    "another nonce": a_claim("nonce", "of another attempt"),
    "no nonce": without("nonce"),
    "another audience": a_claim("aud", "another client"),
    "a second audience": a_claim("aud", [CLIENT_ID, "another client"]),
    "issued to another": a_claim("azp", "another client"),
    "another issuer": a_claim("iss", "https://evil.example"),
    "expired": a_claim("exp", 1_700_000_000),
    "never ends": without("exp"),
    "nobody": without("sub"),
    "an unknown key": a_header("kid", "unknown"),
    "no signature": a_header("alg", "none"),
    "signed with what is public": a_header("alg", "HS256"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_an_id_token_that_does_not_hold_opens_nothing(
    product: Product, provider: OidcProvider, browser: httpx.Client, what: str
) -> None:
    address = goes(browser)
    provider.spoil = SPOILT[what]
    assert comes_back(browser, address) == "/console#problem=refused"
    assert who(browser) is None
    entry = newest(product)
    assert (entry.actor.kind, entry.status) == ("nobody", 401)


def test_the_signature_has_to_be_of_the_issuers_key(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    comes_back(browser, goes(browser))
    address = goes(browser)
    provider.change_key("RS256", provider.kid)  # the same name, another key: ours is the old one
    with httpx.Client(base_url=browser.base_url, cookies=dict(browser.cookies)) as fresh:
        fresh.cookies.delete(SESSION_COOKIE)
        assert comes_back(fresh, address) == "/console#problem=refused"
    provider.change_key("RS256", token_hex(4))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_new_key_of_the_issuer_is_found(
    provider: OidcProvider, browser: httpx.Client, algorithm: str
) -> None:
    comes_back(browser, goes(browser))
    provider.change_key(algorithm, token_hex(4))
    provider.person = a_person()
    assert comes_back(browser, goes(browser)) == "/console"
    user = who(browser)
    assert user is not None
    assert user["email"] == provider.person["email"]


def test_an_attempt_works_once_and_in_one_browser(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    address = goes(browser)
    before = dict(browser.cookies)
    with httpx.Client(base_url=browser.base_url) as other:
        assert comes_back(other, address) == "/console#problem=refused", "no cookie of its own"
        theirs = goes(other)
        assert comes_back(browser, theirs) == "/console#problem=refused", "another's state"
    browser.cookies.update(before)
    asked = provider.exchanges
    assert comes_back(browser, address) == "/console"
    assert provider.exchanges == asked + 1
    with httpx.Client(base_url=browser.base_url, cookies=before) as replayed:
        assert comes_back(replayed, address) == "/console#problem=refused"
        assert who(replayed) is None
    assert provider.exchanges == asked + 1, "what is spent is not even asked for"


@pytest.mark.parametrize("cookie", ["", "x", "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6IngifQ."])
def test_a_cookie_that_we_did_not_seal_is_none(
    provider: OidcProvider, browser: httpx.Client, cookie: str
) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    answer = browser.get("/api/v1/oidc/callback?state=x&code=y", headers=headers)
    assert answer.headers["location"] == "/console#problem=refused"


def test_no_address_in_a_request_decides_where_the_browser_goes(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    for page in ("https://evil.example", "//evil.example", "/evil", ""):
        assert browser.get("/api/v1/oidc/start", params={"page": page}).status_code == 422
    start = "/api/v1/oidc/start?next=https://evil.example&redirect_uri=https://evil.example"
    assert "evil" not in browser.get(start).headers["location"]
    rebound = browser.get("/api/v1/oidc/start", headers={"Host": "evil.example"})
    assert rebound.headers["location"] == "/console#problem=unavailable"


def test_a_sign_in_begins_a_new_session_and_ends_the_old_one(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    comes_back(browser, goes(browser))
    old = browser.cookies[SESSION_COOKIE]
    comes_back(browser, goes(browser))
    assert browser.cookies[SESSION_COOKIE] != old
    with httpx.Client(base_url=browser.base_url, cookies={SESSION_COOKIE: old}) as stale:
        assert who(stale) is None


def test_the_e_mail_address_may_come_from_the_providers_userinfo(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    provider.email_in_userinfo = True
    assert comes_back(browser, goes(browser)) == "/console"
    user = who(browser)
    assert user is not None
    assert user["email"] == provider.person["email"]


def test_too_many_failures_from_an_address_cost_the_provider_nothing_more(
    provider: OidcProvider, browser: httpx.Client
) -> None:
    provider.spoil = a_claim("nonce", "wrong")
    for _ in range(30):
        assert comes_back(browser, goes(browser)) == "/console#problem=refused"
    provider.spoil = unspoilt
    asked = provider.exchanges
    assert comes_back(browser, goes(browser)) == "/console#problem=busy"
    assert provider.exchanges == asked


def test_a_provider_that_is_down_is_said(product: Product, provider: OidcProvider) -> None:
    given = {
        "oidc_issuer": provider.url,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": load_settings(jwt_secret="x").jwt_secret,
    }
    provider.broken = True
    with served_with(product, **given) as url, httpx.Client(base_url=url) as browser:
        answer = browser.get("/api/v1/oidc/start?page=admin")
        assert answer.headers["location"] == "/admin#problem=unavailable"
        provider.broken = False
        assert browser.get("/api/v1/oidc/start").headers["location"].startswith(provider.url)


def test_the_issuer_has_to_be_the_one_that_was_set(
    product: Product, provider: OidcProvider
) -> None:
    given = {
        "oidc_issuer": provider.url.replace("127.0.0.1", "localhost"),
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": load_settings(jwt_secret="x").jwt_secret,
    }
    with served_with(product, **given) as url, httpx.Client(base_url=url) as browser:
        answer = browser.get("/api/v1/oidc/start")
        assert answer.headers["location"] == "/console#problem=unavailable"


def test_passwords_can_be_turned_off(product: Product, url: str, provider: OidcProvider) -> None:
    product.services.records.people.add("by-password@example.org", "correct horse", "admin")
    body = {"email": "by-password@example.org", "password": "correct horse"}
    with httpx.Client(base_url=url) as browser:
        ways = browser.get("/api/v1/sign_in").json()
        assert ways == {"password": False, "provider": provider.url.removeprefix("http://")}
        assert browser.post("/api/v1/login", json=body).status_code == 403
        setup = browser.post("/api/v1/setup", json={**body, "token": "x"})
        assert setup.status_code == 403
    with product.client() as browser:
        assert browser.get("/api/v1/sign_in").json() == {"password": True, "provider": None}
        assert browser.get("/api/v1/oidc/start").status_code == 404
        assert browser.get("/api/v1/oidc/callback").status_code == 404


def test_an_address_of_ones_own_wins_over_its_domain() -> None:
    pairs = ("@a.example=staff", "Boss@A.example = admin")
    assert role_of("ann@a.example", pairs) == "staff"
    assert role_of("boss@a.example", pairs) == "admin"
    for stranger in ("ann@b.a.example", "ann@a.example.evil", "a.example", ""):
        assert role_of(stranger, pairs) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"oidc_issuer": "http://idp.example"}, "OIDC_ISSUER"),
        ({"oidc_issuer": "https://idp.example"}, "CLIENT_ID"),
        ({"password_sign_in": False}, "PASSWORD_SIGN_IN"),
        ({"oidc_roles": ("everybody=admin",)}, "OIDC_ROLES"),
        ({"oidc_roles": ("@a.example=king",)}, "OIDC_ROLES"),
        ({"public_url": "help.example"}, "PUBLIC_URL"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        load_settings(**settings)
