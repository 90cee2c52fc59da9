"""One generation's visible passages in memory, with BM25 over them.

Owns the lexical half of the search and the passages behind both halves. Refuses to know where they
came from. Invariant: an index never changes; a new generation is a new index.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from knowledge_base.embedding import indexed_text
from knowledge_base.model import Audience, Passage

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_STOP = frozenset(STOPWORDS_EN)


class LexicalIndex:
    """Safe for many threads: it is only read."""

    def __init__(self, generation: int, passages: Sequence[Passage]) -> None:
        self.generation = generation
        self._passages = tuple(passages)
        self.by_id: Mapping[str, Passage] = {passage.id: passage for passage in passages}
        self._bm25: bm25s.BM25 | None = None
        words = [_terms(indexed_text(passage)) for passage in passages]
        if any(words):
            self._bm25 = bm25s.BM25()
            self._bm25.index(words, show_progress=False)

    def best(
        self, query: str, limit: int, *, audience: Audience, on: date
    ) -> list[tuple[str, float]]:
        """Passage ids with their BM25 score, best first; only those that share a word."""
        terms = _terms(query)
        if self._bm25 is None or not terms:
            return []
        scores = self._bm25.get_scores(terms)
        found: list[tuple[str, float]] = []
        for at in np.argsort(-scores, kind="stable"):
            passage, score = self._passages[at], float(scores[at])
            if score <= 0 or len(found) == limit:
                break
            if passage.open_to(audience) and passage.in_force(on):
                found.append((passage.id, score))
        return found


def _terms(text: str) -> list[str]:
    """Stems of the words that are not stop words; of all of them when there are no others."""
    words = _WORD.findall(text.lower())
    # A stemmer keeps state in C and is not safe for threads; making one costs microseconds.
    stems: list[str] = Stemmer.Stemmer("english").stemWords(
        [word for word in words if word not in _STOP] or words
    )
    return stems
