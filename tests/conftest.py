"""What every test may use: the real weights, fetched by the set-up."""

from pathlib import Path

import pytest
from hypothesis import settings

from agent.settings import load_settings
from agent.weights.store import resolve

settings.register_profile("no timing decides", deadline=None)
settings.load_profile("no timing decides")


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    return load_settings().weights_dir


@pytest.fixture(scope="session")
def chat_weights(weights_dir: Path) -> Path:
    return resolve(None, weights_dir).path


@pytest.fixture(scope="session")
def embedding_weights(weights_dir: Path) -> Path:
    return resolve(None, weights_dir, kind="embedding").path
