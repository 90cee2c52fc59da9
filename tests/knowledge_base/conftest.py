"""A knowledge base on its embedded stores and on real servers, for the same facts about both."""

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from langchain_core.embeddings import Embeddings

from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings
from tests.servers import chroma_server, postgres_server

__all__ = ["chroma_server", "postgres_server"]

OpenLibrary = Callable[[], Library]


class HashedTrigrams(Embeddings):
    """A real embedder without weights: texts with the same words and word parts get near vectors.

    It honours LangChain's interface (same text, same vector; fixed size; cosine works), which is
    all that the knowledge base asks of an embedder.
    """

    def __init__(self, dimensions: int = 384) -> None:
        self._dimensions = dimensions

    def embed_query(self, text: str) -> list[float]:
        vector = np.zeros(self._dimensions)
        for word in re.findall(r"\w+", text.lower()):
            padded = f"^{word}$"
            for part in [padded[at : at + 3] for at in range(len(padded) - 2)]:
                digest = hashlib.blake2b(part.encode(), digest_size=4).digest()
                number = int.from_bytes(digest)
                vector[number % self._dimensions] += 1 if number >> 31 else -1
        return [float(value) for value in vector / (np.linalg.norm(vector) or 1.0)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture
def embeddings() -> Embeddings:
    return HashedTrigrams()


@pytest.fixture(params=["embedded", pytest.param("servers", marks=pytest.mark.servers)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> KnowledgeSettings:
    """Empty stores: SQLite and embedded Chroma, or PostgreSQL and a Chroma server."""
    if request.param == "embedded":
        return KnowledgeSettings(data_dir=tmp_path / "data")
    return server_settings(request, tmp_path)


def server_settings(request: pytest.FixtureRequest, tmp_path: Path) -> KnowledgeSettings:
    postgres: str = request.getfixturevalue("postgres_server")
    chroma: str = request.getfixturevalue("chroma_server")
    database = f"kb_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {database}"))
    engine.dispose()
    url = postgres.replace("/postgres?", f"/{database}?")
    return KnowledgeSettings(data_dir=tmp_path / "data", database_url=url, chroma_url=chroma)


@pytest.fixture
def open_library(settings: KnowledgeSettings, embeddings: Embeddings) -> Iterator[OpenLibrary]:
    """Opens the same stores, again and again if asked; what is still open is closed at the end."""
    opened: list[Library] = []

    def open_again() -> Library:
        for library in opened:
            library.close()
        opened[:] = [Library.open(settings, embeddings, "trigrams")]
        return opened[0]

    yield open_again
    for library in opened:
        library.close()


@pytest.fixture
def library(open_library: OpenLibrary) -> Library:
    return open_library()
