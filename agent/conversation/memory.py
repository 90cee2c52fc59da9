"""Answers that staff or customers found right are given again at once, while their sources stand.

An answer is remembered for its question's words. It is recalled for a question that says the same:
nearly the same vector, the same figures, names and "not", no earlier message it leans on; and only
while every passage it cites is among what the search finds for the new question, so a changed,
retired or not yet effective revision is never quoted. Invariant: nothing is recalled that staff
reported, or that neither staff approved nor `approvals` more customers liked than disliked.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from agent.conversation.question import Question
from agent.domain import Citation, Message
from agent.errors import StoreUnavailable
from agent.policy import claims, grounding, guardrails
from agent.storage.answers import RememberedAnswer
from agent.storage.records import Records
from knowledge_base.model import Hit

log = logging.getLogger(__name__)

# Of 3,000 questions of banking77 asked behind 3,000 others 467 were recalled, 10 of them for
# another of the 77 intents; from 0.92 on 717 and 19, from 0.88 on 1,216 and 46
# (`python -m tests.benchmarks.recall`).
NEARLY_THE_SAME: Final = 0.94
REFRESH_S: Final = 60.0
_NOT: Final = re.compile(r"\b(?:not|no|never|without|cannot|can't)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recalled:
    content: str
    citations: tuple[Citation, ...]
    similarity: float


class AnswerMemory:
    def __init__(self, records: Records, embeddings: Embeddings, approvals: int) -> None:
        self._records = records
        self._embeddings = embeddings
        self._approvals = approvals
        self._loaded_at = -math.inf
        self._known: list[RememberedAnswer] = []
        self._vectors: NDArray[np.float32] = np.zeros((0, 1), np.float32)

    async def load(self) -> None:
        """What customers think now, also those of other servers on the same database."""
        self._loaded_at = time.monotonic()
        self._known = await asyncio.to_thread(self._records.answers.remembered, self._approvals)
        vectors = [np.frombuffer(one.vector, np.float32) for one in self._known]
        self._vectors = np.array(vectors) if vectors else np.zeros((0, 1), np.float32)

    async def recall(self, question: Question, hits: Sequence[Hit]) -> Recalled | None:
        await self._refresh()
        if not self._known or question.audience != "public":
            return None
        if question.history and guardrails.leans_on_history(question.content):
            return None
        vector = await self._vector(question.content)
        similarities = self._vectors @ vector
        at = int(similarities.argmax())
        best = self._known[at]
        if similarities[at] < NEARLY_THE_SAME or not same_matter(question.content, best.question):
            return None
        citations = tuple(Citation.model_validate(one) for one in best.citations)
        found = {(hit.passage.document_id, hit.passage.revision) for hit in hits}
        if not all((one.document_id, one.revision) in found for one in citations):
            return None
        return Recalled(best.content, citations, round(float(similarities[at]), 4))

    async def rated(
        self,
        conversation_id: str,
        messages: Sequence[Message],
        reply: Message,
        rating: Literal["up", "down"],
    ) -> None:
        """A customer's vote on a reply to a question that stands for itself; `messages` is the
        conversation. One vote a reply, the last counts."""
        answer = await self._answer_of(messages, reply)
        if answer is not None:
            value = 1 if rating == "up" else -1
            vote = self._records.answers.vote
            await asyncio.to_thread(vote, conversation_id, reply.id, answer, value)
            await self.load()

    async def approve(
        self, conversation_id: str, messages: Sequence[Message], reply: Message
    ) -> bool:
        """Staff found the reply right. False if it cannot be given to another customer: it has no
        source, or its question needs what was said before."""
        answer = await self._answer_of(messages, reply)
        if answer is None:
            return False
        await asyncio.to_thread(self._records.answers.approve, conversation_id, reply.id, answer)
        await self.load()
        return True

    async def _answer_of(
        self, messages: Sequence[Message], reply: Message
    ) -> RememberedAnswer | None:
        at = messages.index(reply)
        if not reply.citations or reply.outcome != "answered" or at == 0:
            return None
        asked = messages[at - 1]
        before = messages[: at - 1]
        if asked.role != "customer" or (before and guardrails.leans_on_history(asked.content)):
            return None
        return RememberedAnswer(
            question=" ".join(asked.content.split()),
            content=reply.content,
            citations=tuple(one.model_dump(mode="json") for one in reply.citations),
            vector=(await self._vector(asked.content)).tobytes(),
        )

    async def _refresh(self) -> None:
        if time.monotonic() - self._loaded_at > REFRESH_S:
            try:
                await self.load()
            except StoreUnavailable as error:
                log.warning("Remembered answers are as they were: %s", error)

    async def _vector(self, text: str) -> NDArray[np.float32]:
        # Without its question mark a question is only 0.90 near itself.
        asked = f"{text.strip().rstrip('?!.').strip()}?"
        vector = np.asarray(await self._embeddings.aembed_query(asked), np.float32)
        return vector / max(float(np.linalg.norm(vector)), 1e-9)


def same_matter(one: str, other: str) -> bool:
    """Whether two questions that are near in meaning also agree in what meaning blurs."""
    return (
        grounding.figures(one) == grounding.figures(other)
        and {n.casefold() for n in claims.names(one)} == {n.casefold() for n in claims.names(other)}
        and bool(_NOT.search(one)) == bool(_NOT.search(other))
    )
