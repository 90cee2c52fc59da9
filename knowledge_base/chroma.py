"""The only door to Chroma: vectors with the generations, audience and dates they are valid for.

Owns collections and their filters. Refuses to know documents and SQL; Chroma has no transactions
over several records, so what is visible is decided by the generation each call is given.
Invariant: nothing is downloaded or reported: no embedding function, no telemetry.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.api.client import Client
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import ChromaError, NotFoundError

from knowledge_base.embedding import Vector
from knowledge_base.errors import KnowledgeUnavailable
from knowledge_base.model import Audience

_Item = TypeVar("_Item")
OPEN = 2**31 - 1  # to_generation of what is still visible
_ALWAYS = (0, date.max.toordinal() + 1)
_ASKED_FOR = 4  # times as many as are wanted, without a condition; below ef_search


class CollectionMissing(KnowledgeUnavailable):
    """The collection is not there: it was replaced by a newer one, or lost."""


@dataclass(frozen=True, slots=True)
class VectorRecord:
    passage_id: str
    document_id: str
    vector: Vector
    from_generation: int
    to_generation: int | None
    audience: Audience
    effective_from: date | None
    effective_to: date | None

    @property
    def id(self) -> str:
        return record_id(self.passage_id, self.from_generation)

    def metadata(self) -> dict[str, str | int]:
        start, end = self.effective_from, self.effective_to
        return {
            "document_id": self.document_id,
            "from_generation": self.from_generation,
            "to_generation": OPEN if self.to_generation is None else self.to_generation,
            "audience": self.audience,
            "effective_from": start.toordinal() if start else _ALWAYS[0],
            "effective_to": end.toordinal() if end else _ALWAYS[1],
        }


def record_id(passage_id: str, from_generation: int) -> str:
    """A passage that was retired and is shown again is two records."""
    return f"{passage_id}@{from_generation}"


def _passage_id(record: str) -> str:
    return record.rpartition("@")[0]


class VectorStore:
    """Embedded in `path`, or a server's by `url`."""

    def __init__(self, path: Path, url: str | None) -> None:
        self._place = url or str(path)
        with self._available():
            self._client = _client(path, url)
            self._batch = min(1000, self._client.get_max_batch_size())

    def close(self) -> None:
        self._client.close()
        # chromadb 1.5 leaves both HTTP sessions of a client to a server open.
        client: Any = self._client
        for api in (client._server, client._admin_client._server):  # noqa: SLF001
            session = getattr(api, "_session", None)
            if session is not None:
                session.close()

    def ping(self) -> None:
        with self._available():
            self._client.heartbeat()

    def create(self, name: str, description: Mapping[str, str]) -> None:
        with self._available():
            self._client.create_collection(
                name,
                metadata=dict(description),
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_search": 200}},
            )

    def drop(self, name: str) -> None:
        with self._available():
            self._client.delete_collection(name)

    def names(self, prefix: str) -> list[str]:
        with self._available():
            names = [collection.name for collection in self._client.list_collections()]
        return [name for name in names if name.startswith(prefix)]

    def description(self, name: str) -> Mapping[str, Any]:
        with self._available():
            return self._collection(name).metadata or {}

    def write(self, name: str, records: Sequence[VectorRecord]) -> None:
        with self._available():
            collection = self._collection(name)
            for batch in self._batches(records):
                collection.upsert(
                    ids=[record.id for record in batch],
                    embeddings=np.stack([record.vector for record in batch]),
                    metadatas=[record.metadata() for record in batch],
                )

    def end(self, name: str, document_ids: Sequence[str], generation: int) -> None:
        """What is shown of these documents is shown no more from `generation` on."""
        for batch in self._batches(document_ids):
            self._retime(
                name,
                [
                    {"document_id": {"$in": list(batch)}},
                    {"to_generation": OPEN},
                    {"from_generation": {"$lt": generation}},
                ],
                generation,
            )

    def undo(self, name: str, generation: int) -> None:
        """As if `generation` had never begun."""
        with self._available():
            self._collection(name).delete(where={"from_generation": generation})
        self._retime(name, [{"to_generation": generation}], OPEN)

    def prune(self, name: str, before: int) -> None:
        """Remove what no generation from `before` on shows."""
        with self._available():
            self._collection(name).delete(where=_up_to(before))

    def visible(self, name: str, generation: int) -> set[str]:
        """The ids of the passages that a search in `generation` can find."""
        with self._available():
            # Ids alone: with more than 32,766 records' metadata embedded Chroma fails ("too many
            # SQL variables").
            found = self._collection(name).get(where={"$and": _within(generation)}, include=[])
        return {_passage_id(record) for record in found["ids"]}

    def nearest(
        self,
        name: str,
        vector: Vector,
        limit: int,
        shown: Callable[[str], bool],
        *,
        generation: int,
        audience: Audience,
        on: date,
    ) -> list[tuple[str, float]]:
        """Passage ids with their cosine similarity, best first, of those that are `shown`.

        The other conditions say the same to Chroma, which holds them against every record: 730 ms
        in a library of 100,000, where the nearest of all take 5. So these are asked for first, and
        only where too few of them are shown, Chroma has to look for those that are."""
        wanted = _ASKED_FOR * limit
        nearest = self._query(name, vector, wanted, None)
        found = {one: cosine for one, cosine in nearest if shown(one)}
        if len(found) < limit and len(nearest) == wanted:
            conditions: list[Any] = _within(generation)
            conditions += [
                {"effective_from": {"$lte": on.toordinal()}},
                {"effective_to": {"$gt": on.toordinal()}},
            ]
            if audience != "staff":
                conditions.append({"audience": audience})
            found = dict(self._query(name, vector, limit, {"$and": conditions}))
        return list(found.items())[:limit]

    def _query(
        self, name: str, vector: Vector, limit: int, where: Any | None
    ) -> list[tuple[str, float]]:
        with self._available():
            found = self._collection(name).query(
                query_embeddings=vector[np.newaxis, :],
                n_results=limit,
                where=where,
                include=["distances"],
            )
        distances = found["distances"] or [[]]
        return [
            (_passage_id(record), 1.0 - distance)
            for record, distance in zip(found["ids"][0], distances[0], strict=True)
        ]

    def similarities(self, name: str, vector: Vector, ids: Sequence[str]) -> dict[str, float]:
        """The cosine similarity of each record that is there, by its id."""
        if not ids:
            return {}
        with self._available():
            found = self._collection(name).get(ids=list(ids), include=["embeddings"])
        kept = np.asarray(found["embeddings"], dtype=np.float32).reshape(-1, len(vector))
        lengths = np.linalg.norm(kept, axis=1) * np.linalg.norm(vector)
        cosines = kept @ vector / np.maximum(lengths, 1e-12)
        return dict(zip(found["ids"], cosines.tolist(), strict=True))

    def _retime(self, name: str, conditions: list[Any], to_generation: int) -> None:
        where: Any = {"$and": conditions} if len(conditions) > 1 else conditions[0]
        with self._available():
            collection = self._collection(name)
            for batch in self._batches(collection.get(where=where, include=[])["ids"]):
                collection.update(
                    ids=list(batch), metadatas=[{"to_generation": to_generation}] * len(batch)
                )

    def _collection(self, name: str) -> Collection:
        return self._client.get_collection(name, embedding_function=None)

    def _batches(self, items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
        for start in range(0, len(items), self._batch):
            yield items[start : start + self._batch]

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except NotFoundError as error:
            raise CollectionMissing(
                f"Chroma at {self._place} has lost the passages; rebuild the knowledge base."
            ) from error
        except (ChromaError, httpx.HTTPError, OSError) as error:
            raise KnowledgeUnavailable(
                f"Chroma at {self._place} cannot be used ({error}); "
                "check that it runs, that its disk has room and that the address is right."
            ) from error


def _client(path: Path, url: str | None) -> Client:
    settings = Settings(anonymized_telemetry=False)
    if url is None:
        return cast("Client", chromadb.PersistentClient(path, settings=settings))
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "localhost", parts.port or (443 if secure else 8000)
    try:
        return cast("Client", chromadb.HttpClient(host, port, ssl=secure, settings=settings))
    except ValueError as error:  # what chromadb makes of a refused connection
        raise ConnectionError(str(error)) from error


def _up_to(generation: int) -> Any:
    return {"to_generation": {"$lte": generation}}


def _within(generation: int) -> list[Any]:
    return [
        {"from_generation": {"$lte": generation}},
        {"to_generation": {"$gt": generation}},
    ]
