"""Signing in, over HTTP: cookies, CSRF, locks, and what a stranger learns (nothing)."""

import json
from collections.abc import Iterator
from secrets import token_hex

import httpx
import pytest

from agent.storage.lockout import FREE_TRIES
from agent.storage.people import UserRole
from tests.api.conftest import Product

PASSWORD = "correct horse"


def an_account(product: Product, role: UserRole = "staff") -> str:
    email = f"{token_hex(6)}@example.org"
    product.services.records.people.add(email, PASSWORD, role)
    return email


@pytest.fixture
def browser(product: Product) -> Iterator[httpx.Client]:
    with product.client() as client:
        yield client


def sign_in(browser: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return browser.post("/api/v1/login", json={"email": email, "password": password})


def test_a_person_signs_in_and_out(product: Product, browser: httpx.Client) -> None:
    email = an_account(product, "supervisor")
    answer = sign_in(browser, email)
    assert answer.status_code == 200
    assert answer.json()["user"] | {"id": ""} == {"id": "", "email": email, "role": "supervisor"}
    csrf = answer.json()["csrf"]
    assert browser.get("/api/v1/session").json()["csrf"] == csrf

    assert browser.post("/api/v1/logout", headers={"X-CSRF-Token": csrf}).status_code == 200
    assert browser.get("/api/v1/session").json() == {"user": None, "csrf": None}


def test_no_page_can_read_the_cookie_and_no_other_site_sends_it(
    product: Product, browser: httpx.Client
) -> None:
    cookie = sign_in(browser, an_account(product)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=43200" in cookie
    assert "secure" not in cookie, "on loopback there is no TLS"

    elsewhere = browser.post(
        "/api/v1/login",
        json={"email": an_account(product), "password": PASSWORD},
        headers={"Host": "desk.example"},
    )
    assert "secure" in elsewhere.headers["set-cookie"].lower()


@pytest.mark.parametrize("given", [None, "", "f" * 64, "\xff"])
def test_a_write_with_the_cookie_alone_is_forbidden(
    product: Product, browser: httpx.Client, given: str | None
) -> None:
    sign_in(browser, an_account(product))
    headers = {} if given is None else {"X-CSRF-Token": given.encode("latin-1")}
    answer = browser.post("/api/v1/logout", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert browser.get("/api/v1/session").json()["user"]


def test_a_stranger_cannot_tell_who_has_an_account(product: Product, browser: httpx.Client) -> None:
    wrong = sign_in(browser, an_account(product), "wrong horse")
    unknown = sign_in(browser, "nobody@example.org")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_wrong_passwords_lock_the_address(product: Product, browser: httpx.Client) -> None:
    email = an_account(product)
    for _ in range(FREE_TRIES):
        assert sign_in(browser, email, "wrong horse").status_code == 401
    locked = sign_in(browser, email)
    assert (locked.status_code, locked.json()["code"]) == (429, "too_many_tries")
    assert 0 < int(locked.headers["retry-after"]) <= 60


def test_a_new_password_ends_the_session(product: Product, browser: httpx.Client) -> None:
    email = an_account(product)
    csrf = sign_in(browser, email).json()["csrf"]
    change = {"old": PASSWORD, "new": "another horse"}
    headers = {"X-CSRF-Token": csrf}
    assert browser.post("/api/v1/password", json=change, headers=headers).status_code == 200
    assert browser.get("/api/v1/session").json() == {"user": None, "csrf": None}
    assert sign_in(browser, email).status_code == 401
    assert sign_in(browser, email, "another horse").status_code == 200


def test_a_programs_key_needs_a_role_to_be_staff(product: Product, browser: httpx.Client) -> None:
    records = product.services.records
    plain, staff = records.add_api_key("plain"), records.add_api_key("console", ("staff",))

    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return browser.get("/api/v1/staff/conversations", headers=headers).status_code

    assert (status(plain), status(staff), status("nonsense")) == (401, 200, 401)


@pytest.mark.parametrize(
    "body", [{}, {"email": "a@b.c"}, {"email": 1, "password": []}, {"email": "\ud800"}, []]
)
def test_what_is_no_sign_in_is_answered_so(browser: httpx.Client, body: object) -> None:
    content = json.dumps(body)
    headers = {"Content-Type": "application/json"}
    answer = browser.post("/api/v1/login", content=content, headers=headers)
    assert answer.status_code == 422
