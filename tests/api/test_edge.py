"""Headers, origins, pages, health: what surrounds the conversations."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from agent.app import create_app
from agent.generation.engine import LlamaEngine
from agent.http import middleware
from agent.http.auth import from_this_machine

from .conftest import ORIGIN, Chat, Product

pytestmark = pytest.mark.model

PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,last-event-id",
}


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/api/v1/conversations"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert policy.endswith("frame-ancestors 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_the_widgets_frame_may_be_embedded_by_its_origins_only(client: httpx.Client) -> None:
    response = client.get("/widget/frame")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors 'self' {ORIGIN}")


def test_the_loader_may_be_loaded_by_any_page(client: httpx.Client) -> None:
    response = client.get("/widget/loader.js")
    assert response.status_code == 200
    assert "javascript" in response.headers["content-type"]
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["cache-control"] == "public, max-age=300"


def test_a_file_that_is_known_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/static/shared/events.js")
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    again = client.get("/static/shared/events.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_root_leads_to_the_demo(client: httpx.Client) -> None:
    response = client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/demo")
    assert client.get("/demo").headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_that_do_not_exist_are_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_pages_of_the_widgets_origins_may_call_the_customers_api(client: httpx.Client) -> None:
    allowed = client.options("/api/v1/conversations", headers=PREFLIGHT)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in allowed.headers
    started = client.post("/api/v1/conversations", json={}, headers={"Origin": ORIGIN})
    assert started.headers["access-control-allow-origin"] == ORIGIN


def test_an_error_can_be_read_by_the_widgets_origins_too(client: httpx.Client) -> None:
    response = client.get("/api/v1/conversations/c_x", headers={"Origin": ORIGIN})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, ORIGIN)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{ORIGIN}.evil.example"])
def test_pages_of_other_origins_may_not(client: httpx.Client, origin: str) -> None:
    refused = client.options("/api/v1/conversations", headers={**PREFLIGHT, "Origin": origin})
    assert "access-control-allow-origin" not in refused.headers
    called = client.post("/api/v1/conversations", json={}, headers={"Origin": origin})
    assert "access-control-allow-origin" not in called.headers


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/healthz"])
def test_nothing_but_the_customers_api_is_open_to_other_origins(
    client: httpx.Client, path: str
) -> None:
    assert "access-control-allow-origin" not in client.get(path, headers={"Origin": ORIGIN}).headers


def test_a_whole_product_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_metrics_count_requests_by_template_and_turns_by_outcome(chat: Chat) -> None:
    chat.answer("hello")
    text = chat.client.get("/metrics").text
    line = 'route="/api/v1/conversations/{conversation_id}/messages",status="202"'
    assert line in text
    assert chat.id not in text
    assert 'frontdesk_turns_total{outcome="answered"}' in text
    assert "frontdesk_first_token_seconds_bucket" in text
    assert "frontdesk_engine_running" in text


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_operators_pages_are_for_this_machine_or_a_key(product: Product, path: str) -> None:
    with product.client() as client:
        assert client.get(path).status_code == 200
        forwarded = client.get(path, headers={"X-Forwarded-For": "127.0.0.1"})
        assert forwarded.status_code == 401
        rebound = client.get(path, headers={"Host": "evil.example"})
        assert rebound.status_code == 401
        by_key = {"X-Forwarded-For": "9.9.9.9", "Authorization": f"Bearer {product.key}"}
        assert client.get(path, headers=by_key).status_code == 200
        wrong = {"X-Forwarded-For": "9.9.9.9", "Authorization": "Bearer fd_wrong"}
        assert client.get(path, headers=wrong).status_code == 401


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("x", False)],
)
def test_only_a_loopback_address_is_this_machine(address: str, local: bool) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"localhost:8080")],
        "client": (address, 5000),
    }
    assert from_this_machine(Request(scope)) is local


def test_the_description_of_the_api_names_its_calls(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "post" in paths["/api/v1/conversations/{conversation_id}/messages"]
    assert "post" in paths["/v1/chat/completions"]
    assert "get" in paths["/api/v1/staff/events"]


def test_frame_ancestors_are_closed_without_origins() -> None:
    assert middleware.frame_ancestors("/widget/frame", ()) == "'self'"
    assert middleware.frame_ancestors("/demo", (ORIGIN,)) == "'none'"


def test_a_model_that_has_ended_makes_the_product_not_ready_but_alive(
    product: Product, chat_weights: Path
) -> None:
    """On another engine, which is closed; everything else is the product's own."""

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        engine = await LlamaEngine.open(chat_weights, name="ended", sha256=None)
        await engine.close()
        app = create_app(replace(product.services, engine=engine))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/healthz"), await client.get("/readyz")

    alive, ready = asyncio.run_coroutine_threadsafe(ask(), product.loop).result()
    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["code"]) == (503, "engine_dead")
    assert ready.json()["detail"]
    assert ready.headers["retry-after"]
