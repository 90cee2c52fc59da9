"""People, API keys and the audit log, as an admin has them over HTTP."""

import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from agent.app import create_app
from agent.http.audit import READS, UNRECORDED, action_of
from agent.storage.lockout import FREE_TRIES
from tests.api import people
from tests.api.conftest import Chat, Product
from tests.api.people import PASSWORD, Person, a_browser, enters, signed_in


@pytest.fixture(autouse=True)
def browsers_are_closed() -> Iterator[None]:
    yield
    while people.OPENED:
        people.OPENED.pop().close()


@pytest.fixture
def admin(product: Product) -> Person:
    return signed_in(product, "admin")


def invited(admin: Person, role: str = "staff") -> dict[str, Any]:
    body = {"email": f"{token_hex(6)}@example.org", "role": role, "name": "Ann Moss"}
    answer = admin.call("POST", "admin/users", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def token_in(link: str) -> str:
    return link.partition("#invitation=")[2]


# -- people


def test_an_invited_person_chooses_a_password_and_comes_in(
    product: Product, admin: Person, client: httpx.Client
) -> None:
    made = invited(admin)
    user = made["user"]
    assert (user["invited"], user["active"], user["name"]) == (True, True, "Ann Moss")
    refused = client.post("/api/v1/login", json={"email": user["email"], "password": ""})
    assert refused.status_code == 401, "no password is no empty password"

    choice = {"token": token_in(made["link"]), "password": "a new horse"}
    assert client.post("/api/v1/setup", json=choice | {"password": "short"}).status_code == 422
    assert client.post("/api/v1/setup", json=choice).json()["user"]["email"] == user["email"]
    assert client.post("/api/v1/setup", json=choice).status_code == 401, "a link works once"
    enters(product, user["email"], user["id"], "a new horse")
    listed = {one["id"]: one for one in admin.call("GET", "admin/users").json()["items"]}
    assert listed[user["id"]]["invited"] is False


def test_a_new_link_ends_the_one_before(admin: Person, client: httpx.Client) -> None:
    made = invited(admin)
    again = admin.call("POST", f"admin/users/{made['user']['id']}/link")
    assert again.status_code == 201
    choice = {"token": token_in(made["link"]), "password": "a new horse"}
    assert client.post("/api/v1/setup", json=choice).status_code == 401
    choice["token"] = token_in(again.json()["link"])
    assert client.post("/api/v1/setup", json=choice).status_code == 201


def test_a_changed_password_ends_the_persons_sessions(product: Product, admin: Person) -> None:
    ann = signed_in(product, "staff")
    link = admin.call("POST", f"admin/users/{ann.id}/link").json()["link"]
    assert ann.client.get("/api/v1/session").json()["user"]
    choice = {"token": token_in(link), "password": "a new horse"}
    assert ann.client.post("/api/v1/setup", json=choice).status_code == 201
    assert ann.client.get("/api/v1/session").json()["user"] is None


def test_who_is_deactivated_is_out_at_once_and_cannot_come_back(
    product: Product, admin: Person, client: httpx.Client
) -> None:
    ann = signed_in(product, "staff")
    changed = admin.call("PATCH", f"admin/users/{ann.id}", json={"active": False})
    assert changed.json()["active"] is False
    assert ann.call("GET", "staff/conversations").status_code == 401
    body = {"email": ann.email, "password": PASSWORD}
    assert client.post("/api/v1/login", json=body).status_code == 401
    assert admin.call("POST", f"admin/users/{ann.id}/link").status_code == 409
    admin.call("PATCH", f"admin/users/{ann.id}", json={"active": True})
    assert client.post("/api/v1/login", json=body).status_code == 200


def test_the_live_feed_of_who_is_deactivated_ends(product: Product, admin: Person) -> None:
    ann = signed_in(product, "staff")
    with ann.client.stream("GET", "/api/v1/staff/events") as feed:
        parts = feed.iter_text()
        assert next(parts).startswith(": heartbeat")
        admin.call("PATCH", f"admin/users/{ann.id}", json={"active": False})
        list(parts)  # comes to its end
    assert ann.call("GET", "staff/events").status_code == 401


def test_an_admin_signs_somebody_out_everywhere(product: Product, admin: Person) -> None:
    ann = signed_in(product, "staff")
    assert admin.call("POST", f"admin/users/{ann.id}/sign_out").status_code == 200
    assert ann.call("GET", "staff/conversations").status_code == 401
    assert admin.call("POST", "admin/users/u_nobody/sign_out").status_code == 404


def test_a_role_can_be_changed(product: Product, admin: Person) -> None:
    ann = signed_in(product, "staff")
    assert ann.call("GET", "admin/users").status_code == 403
    admin.call("PATCH", f"admin/users/{ann.id}", json={"role": "admin"})
    assert ann.call("GET", "admin/users").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody", "role": "staff"}, "email"),
        ({"email": "a@example.org", "role": "king"}, "role"),
        ({"email": "a@example.org", "role": "staff", "name": "x" * 101}, "name"),
    ],
)
def test_what_is_no_person_is_refused(admin: Person, body: dict[str, str], field: str) -> None:
    answer = admin.call("POST", "admin/users", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_lists_are_read_in_pages(admin: Person) -> None:
    for _ in range(3):
        invited(admin)
    whole = [one["id"] for one in admin.call("GET", "admin/users").json()["items"]]
    found, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = admin.call("GET", "admin/users", params=query).json()
        found += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == whole


# -- API keys


def test_a_key_opens_what_it_was_made_for_until_it_is_revoked(
    admin: Person, client: httpx.Client
) -> None:
    def status(key: str, path: str) -> int:
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "9.9.9.9"}
        return client.get(path, headers=headers).status_code

    opens = {
        "v1": "/v1/models",
        "metrics": "/metrics",
        "staff": "/api/v1/staff/conversations",
        "admin": "/api/v1/admin/keys",
    }
    for scope, own in opens.items():
        made = admin.call("POST", "admin/keys", json={"name": scope, "scopes": [scope]}).json()
        assert status(made["key"], own) == 200
        for other, path in opens.items():
            if other != scope and (scope, other) != ("admin", "staff"):
                assert status(made["key"], path) in (401, 403), (scope, other)
        listed = {one["id"]: one for one in admin.call("GET", "admin/keys").json()["items"]}
        assert listed[made["id"]]["used_at"]
        assert made["key"] not in str(listed)
        assert admin.call("DELETE", f"admin/keys/{made['id']}").status_code == 200
        assert status(made["key"], own) == 401
        assert admin.call("DELETE", f"admin/keys/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["v1"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
    ],
)
def test_a_key_has_a_name_and_known_scopes(admin: Person, body: dict[str, Any]) -> None:
    assert admin.call("POST", "admin/keys", json=body).status_code == 422


