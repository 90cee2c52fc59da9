"""The whole product behind a real server: real weights, embedded Valkey, SQLite, Chroma."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from agent.app import create_app
from agent.services import Services, open_services
from agent.settings import Settings
from agent.storage import valkey

ORIGIN = "https://shop.example"
# Key, text, title, as the library takes them.
POLICIES = [
    (
        "pets.md",
        "# Pets\n\n## Dogs\n\nA guest may bring one dog. The fee for a dog is 17 euros a night.",
        "Pets",
    ),
    (
        "cancellation.md",
        "# Cancellation\n\nA guest may cancel free of charge until 14 days before arrival.",
        "Cancellation",
    ),
    (
        "keys.md",
        "# Lost keys\n\nA lost key costs 45 euros. The host brings a new one within an hour.",
        "Lost keys",
    ),
]


@dataclass(frozen=True)
class Product:
    url: str
    app: FastAPI
    services: Services
    key: str
    loop: asyncio.AbstractEventLoop

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, **options)


@pytest.fixture(scope="session")
def product(
    tmp_path_factory: pytest.TempPathFactory, weights_dir: Path, chat_weights: Path
) -> Iterator[Product]:
    data_dir = tmp_path_factory.mktemp("data")
    server = valkey.start(data_dir)
    settings = Settings(
        data_dir=data_dir,
        weights_dir=weights_dir,
        redis_url=server.url,
        widget_origins=(ORIGIN,),
        sample=False,
        gaps=False,  # company for who wants to be alone with the engine
        _env_file=None,  # type: ignore[call-arg]
    )
    try:
        with served(settings) as running:
            yield running
    finally:
        server.stop()


@contextmanager
def served(settings: Settings) -> Iterator[Product]:
    """The product on a thread of its own, as `frontdesk run` serves it."""
    ready: Future[Product] = Future()
    stopping = asyncio.Event()

    async def main() -> None:
        async with open_services(settings) as services:
            await asyncio.to_thread(
                services.library.add_texts, POLICIES, source="test", publish=True
            )
            app = create_app(services)
            listening = socket.create_server(("127.0.0.1", 0))
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    proxy_headers=False,
                    server_header=False,
                )
            )
            serving = asyncio.create_task(server.serve([listening]))
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            key = await asyncio.to_thread(services.records.add_api_key, "tests")
            ready.set_result(Product(url, app, services, key, asyncio.get_running_loop()))
            await stopping.wait()
            app.state.closing.set()
            server.should_exit = True
            await serving

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    running = ready.result()
    try:
        yield running
    finally:
        running.loop.call_soon_threadsafe(stopping.set)
        thread.join()


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    with closing(product.client()) as client:
        yield client


@dataclass(frozen=True)
class Chat:
    """One customer's conversation over HTTP."""

    id: str
    token: str
    client: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def path(self) -> str:
        return f"/api/v1/conversations/{self.id}"

    def post(self, what: str, body: Any = None) -> httpx.Response:
        return self.client.post(f"{self.path}/{what}", json=body, headers=self.headers)

    def say(self, content: str) -> dict[str, str]:
        response = self.post("messages", {"content": content})
        assert response.status_code == 202, response.text
        return dict(response.json())

    def snapshot(self) -> dict[str, Any]:
        return dict(self.client.get(self.path, headers=self.headers).json())

    def events(self, after: str | None = None, **headers: str) -> Iterator[dict[str, Any]]:
        """Events as they come; leaving the iteration leaves the stream."""
        with self.client.stream(
            "GET",
            f"{self.path}/events",
            params={"after": after} if after else {},
            headers={**self.headers, **headers},
        ) as response:
            assert response.status_code == 200, response.read()
            for block in blocks(response.iter_text()):
                if "data" in block:
                    event = json.loads(block["data"])
                    assert event["type"] == block["event"]
                    assert event["id"] == block["id"]
                    yield event

    def answer(self, content: str) -> dict[str, Any]:
        """Post, and read events until the turn has ended."""
        after = self.say(content)["event_id"]
        for event in self.events(after):
            if event["type"] in ("reply.completed", "turn.failed"):
                return event
        raise AssertionError("the stream ended before the turn did")


def blocks(parts: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events as they stand on the wire; comments are blocks without fields."""
    rest = ""
    for part in parts:
        *whole, rest = (rest + part).split("\n\n")
        for block in whole:
            lines = [line for line in block.split("\n") if not line.startswith(":")]
            yield dict(line.split(": ", 1) for line in lines)  # type: ignore[misc]


@pytest.fixture
def chat(client: httpx.Client) -> Chat:
    response = client.post("/api/v1/conversations", json={})
    assert response.status_code == 201, response.text
    started = response.json()
    return Chat(started["id"], started["token"], client)
