"""One turn: from a customer's question to a reply with its sources, readable from top to bottom.

screen → retrieve → decide → generate → check. Knows no storage and no HTTP: it takes a question
and yields text and, last, the finished message; whoever runs it stores and publishes. Invariant:
the texts yielded, joined, are the message's content unless `replaced` says otherwise.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.conversation.checking import check
from agent.conversation.reading import Question, Reader
from agent.domain import Citation, HandoffReason, Message, Outcome, Timings, now
from agent.generation.requests import Engine, Finished, ModelCard, Permit, Priority, Usage
from agent.policy import guardrails
from agent.policy.citing import CitingStream
from agent.prompting import Prompts
from knowledge_base.library import Library
from knowledge_base.model import Hit

__all__ = ["Answerer", "Question", "ReplyDone", "ReplyText"]

CANDIDATES: Final = 8
REMEMBERED: Final = 20  # messages in which what a question is about may have been named
# Nothing in the library is near: cosine of the best passage, with no word in common either.
NEAREST_USEFUL: Final = 0.25


@dataclass(frozen=True, slots=True)
class ReplyText:
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """`handoff`: the conversation has to go to a person; `replaced`: see the contract.

    `hits` are all passages that were found, best first.
    """

    message: Message
    replaced: bool = False
    handoff: HandoffReason | None = None
    hits: tuple[Hit, ...] = ()


class Answerer:
    """Answers from the policies. One instance serves every conversation; it keeps no state."""

    def __init__(
        self, *, engine: Engine, library: Library, prompts: Prompts, time_zone: str
    ) -> None:
        self._engine = engine
        self._library = library
        self._prompts = prompts
        self.reader = Reader(engine=engine, prompts=prompts, time_zone=time_zone)

    @property
    def library(self) -> Library:
        return self._library

    @property
    def model(self) -> ModelCard:
        return self._engine.model

    @property
    def revision(self) -> str:
        """Of the prompts in force."""
        return self._prompts.revision()

    async def answer(
        self,
        question: Question,
        *,
        message_id: str,
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> AsyncIterator[ReplyText | ReplyDone]:
        """Leaving the iteration stops the generation. Raises what the engine and library raise."""
        reply = _Reply(message_id)
        try:
            kind = guardrails.kind_of(question.content)
            if kind == "wants_person":
                said = self._prompts.say("handoff", question.locale)
                yield ReplyText(said)
                yield reply.done(said, "handed_off", handoff="customer_request")
                return
            if kind != "question":
                said = self._prompts.say(kind, question.locale)
                yield ReplyText(said)
                yield reply.done(said, "refused" if kind == "off_limits" else "answered")
                return

            hits = await self._retrieve(question)
            reply.retrieved(hits)
            choice = await self.reader.choose(question, _near(hits), permit, priority)
            reply.confidence = choice.confidence
            if not choice.hits:
                said = self._prompts.say("refusal", question.locale)
                yield ReplyText(said)
                yield reply.done(said, "refused")
                return

            passages = [hit.passage for hit in choice.hits]
            citing = CitingStream([passage.text for passage in passages], [question.content])
            request = self.reader.request(question, choice.hits, priority)
            async for part in self._engine.generate(request, permit):
                if isinstance(part, Finished):
                    reply.finished(part)
                elif shown := citing.feed(part.text):
                    reply.first_token()
                    yield ReplyText(shown)
            if shown := citing.finish():
                yield ReplyText(shown)

            checked = check(
                citing,
                passages,
                question=question.content,
                refusal=self._prompts.say("refusal", question.locale),
                cut_off=reply.cut_off,
            )
            if checked.said is not None:
                yield ReplyText(checked.said)
            yield reply.done(
                checked.text, checked.outcome, checked.citations, replaced=checked.replaced
            )
        finally:
            if permit is not None:
                permit.release()

    async def _retrieve(self, question: Question) -> list[Hit]:
        """A question that leans on the one before it is searched with and without it.

        Only the question before: pasting more of the history into the query ruins it (recall@1
        0.38 alone, 0.20 with two turns, 0.07 with all; dstc9 subset, 176 questions).
        """
        hits = await self._search(question.content, question)
        asked = [m.content for m in question.history if m.role == "customer"]
        if not asked or not guardrails.leans_on_history(question.content):
            return hits
        together = await self._search(f"{asked[-1]} {question.content}", question)
        return _interleave(together, hits)

    async def _search(self, query: str, question: Question) -> list[Hit]:
        before = [m.content for m in question.history[-REMEMBERED:] if m.role != "system"]
        return await asyncio.to_thread(
            self._library.search, query, k=CANDIDATES, before=before, audience=question.audience
        )


class _Reply:
    """The clock and the counters of one reply."""

    def __init__(self, message_id: str) -> None:
        self._id = message_id
        self._created_at = now()
        self._start = time.perf_counter()
        self._retrieval_ms = 0.0
        self._first_token_ms: float | None = None
        self._usage = Usage(0, 0, 0)
        self._hits: tuple[Hit, ...] = ()
        self.confidence: float | None = None
        self.cut_off = False

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._start) * 1000, 1)

    def retrieved(self, hits: Sequence[Hit]) -> None:
        self._hits = tuple(hits)
        self._retrieval_ms = self._elapsed_ms()

    def first_token(self) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def finished(self, end: Finished) -> None:
        self._usage = end.usage
        self.cut_off = end.reason == "length"

    def done(
        self,
        text: str,
        outcome: Outcome,
        citations: tuple[Citation, ...] = (),
        *,
        replaced: bool = False,
        handoff: HandoffReason | None = None,
    ) -> ReplyDone:
        total = self._elapsed_ms()
        message = Message(
            id=self._id,
            role="ai_agent",
            content=text,
            created_at=self._created_at,
            citations=citations,
            confidence=self.confidence,
            outcome=outcome,
            timings=Timings(
                retrieval_ms=self._retrieval_ms,
                first_token_ms=self._first_token_ms or total,
                total_ms=total,
                prompt_tokens=self._usage.prompt_tokens,
                cached_tokens=self._usage.cached_tokens,
                completion_tokens=self._usage.completion_tokens,
            ),
        )
        return ReplyDone(message, replaced, handoff, self._hits)


def _near(hits: Sequence[Hit]) -> Sequence[Hit]:
    """None of them, if nothing in the library is near the question."""
    if any(hit.lexical_rank or (hit.dense_similarity or 0.0) >= NEAREST_USEFUL for hit in hits):
        return hits
    return ()


def _interleave(first: Sequence[Hit], second: Sequence[Hit]) -> list[Hit]:
    merged: dict[str, Hit] = {}
    for pair in zip(first, second, strict=False):
        for hit in pair:
            merged.setdefault(hit.passage.id, hit)
    for hit in (*first, *second):
        merged.setdefault(hit.passage.id, hit)
    return list(merged.values())
