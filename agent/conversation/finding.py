"""What the library has on a question, seen in its conversation.

Knows no prompt and no storage. Invariant: passages for staff are found for staff only.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from agent.conversation.choosing import TRUSTED_SCORE
from agent.conversation.question import Question
from agent.conversation.reading import Reader
from agent.generation.requests import Permit, Priority
from agent.policy import guardrails
from agent.policy.cases import Case
from agent.policy.language import language_of
from knowledge_base.model import Audience, Hit

CANDIDATES: Final = 8
REMEMBERED: Final = 20  # messages in which what a question is about may have been named
# Nothing in the library is near: cosine of the best passage, with no word in common either.
NEAREST_USEFUL: Final = 0.25


@dataclass(frozen=True, slots=True)
class Found:
    """`understood` is the question in the words by which it was found: in English if it was
    translated."""

    hits: tuple[Hit, ...]
    understood: Question


class Searched(Protocol):
    """What is published, or a view of what is not."""

    def search(
        self, query: str, *, k: int, before: Sequence[str], audience: Audience
    ) -> list[Hit]: ...


class Finder:
    def __init__(self, library: Searched, reader: Reader) -> None:
        self._library = library
        self._reader = reader

    async def find(
        self,
        question: Question,
        case: Case | None = None,
        permit: Permit | None = None,
        priority: Priority = Priority.STAFF,
    ) -> Found:
        """Best first; nothing if nothing in the library is near. A question in another language
        than English that finds nothing good by its own words is searched in English too: the
        embedding model is English, and so may the documents be."""
        hits = await self._in_conversation(question, case)
        understood = question
        found = bool(hits) and hits[0].score >= TRUSTED_SCORE
        if not found and language_of(question.content) not in (None, "en"):
            content = await self._reader.in_english(question.content, permit, priority)
            hits = _interleave(await self._search(content, question), hits)
            understood = replace(question, content=content)
        return Found(tuple(hits) if any_near(hits) else (), understood)

    async def _in_conversation(self, question: Question, case: Case | None) -> list[Hit]:
        """With a case, all that was said of it is the query. A question that leans on the one
        before it is searched with and without that.

        Only the question before: pasting more of the history into the query ruins it (recall@1
        0.38 alone, 0.20 with two turns, 0.07 with all; dstc9 subset, 176 questions).
        """
        if case is not None and (case.told or case.asked):
            return await self._search(case.query, question)
        hits = await self._search(question.content, question)
        asked = [m.content for m in question.history if m.role == "customer"]
        if not asked or not guardrails.leans_on_history(question.content):
            return hits
        return _interleave(await self._search(f"{asked[-1]} {question.content}", question), hits)

    async def _search(self, query: str, question: Question) -> list[Hit]:
        before = [m.content for m in question.history[-REMEMBERED:] if m.role != "system"]
        return await asyncio.to_thread(
            self._library.search, query, k=CANDIDATES, before=before, audience=question.audience
        )


def any_near(hits: Sequence[Hit]) -> bool:
    return any(hit.lexical_rank or hit.dense_similarity >= NEAREST_USEFUL for hit in hits)


def _interleave(first: Sequence[Hit], second: Sequence[Hit]) -> list[Hit]:
    merged: dict[str, Hit] = {}
    for pair in zip(first, second, strict=False):
        for hit in pair:
            merged.setdefault(hit.passage.id, hit)
    for hit in (*first, *second):
        merged.setdefault(hit.passage.id, hit)
    return list(merged.values())
