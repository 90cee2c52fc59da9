"""Engines to try: the real one, loaded once, and scripted ones made to measure."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.generation.embedding import LlamaEmbeddings
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.remote import RemoteEngine
from agent.generation.requests import ChatMessage, Engine, GenerationRequest
from agent.generation.scripted import ScriptedBackend
from tests.agent.generation.served import serving
from tests.apart import run_apart

OpenScripted = Callable[..., contextlib.AbstractAsyncContextManager[LlamaEngine]]
Ask = Callable[..., GenerationRequest]


@pytest.fixture(scope="session")
def llama_engine(chat_weights: Path) -> Iterator[LlamaEngine]:
    engine = run_apart(LlamaEngine.open(chat_weights, name="chat", sha256=None))
    yield engine
    run_apart(engine.close())


@pytest.fixture(scope="session")
def embeddings(embedding_weights: Path) -> Iterator[LlamaEmbeddings]:
    opened = LlamaEmbeddings(embedding_weights)
    yield opened
    opened.close()


@pytest.fixture
def scripted() -> OpenScripted:
    """Open an engine on a scripted backend; its settings and the backend's by name."""

    @contextlib.asynccontextmanager
    async def opened(
        reply: Callable[[str], str],
        *,
        max_sequences: int = 8,
        queue_limit: int = 24,
        shutdown_grace_s: float = 0.0,
        **backend: Any,
    ) -> AsyncIterator[LlamaEngine]:
        settings = EngineSettings(
            max_sequences=max_sequences, queue_limit=queue_limit, shutdown_grace_s=shutdown_grace_s
        )
        engine = LlamaEngine(
            ScriptedBackend(reply, **backend), name="scripted", sha256=None, settings=settings
        )
        try:
            yield engine
        finally:
            await engine.close()

    return opened


@pytest.fixture(scope="session")
def ask() -> Ask:
    """A request with one question behind a short system prompt."""

    def request(question: str, *, system: str = SYSTEM, **options: Any) -> GenerationRequest:
        messages = (ChatMessage.of("system", system), ChatMessage.of("user", question))
        return GenerationRequest(messages, **options)

    return request


SYSTEM = "You are the support agent of a travel company. Be brief, friendly and exact with amounts."


@pytest.fixture
def served() -> Callable[[Engine], contextlib.AbstractAsyncContextManager[RemoteEngine]]:
    """Put an engine behind a URL and open it from there."""

    @contextlib.asynccontextmanager
    async def opened(engine: Engine) -> AsyncIterator[RemoteEngine]:
        with serving(engine) as url:
            yield await RemoteEngine.open(url)

    return opened
