"""One engine, as the product opens it, for everything that LangChain does with it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.generation.engine import LlamaEngine


@pytest.fixture(scope="session")
def engine(chat_weights: Path) -> Iterator[LlamaEngine]:
    opened = asyncio.run(LlamaEngine.open(chat_weights, name="the-chat-model", sha256=None))
    yield opened
    asyncio.run(opened.close())
