"""Sentence vectors: what they mean, and that many may ask at once."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from agent.errors import EngineDead, SetupError
from agent.generation.embedding import LlamaEmbeddings

REFUND = "How do I get my money back?"
NEAR = "Refunds are paid to the original payment method within five days."
FAR = "Dogs and cats are welcome in rooms with a garden."


def test_what_means_the_same_is_nearer(embeddings: LlamaEmbeddings) -> None:
    query = np.array(embeddings.embed_query(REFUND))
    near, far = np.array(embeddings.embed_documents([NEAR, FAR]))
    assert query @ near > query @ far + 0.2


def test_every_vector_has_length_one(embeddings: LlamaEmbeddings) -> None:
    texts = ["", " ", "a", "naïve 日本 🙂", "\x00\x01", "word " * 5000, "x" * 1_000_000]
    vectors = np.array(embeddings.embed_documents(texts))
    assert vectors.shape == (len(texts), embeddings.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embeddings.embed_documents([]) == []


def test_a_long_text_is_cut_and_counts_with_its_beginning(embeddings: LlamaEmbeddings) -> None:
    long = "Refunds are paid within five days. " * 400
    longer = embeddings.embed_query(long + FAR)
    assert np.allclose(longer, embeddings.embed_query(long), atol=1e-6)


def test_a_text_has_one_vector_whatever_it_is_embedded_with(embeddings: LlamaEmbeddings) -> None:
    texts = [f"Sentence number {n} about {'refunds ' * (n % 90)}" for n in range(40)]
    together = np.array(embeddings.embed_documents(texts))
    alone = np.array([embeddings.embed_query(text) for text in texts])
    assert ((together * alone).sum(axis=1) > 0.999).all()


def test_fifty_threads_at_once_each_get_their_own(embeddings: LlamaEmbeddings) -> None:
    texts = [f"The answer is {n}." for n in range(50)]
    with ThreadPoolExecutor(50) as threads:
        found = np.array(list(threads.map(embeddings.embed_query, texts)))
    expected = np.array(embeddings.embed_documents(texts))
    assert ((found @ expected.T).argmax(axis=1) == np.arange(50)).all()


async def test_event_loops_may_ask_too(embeddings: LlamaEmbeddings) -> None:
    query, documents = await asyncio.gather(
        embeddings.aembed_query(NEAR), embeddings.aembed_documents([FAR, NEAR])
    )
    assert np.allclose(query, documents[1], atol=1e-2)


def test_queries_pass_documents_that_give_way_to_customers(embedding_weights: Path) -> None:
    embeddings = LlamaEmbeddings(embedding_weights)
    asked = threading.Event()
    embeddings.give_way_to(lambda: not asked.is_set())
    with ThreadPoolExecutor(1) as threads:
        documents = threads.submit(embeddings.embed_documents, ["word " * 500] * 8)
        embeddings.embed_query("now")
        assert not documents.done()
        asked.set()
        assert len(documents.result()) == 8
    embeddings.close()


def test_after_closing_everybody_is_told(embedding_weights: Path) -> None:
    embeddings = LlamaEmbeddings(embedding_weights)
    embeddings.close()
    embeddings.close()
    with pytest.raises(EngineDead):
        embeddings.embed_query("late")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF but no more")
    with pytest.raises(SetupError, match="damaged"):
        LlamaEmbeddings(damaged)
