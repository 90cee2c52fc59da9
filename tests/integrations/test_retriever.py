"""LangChain's own suite for retrievers, on a real library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from agent.generation.embedding import LlamaEmbeddings
from agent.integrations.langchain import LibraryRetriever
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings

POLICIES = [
    ("pets", "## Dogs\n\nOne dog per stay is welcome for 17 euros a night.", "Pets"),
    ("cats", "Cats are not allowed in any home.", "Cats"),
    ("keys", "A lost key costs 45 euros.", "Lost keys"),
    ("cancel", "A guest may cancel until 14 days before the first night.", "Cancellation"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, embedding_weights: Path) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    settings = KnowledgeSettings(data_dir=folder, database_url=f"sqlite:///{folder}/kb.sqlite3")
    embeddings = LlamaEmbeddings(embedding_weights)
    try:
        with Library.open(settings, embeddings, "tests") as opened:
            opened.add_texts(POLICIES, source="tests", publish=True)
            yield opened
    finally:
        embeddings.close()


class TestLibraryRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _on_the_library(self, library: Library) -> None:
        self.library = library

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return LibraryRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"library": self.library}

    @property
    def retriever_query_example(self) -> str:
        return "May I bring my dog to the stay?"


def test_a_document_says_where_it_is_from(library: Library) -> None:
    best, *_ = LibraryRetriever(library=library).invoke("May I bring my dog?")
    assert "17 euros" in best.page_content
    assert best.metadata["title"] == "Pets"
    assert best.metadata["section"] == "Dogs"
    assert best.metadata["revision"] == 1
    assert best.metadata["document_id"] in {one.id for one in library.documents()}
    assert 0 < best.metadata["score"] <= 1
