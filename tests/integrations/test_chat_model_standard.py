"""LangChain's own suites for chat models, on the real engine."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from agent.generation.engine import LlamaEngine
from agent.integrations.langchain import EngineChatModel

pytestmark = pytest.mark.model


class OnTheEngine:
    engine: LlamaEngine

    @pytest.fixture(autouse=True)
    def _on_the_engine(self, engine: LlamaEngine) -> None:
        self.engine = engine

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return EngineChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": self.engine}


class TestUnit(OnTheEngine, ChatModelUnitTests):
    pass


class TestIntegration(OnTheEngine, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        # A small model may tell a long story; the suite reads types, not stories.
        return {"engine": self.engine, "max_tokens": 96}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return self.engine.model.name
