"""Sentence vectors from a model in this process, as LangChain's `Embeddings`.

Knows no store and no chat. One thread of its own owns the context; queries, for which somebody
waits, go before documents, and documents give way to the chat model between batches. Invariants:
every vector has length 1; a text is cut to what the model reads, never refused.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.embeddings import Embeddings

from agent.errors import EngineDead, FrontdeskError
from agent.generation.llama import LlamaEmbedder, usable_threads

log = logging.getLogger("frontdesk.embedding")

BATCH_TOKENS = 1024
BATCH_TEXTS = 16
# While customers are answered, documents get one batch in this time: indexing goes on, slowly.
GIVE_WAY_S = 1.0

Vectors = list[list[float]]


@dataclass(slots=True, eq=False)
class _Order:
    """Texts that somebody waits for; those from `taken` on are not embedded yet."""

    texts: list[str]
    taken: int = 0
    done: "Future[Vectors]" = field(default_factory=Future)
    vectors: Vectors = field(default_factory=list)


class LlamaEmbeddings(Embeddings):
    """Safe to call from any thread and any event loop."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load a GGUF file, which takes tenths of a second. Raise SetupError if it cannot embed."""
        self._embedder = LlamaEmbedder(
            path,
            batch_tokens=BATCH_TOKENS,
            batch_texts=BATCH_TEXTS,
            threads=threads or usable_threads(),
        )
        self.dimensions = self._embedder.dimensions
        self._chat_busy: Callable[[], bool] = lambda: False
        self._changed = threading.Condition()
        self._queries: deque[_Order] = deque()
        self._documents: deque[_Order] = deque()
        self._at_work: list[tuple[_Order, list[int]]] = []
        self._closed: str | None = None
        self._thread = threading.Thread(target=self._run, name="frontdesk-embedding", daemon=True)
        self._thread.start()

    def give_way_to(self, chat_busy: Callable[[], bool]) -> None:
        """Embed documents slowly while `chat_busy` says that customers are being answered."""
        self._chat_busy = chat_busy

    def embed_documents(self, texts: list[str]) -> Vectors:
        return self._order(self._documents, texts).result() if texts else []

    def embed_query(self, text: str) -> list[float]:
        return self._order(self._queries, [text]).result()[0]

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        if not texts:
            return []
        return await asyncio.wrap_future(self._order(self._documents, texts))

    async def aembed_query(self, text: str) -> list[float]:
        return (await asyncio.wrap_future(self._order(self._queries, [text])))[0]

    def close(self) -> None:
        """Refuse what still waits and free the model."""
        with self._changed:
            self._closed = self._closed or "Frontdesk is shutting down; try again when it is back."
            self._changed.notify()
        self._thread.join()

    def _order(self, queue: deque[_Order], texts: list[str]) -> "Future[Vectors]":
        order = _Order(list(texts))
        with self._changed:
            if self._closed is not None:
                raise EngineDead(self._closed)
            queue.append(order)
            self._changed.notify()
        return order.done

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._at_work = batch
                self._embed(batch)
                self._at_work = []
        except BaseException:
            log.exception("the embedding thread died")
            with self._changed:
                self._closed = "The embedding model's thread ended. Restart Frontdesk."
        finally:
            self._refuse_all()
            self._embedder.close()

    def _next_batch(self) -> "list[tuple[_Order, list[int]]] | None":
        with self._changed:
            self._changed.wait_for(lambda: self._queries or self._documents or self._closed)
            if not self._queries and not self._closed and self._chat_busy():
                self._changed.wait_for(lambda: self._queries or self._closed, GIVE_WAY_S)
            if self._closed:
                return None
            return list(self._fill())

    def _fill(self) -> Iterator[tuple[_Order, list[int]]]:
        """As many texts as fit one batch, of queries alone if there are any."""
        queue = self._queries or self._documents
        tokens = texts = 0
        while queue:
            order = queue[0]
            if order.done.cancelled():
                queue.popleft()
                continue
            while order.taken < len(order.texts):
                text = self._embedder.tokenize(order.texts[order.taken])
                tokens += len(text)
                texts += 1
                if tokens > self._embedder.batch_tokens or texts > self._embedder.batch_texts:
                    return
                order.taken += 1
                yield order, text
            queue.popleft()

    def _embed(self, batch: list[tuple[_Order, list[int]]]) -> None:
        if not batch:
            return
        try:
            vectors = self._embedder.embed([tokens for _, tokens in batch]).tolist()
        except FrontdeskError as error:
            for order, _ in batch:
                self._settle(order, error)
            return
        for (order, _), vector in zip(batch, vectors, strict=True):
            order.vectors.append(vector)
        for order, _ in batch:
            if order.taken == len(order.texts):
                self._settle(order, None)

    def _settle(self, order: _Order, error: FrontdeskError | None) -> None:
        order.taken = len(order.texts)
        if order.done.done() or not order.done.set_running_or_notify_cancel():
            return
        if error is None:
            order.done.set_result(order.vectors)
        else:
            order.done.set_exception(error)

    def _refuse_all(self) -> None:
        with self._changed:
            orders = [*self._queries, *self._documents, *(order for order, _ in self._at_work)]
            self._queries.clear()
            self._documents.clear()
        for order in orders:
            self._settle(order, EngineDead(self._closed or "The embedding model has ended."))
