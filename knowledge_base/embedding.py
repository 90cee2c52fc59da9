"""Vectors for passages, each computed once.

Owns the text that stands for a passage in both searches, and the store of vectors by that text's
hash: a new revision with one changed paragraph costs one embedding, a rollback none. Refuses to
know the model behind LangChain's `Embeddings`. Invariant: vectors of two models are never mixed.
"""

import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select

from knowledge_base.catalog import Catalog
from knowledge_base.model import Passage, Progress
from knowledge_base.schema import vectors

BATCH = 32
Vector = NDArray[np.float32]
Report = Callable[[Progress], None]
_LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)")
_MARKS = re.compile(r"[*`]+|^\s*\|(?:\s*-+\s*\|)+\s*$|^#+\s+", re.MULTILINE)


def indexed_text(passage: Passage) -> str:
    """Title, heading path and text without marks and addresses: what both searches look at."""
    body = _MARKS.sub("", _LINK.sub(r"\1", passage.text))
    return "\n".join(part for part in (passage.title, passage.section, body.strip()) if part)


class PassageEmbedder:
    def __init__(self, embeddings: Embeddings, name: str, catalog: Catalog) -> None:
        self.name = name
        self._embeddings = embeddings
        self._catalog = catalog

    def query(self, text: str) -> Vector:
        return np.asarray(self._embeddings.embed_query(text), dtype=np.float32)

    def passages(self, passages: Sequence[Passage], report: Report | None = None) -> list[Vector]:
        """One vector for each, in order; `report` counts passages, known ones included."""
        texts = {hashlib.sha256(t.encode()).hexdigest(): t for t in map(indexed_text, passages)}
        hashes = [hashlib.sha256(indexed_text(p).encode()).hexdigest() for p in passages]
        known = self._known(list(texts))
        missing = [sha for sha in texts if sha not in known]
        done = len(passages) - len(missing)
        for start in range(0, len(missing), BATCH):
            if report:
                report(Progress("embedding", done + start, len(passages)))
            batch = missing[start : start + BATCH]
            known |= self._embed_and_keep({sha: texts[sha] for sha in batch})
        if report:
            report(Progress("embedding", len(passages), len(passages)))
        return [known[sha] for sha in hashes]

    def forget_other_models(self) -> None:
        with self._catalog.transaction() as connection:
            connection.execute(delete(vectors).where(vectors.c.embedding != self.name))

    def _known(self, hashes: Sequence[str]) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        with self._catalog.transaction() as connection:
            for start in range(0, len(hashes), 500):
                rows = connection.execute(
                    select(vectors.c.sha256, vectors.c.vector).where(
                        vectors.c.embedding == self.name,
                        vectors.c.sha256.in_(hashes[start : start + 500]),
                    )
                )
                found |= {row.sha256: np.frombuffer(row.vector, dtype="<f4") for row in rows}
        return found

    def _embed_and_keep(self, texts: dict[str, str]) -> dict[str, Vector]:
        computed = self._embeddings.embed_documents(list(texts.values()))
        made = {
            sha: np.asarray(vector, dtype="<f4")
            for sha, vector in zip(texts, computed, strict=True)
        }
        with self._catalog.transaction() as connection:
            connection.execute(
                insert(vectors),
                [
                    {"embedding": self.name, "sha256": sha, "vector": vector.tobytes()}
                    for sha, vector in made.items()
                ],
            )
        return made
