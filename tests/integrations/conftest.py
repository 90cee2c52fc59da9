"""One engine, as the product opens it, for everything that LangChain does with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.generation.engine import LlamaEngine
from tests.apart import run_apart


@pytest.fixture(scope="session")
def engine(chat_weights: Path) -> Iterator[LlamaEngine]:
    opened = run_apart(LlamaEngine.open(chat_weights, name="the-chat-model", sha256=None))
    yield opened
    run_apart(opened.close())
