"""The knowledge base as it is not, or not any more: with drafts, with a change, on a day gone by.

A view is searched in memory, over vectors that the catalogue keeps, and touches neither Chroma nor
what customers see. Owns one fixed set of passages. Refuses to change with what is published
later. Invariant: its search ranks as the library's own does over the same passages.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from datetime import date

import numpy as np

from knowledge_base.catalog import Shown
from knowledge_base.embedding import PassageEmbedder, Report, Vector
from knowledge_base.index import LexicalIndex
from knowledge_base.model import Audience, Hit, Passage
from knowledge_base.ranking import ranked

KEPT = 2


class View:
    """Safe for many threads; costs some 3 kB of memory a passage."""

    def __init__(
        self,
        shown: Sequence[Shown],
        keys: dict[str, str],
        embedder: PassageEmbedder,
        on: date,
        report: Report | None = None,
    ) -> None:
        """`keys` are the documents' paths by their ids; `on` is the day it is, for whoever
        searches. What has no vector yet gets one here, which may take a while."""
        self.passages: tuple[Passage, ...] = tuple(one.passage for one in shown)
        self.on = on
        self._embedder = embedder
        self._index = LexicalIndex(shown, keys)
        vectors = embedder.passages(self.passages, report)
        self._vectors = _InMemory([one.id for one in self.passages], vectors)

    def search(
        self,
        query: str,
        *,
        k: int = 5,
        before: Sequence[str] = (),
        audience: Audience = "public",
    ) -> list[Hit]:
        """As `Library.search`."""
        if k < 1 or not query.strip():
            return []
        return ranked(
            *(self._index, self._vectors, query, self._embedder.query(query), k),
            before=before,
            audience=audience,
            on=self.on,
        )


class Kept:
    """The views that were made last: a page asks the same one again and again. Two, because each
    costs memory, and a search beside what is published needs one at most."""

    def __init__(self) -> None:
        self._views: dict[Hashable, View] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], View]) -> View:
        with self._lock:
            view = self._views.pop(key, None)
            if view is not None:
                self._views[key] = view  # the last used is the last to go
                return view
        view = make()
        with self._lock:
            self._views[key] = view
            for old in list(self._views)[:-KEPT]:
                del self._views[old]
        return view


class _InMemory:
    """Vectors as rows of one matrix, each of length 1."""

    def __init__(self, ids: Sequence[str], vectors: Sequence[Vector]) -> None:
        self._ids = list(ids)
        self._places = {one: place for place, one in enumerate(ids)}
        rows = np.stack(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)
        self._rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    def nearest(
        self, vector: Vector, limit: int, shown: Callable[[str], bool]
    ) -> list[tuple[str, float]]:
        if not self._ids:
            return []
        cosines = self._cosines(vector, slice(None))
        order = (int(place) for place in np.argsort(-cosines, kind="stable"))
        best = (place for place in order if shown(self._ids[place]))
        return [
            (self._ids[place], float(cosines[place]))
            for place, _ in zip(best, range(limit), strict=False)
        ]

    def similarities(self, vector: Vector, passage_ids: Sequence[str]) -> dict[str, float]:
        known = [one for one in passage_ids if one in self._places]
        if not known:
            return {}
        cosines = self._cosines(vector, [self._places[one] for one in known])
        return dict(zip(known, cosines.tolist(), strict=True))

    def _cosines(self, vector: Vector, rows: slice | list[int]) -> Vector:
        length = max(float(np.linalg.norm(vector)), 1e-12)
        return np.asarray(self._rows[rows] @ vector / length, dtype=np.float32)