# -- the audit log


def writes(product: Product) -> list[tuple[str, APIRoute]]:
    """Every call that changes something for staff and admins."""
    app = create_app(product.services)
    paths = app.openapi()["paths"]
    assert paths
    found = []
    for context in app.router.routes:
        routes = getattr(context, "original_router", context)
        for route in getattr(routes, "routes", [routes]):
            if isinstance(route, APIRoute) and re.match(r"/api/v1/(staff|admin)/", route.path):
                found += [
                    (method, route) for method in (route.methods or ()) if method not in READS
                ]
    return found


def test_no_write_of_staff_or_admins_goes_unrecorded(product: Product, admin: Person) -> None:
    """Each route of the application is called, with nonsense where it takes something."""
    found = writes(product)
    assert len(found) > 12
    for method, route in found:
        path = re.sub(r"\{[^}]+\}", "x_none", route.path)
        stranger = a_browser(product)
        assert stranger.request(method, path, json={}).status_code == 401, route.path
        answer = admin.call(method, path.removeprefix("/api/v1/"), json={})
        newest = admin.audit(actor=admin.id, limit=1)[0]
        if route.name in UNRECORDED:
            assert newest["action"] != action_of(route.path, route.name)
            continue
        assert newest["action"] == action_of(route.path, route.name), route.path
        assert newest["status"] == answer.status_code
        assert newest["actor"] == {"kind": "user", "id": admin.id, "name": admin.email}
        assert newest["address"] == "127.0.0.1"


def test_no_call_of_the_admins_is_open_to_staff(product: Product) -> None:
    ann = signed_in(product, "supervisor")
    for method, route in writes(product):
        if "/admin/" in route.path:
            path = re.sub(r"\{[^}]+\}", "x_none", route.path).removeprefix("/api/v1/")
            assert ann.call(method, path, json={}).status_code == 403, route.path


