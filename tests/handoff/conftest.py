"""The product over HTTP with a model whose words are given: each way to a person is short."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest

from agent import answering as composition
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.scripted import ScriptedBackend
from agent.settings import Settings
from agent.storage import valkey
from agent.storage.people import UserRole
from tests.api.conftest import Chat, Product, served

PASSWORD = "correct horse"
CARD = (
    '{"intent": "Bring a dog", "summary": "The customer asks about the fee for a dog.",'
    ' "sentiment": "negative"}'
)


@dataclass
class Script:
    """What the model says; `before` runs before each step of it."""

    card: str = CARD
    answer: str = "The fee for a dog is 17 euros a night."
    before: Callable[[], bool] = lambda: True
    prompts: list[str] = field(default_factory=list)

    def reply(self, prompt: str) -> str:
        if not self.prompts or self.prompts[-1] != prompt:
            self.prompts.append(prompt)
        if "You write the note" in prompt:
            return self.card
        return "YES" if "YES or NO" in prompt else self.answer


@dataclass(frozen=True)
class Stage:
    """One running product and what its model says."""

    product: Product
    script: Script
    client: httpx.Client
    clients: list[httpx.Client] = field(default_factory=list)

    def chat(self, **body: Any) -> Chat:
        response = self.client.post("/api/v1/conversations", json=body)
        assert response.status_code == 201, response.text
        return Chat(response.json()["id"], response.json()["token"], self.client)

    def colleague(self, name: str = "ann.moss", role: UserRole = "staff") -> "Colleague":
        email = f"{name}.{token_hex(4)}@example.org"
        self.product.services.records.people.add(email, PASSWORD, role)
        client = self.product.client()
        self.clients.append(client)
        answer = client.post("/api/v1/login", json={"email": email, "password": PASSWORD}).json()
        client.headers["X-CSRF-Token"] = answer["csrf"]
        return Colleague(answer["user"]["id"], client)


@dataclass(frozen=True)
class Colleague:
    """Somebody of the staff, signed in."""

    id: str
    client: httpx.Client

    def post(self, chat: Chat, what: str, body: Any = None) -> httpx.Response:
        return self.client.post(f"/api/v1/staff/conversations/{chat.id}/{what}", json=body)

    def does(self, chat: Chat, what: str, body: Any = None) -> dict[str, Any]:
        answer = self.post(chat, what, body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def sees(self, chat: Chat) -> dict[str, Any]:
        return dict(self.client.get(f"/api/v1/staff/conversations/{chat.id}").json())


def eventually(look: Callable[[], Any], patience_s: float = 20) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


Opened = Callable[..., AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory, weights_dir: Path) -> Opened:
    """Opens a product; settings by name."""

    @contextmanager
    def opened(**settings: Any) -> Iterator[Stage]:
        script = Script()
        data_dir = settings.pop("data_dir", None) or tmp_path_factory.mktemp("staged")
        server = None if "redis_url" in settings else valkey.start(data_dir)
        backend = ScriptedBackend(
            lambda prompt: script.reply(prompt), before_decode=lambda _chunks: script.before()
        )

        async def engine(_settings: Settings) -> LlamaEngine:
            limits = EngineSettings(shutdown_grace_s=0.0)
            return LlamaEngine(backend, name="scripted", sha256="1", settings=limits)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(composition, "_open_engine", engine)
            wanted = Settings(
                data_dir=data_dir,
                weights_dir=weights_dir,
                redis_url=settings.pop("redis_url", None) or (server.url if server else None),
                sample=False,
                warm=False,
                _env_file=None,  # type: ignore[call-arg]
                **{"gaps": False, **settings},
            )
            try:
                with served(wanted) as product, closing(product.client()) as client:
                    stage = Stage(product, script, client)
                    try:
                        yield stage
                    finally:
                        for one in stage.clients:
                            one.close()
            finally:
                if server is not None:
                    server.stop()

    return opened


@pytest.fixture(scope="session")
def shared_stage(staged: Opened) -> Iterator[Stage]:
    with staged() as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Stage:
    fresh = Script()
    vars(shared_stage.script).update(vars(fresh))
    return shared_stage


@pytest.fixture
def ann(stage: Stage) -> Colleague:
    return stage.colleague()
