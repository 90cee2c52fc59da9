"""One generation's visible passages in memory, with BM25 over them and the names in them.

Owns the lexical half of the search and the passages behind both halves. Refuses to know where they
came from. Invariant: an index never changes; a new generation is a new index.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from math import log
from typing import Final

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from knowledge_base.catalog import Shown
from knowledge_base.embedding import indexed_text
from knowledge_base.model import Audience, Passage
from knowledge_base.subjects import Subjects

Scores = NDArray[np.float32]
_WORD = re.compile(r"\w+(?:'\w+)?")
# Words that customers' questions are full of and policies are not told apart by. bm25s' own English
# list lacks "can", "I", "how": in a small knowledge base one of them alone could win a search.
_STOP = re.compile(
    r"(?:a|about|an|and|any|are|as|at|am|be|been|being|but|by|can|could|did|do|does|don't|doing|done"
    r"|else|for|from|had|has|have|having|he|her|here|him|his|how|i|i'm|i've|if|in|into|is|isn't|it"
    r"|it's|its|just|may|me|might|must|my|no|nor|not|of|off|on|only|or|our|own|s|same|shall|she"
    r"|should|so|some|such|t|than|that|the|their|them|then|there|these|they|this|those|to|too|us"
    r"|very|was|we|were|what|when|where|which|who|whom|whose|why|will|with|would|you|your)"
)

# What customers call a cost, policies call a fee.
_SAME: Final = dict.fromkeys(("fee", "price", "charg"), "cost")


class LexicalIndex:
    """Safe for many threads: it is only read."""

    def __init__(self, shown: Sequence[Shown], keys: Mapping[str, str]) -> None:
        """`keys` are the documents' paths by their ids."""
        passages = [one.passage for one in shown]
        self._passages = tuple(passages)
        self._places = {passage.id: place for place, passage in enumerate(passages)}
        self.by_id: Mapping[str, Passage] = {passage.id: passage for passage in passages}
        self.shown_since: Mapping[str, int] = {one.passage.id: one.from_generation for one in shown}
        self.subjects = Subjects(passages, keys)
        self._bm25: bm25s.BM25 | None = None
        words = [_terms(indexed_text(passage)) for passage in passages]
        self._frequency = Counter(term for terms in words for term in set(terms))
        if any(words):
            self._bm25 = bm25s.BM25()
            self._bm25.index(words, show_progress=False)

    def scores(self, query: str) -> Scores:
        """The BM25 score of every passage, in the index's order."""
        terms = _terms(query)
        if self._bm25 is None or not terms:
            return np.zeros(len(self._passages), dtype=np.float32)
        return np.asarray(self._bm25.get_scores(terms), dtype=np.float32)

    def best(
        self, scores: Scores, limit: int, *, audience: Audience, on: date
    ) -> list[tuple[str, float]]:
        """Passage ids with their score, best first; only those that share a word."""
        found: list[tuple[str, float]] = []
        for place in np.argsort(-scores, kind="stable"):
            passage, score = self._passages[place], float(scores[place])
            if score <= 0 or len(found) == limit:
                break
            if passage.open_to(audience) and passage.in_force(on):
                found.append((passage.id, score))
        return found

    def weight(self, query: str) -> float:
        """What a passage of average length would score that has every word of the query once; a
        word that no passage has counts as the rarest."""
        count = len(self._passages)
        return sum(
            log(1 + (count - self._frequency[term] + 0.5) / (self._frequency[term] + 0.5))
            for term in _terms(query)
        )

    def score(self, scores: Scores, passage_id: str) -> float:
        return float(scores[self._places[passage_id]])


def shared_words(query: str, passage: Passage) -> list[str]:
    """The words by which the passage was found, as they stand in its text."""
    wanted = set(_terms(query))
    words = dict.fromkeys(_WORD.findall(indexed_text(passage)))
    return [word for word in words if wanted.intersection(_terms(word))]


def _terms(text: str) -> list[str]:
    """Stems of the words that are not stop words; of all of them when there are no others."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    # A stemmer keeps state in C and is not safe for threads; making one costs microseconds.
    stems: list[str] = Stemmer.Stemmer("english").stemWords(
        [word for word in words if not _STOP.fullmatch(word)] or words
    )
    return [_SAME.get(stem, stem) for stem in stems]