def test_the_audit_log_tells_what_changed_and_never_what_was_said(
    product: Product, admin: Person, chat: Chat
) -> None:
    ann = signed_in(product, "staff")
    admin.call("PATCH", f"admin/users/{ann.id}", json={"role": "supervisor"})
    entry = admin.audit(actor=admin.email, action="admin.change_user")[0]
    assert (entry["subject"], entry["detail"]) == (ann.id, f"{ann.email}: role staff → supervisor")

    secret = "my private words"
    reply = ann.call("POST", f"staff/conversations/{chat.id}/messages", json={"content": secret})
    assert reply.status_code == 200
    entry = admin.audit(actor=ann.id, action="staff.")[0]
    assert (entry["action"], entry["subject"]) == ("staff.reply", chat.id)

    made = admin.call("POST", "admin/keys", json={"name": "billing", "scopes": ["staff"]}).json()
    with product.client(headers={"Authorization": f"Bearer {made['key']}"}) as program:
        program.post(f"/api/v1/staff/conversations/{chat.id}/resolve")
    entry = admin.audit(actor=made["id"])[0]
    assert entry["actor"] == {"kind": "key", "id": made["id"], "name": "billing"}
    everything = str(admin.audit(limit=100))
    assert secret not in everything
    assert PASSWORD not in everything
    assert made["key"] not in everything


def test_the_audit_log_tells_of_sign_ins(product: Product, admin: Person) -> None:
    ann = signed_in(product, "staff")
    with product.client() as stranger:
        for _ in range(FREE_TRIES + 1):
            stranger.post("/api/v1/login", json={"email": ann.email, "password": "my other one"})
        stranger.post("/api/v1/login", json={"email": "my password", "password": "x"})
    entries = admin.audit(action="account.login", limit=FREE_TRIES + 2)
    told = [(one["actor"]["kind"], one["subject"], one["detail"], one["status"]) for one in entries]
    assert told == [
        ("nobody", None, "unknown e-mail address", 401),
        ("nobody", ann.id, f"wrong password for {ann.email}, locked for a while", 401),
        *[("nobody", ann.id, f"wrong password for {ann.email}", 401)] * (FREE_TRIES - 1),
        ("user", None, None, 200),
    ]
    change = {"old": PASSWORD, "new": "a new horse"}
    assert admin.call("POST", "password", json=change).status_code == 200
    entered = enters(product, admin.email, admin.id, "a new horse")
    assert entered.audit(actor=admin.id)[1]["action"] == "account.change_password"


def test_the_audit_log_is_read_in_pages_newest_first(admin: Person) -> None:
    for _ in range(5):
        admin.call("POST", "admin/users/u_nobody/link")
    first = admin.call("GET", "admin/audit", params={"actor": admin.id, "limit": 3}).json()
    query = {"actor": admin.id, "limit": 3, "cursor": first["next"]}
    second = admin.call("GET", "admin/audit", params=query).json()
    numbers = [int(one["id"]) for one in first["items"] + second["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 6
    assert second["next"] is None


# -- one's own sessions


def test_a_person_sees_where_they_are_signed_in_and_ends_the_others(product: Product) -> None:
    ann = signed_in(product, "staff")
    others = [enters(product, ann.email, ann.id) for _ in range(3)]
    items = ann.call("GET", "sessions").json()["items"]
    assert len(items) == 4
    assert [one["current"] for one in items].count(True) == 1
    assert {one["address"] for one in items} == {"127.0.0.1"}
    newest = others[-1].call("GET", "sessions").json()["items"]
    lost = next(one["id"] for one in newest if one["current"])
    assert ann.call("DELETE", f"sessions/{lost}").status_code == 200
    assert ann.call("DELETE", f"sessions/{lost}").status_code == 404
    assert others[-1].call("GET", "sessions").status_code == 401
    assert others[0].call("GET", "sessions").status_code == 200
    assert ann.call("DELETE", "sessions").status_code == 200
    assert others[0].call("GET", "sessions").status_code == 401
    assert ann.call("GET", "sessions").status_code == 200


def test_nobody_ends_the_session_of_somebody_else(product: Product, admin: Person) -> None:
    ann = signed_in(product, "staff")
    its = ann.call("GET", "sessions").json()["items"][0]["id"]
    for name in (its, its[:1], "%25"):
        assert admin.call("DELETE", f"sessions/{name}").status_code == 404
    assert ann.call("GET", "sessions").status_code == 200


def test_a_sign_in_ends_the_session_that_the_browser_had(product: Product) -> None:
    ann = signed_in(product, "staff")
    old = dict(ann.client.cookies)
    ann.client.post("/api/v1/login", json={"email": ann.email, "password": PASSWORD})
    with product.client(cookies=old) as stale:
        assert stale.get("/api/v1/session").json()["user"] is None
