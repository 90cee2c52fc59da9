"""People of the company, each signed in with a browser of their own."""

from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import httpx

from agent.storage.people import UserRole
from tests.api.conftest import Product

PASSWORD = "correct horse"
OPENED: list[httpx.Client] = []


def a_browser(product: Product) -> httpx.Client:
    OPENED.append(product.client())
    return OPENED[-1]


@dataclass
class Person:
    """Somebody signed in, in a browser of their own."""

    email: str
    id: str
    client: httpx.Client
    csrf: str

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf}
        return self.client.request(method, f"/api/v1/{path}", headers=headers, **options)

    def audit(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.call("GET", "admin/audit", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])


def signed_in(product: Product, role: UserRole, email: str = "") -> Person:
    email = email or f"{token_hex(6)}@example.org"
    user = product.services.records.people.add(email, PASSWORD, role)
    return enters(product, email, user.id)


def enters(product: Product, email: str, user_id: str, password: str = PASSWORD) -> Person:
    client = a_browser(product)
    answer = client.post("/api/v1/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return Person(email, user_id, client, answer.json()["csrf"])
