"""One turn: from a customer's question to a reply with its sources, readable from top to bottom.

screen → retrieve → decide → generate → check. Knows no storage and no HTTP: it takes a question
and yields text and, last, the finished message; whoever runs it stores and publishes. Invariant:
the texts yielded, joined, are the message's content unless `replaced` says otherwise.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from agent.conversation.checking import check
from agent.conversation.reading import (
    DEFAULTS,
    TRUSTED_SCORE,
    Choice,
    Question,
    Reader,
    Thresholds,
)
from agent.domain import (
    AnswerRecord,
    Citation,
    HandoffReason,
    Message,
    Outcome,
    Piece,
    Timings,
    now,
)
from agent.generation.requests import (
    Engine,
    Finished,
    GenerationRequest,
    ModelCard,
    Permit,
    Priority,
    TokenLogprob,
    Usage,
)
from agent.policy import guardrails
from agent.policy.citing import CitingStream
from agent.policy.confidence import Evidence, confidence
from agent.policy.language import language_of
from agent.prompting import Prompts
from knowledge_base.library import Library
from knowledge_base.model import Hit, Passage

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

    `hits` are all passages that were found, best first; `evidence` is what the confidence of an
    answer was made of; `record` what the model wrote it from, None if it wrote nothing.
    """

    message: Message
    replaced: bool = False
    handoff: HandoffReason | None = None
    hits: tuple[Hit, ...] = ()
    evidence: Evidence | None = None
    record: AnswerRecord | None = None


class Answerer:
    """Answers from the policies. One instance serves every conversation; it keeps no state."""

    def __init__(
        self,
        *,
        engine: Engine,
        library: Library,
        prompts: Prompts,
        time_zone: str,
        thresholds: Thresholds = DEFAULTS,
    ) -> None:
        self._engine = engine
        self._library = library
        self._prompts = prompts
        self._thresholds = thresholds
        self.reader = Reader(
            engine=engine, prompts=prompts, time_zone=time_zone, thresholds=thresholds
        )

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
                said = self._say("handoff", question, reply, "handed_off", "customer_request")
            elif kind == "off_limits":
                said = self._say(kind, question, reply, "refused")
            elif kind != "question":
                said = self._say(kind, question, reply, "answered")
            else:
                hits = await self._retrieve(question)
                if self._is_lost_in_translation(question, hits):
                    content = await self.reader.in_english(question.content, permit, priority)
                    hits = _interleave(await self._search(content, question), hits)
                reply.retrieved(hits)
                choice = await self.reader.choose(question, _near(hits), permit, priority)
                reply.chose(choice)
                if choice.hits:
                    said = self._write(question, choice, reply, permit, priority)
                elif self._has_failed_enough(question):
                    said = self._say(
                        "missing_knowledge", question, reply, "handed_off", "missing_knowledge"
                    )
                else:
                    said = self._say("refusal", question, reply, "refused")
            async for part in said:
                yield part
        finally:
            if permit is not None:
                permit.release()

    async def _say(
        self,
        name: str,
        question: Question,
        reply: "_Reply",
        outcome: Outcome,
        handoff: HandoffReason | None = None,
    ) -> AsyncIterator[ReplyText | ReplyDone]:
        """Words of our own, without the model."""
        said = self._prompts.say(name, question.language)
        yield ReplyText(said)
        yield reply.done(said, outcome, handoff=handoff)

    async def _write(
        self,
        question: Question,
        choice: Choice,
        reply: "_Reply",
        permit: Permit | None,
        priority: Priority,
    ) -> AsyncIterator[ReplyText | ReplyDone]:
        """The model's answer from the chosen passages, cited while it streams, checked at its end;
        one that is not sure enough goes to a person as well."""
        passages = [hit.passage for hit in choice.hits]
        citing = CitingStream(
            [passage.text for passage in passages], self._background(question, passages)
        )
        request = self.reader.request(question, choice.hits, priority)
        async for part in self._engine.generate(request, permit):
            if isinstance(part, Finished):
                reply.finished(part)
                reply.record = self._record(reply, request, passages, part)
                continue
            reply.tokens += part.logprobs
            if shown := citing.feed(part.text):
                reply.first_token()
                yield ReplyText(shown)
        if shown := citing.finish():
            yield ReplyText(shown)
        refusal = self._prompts.say("refusal", question.language)
        checked = check(citing, passages, refusal=refusal, cut_off=reply.cut_off)
        if checked.said is not None:
            yield ReplyText(checked.said)
        text, outcome = checked.text, checked.outcome
        handoff: HandoffReason | None = None
        if outcome == "answered" and reply.weigh(citing) < self._thresholds.hand_off_below:
            unsure = "\n\n" + self._prompts.say("low_confidence", question.language)
            yield ReplyText(unsure)
            text, outcome, handoff = text + unsure, "handed_off", "low_confidence"
        yield reply.done(
            text, outcome, checked.citations, replaced=checked.replaced, handoff=handoff
        )

    def _record(
        self,
        reply: "_Reply",
        request: GenerationRequest,
        passages: Sequence[Passage],
        end: Finished,
    ) -> AnswerRecord:
        return AnswerRecord(
            message_id=reply.id,
            model=self.model.name,
            sha256=self.model.sha256,
            build=self.model.build,
            prompts=self.revision,
            passages=tuple((passage.document_id, passage.revision) for passage in passages),
            prompt=tuple(Piece(role=m.role, pieces=m.pieces) for m in request.messages),
            shared_pieces=request.shared_pieces,
            max_tokens=request.max_tokens,
            temperature=request.sampling.temperature,
            seed=request.sampling.seed,
            alone=end.alone,
            tokens=tuple(token.text for token in reply.tokens),
        )

    def _background(self, question: Question, passages: Sequence[Passage]) -> list[str]:
        """What an answer may name although it stands in no passage's text."""
        said = [m.content for m in question.history[-REMEMBERED:] if m.role == "customer"]
        titles = [f"{passage.title} {passage.section or ''}" for passage in passages]
        return [question.content, *said, *titles, self._prompts.company]

    def _has_failed_enough(self, question: Question) -> bool:
        """Whether the questions before, one after the other, were left unanswered too."""
        enough = self._thresholds.hand_off_after
        replies = [m.outcome for m in question.history if m.role == "ai_agent"]
        return 0 < enough <= 1 + _last_in_a_row(replies, "refused")

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

    def _is_lost_in_translation(self, question: Question, hits: Sequence[Hit]) -> bool:
        """Whether a question in another language than English found nothing good by its own words:
        the embedding model is English, and so may the documents be."""
        found = bool(hits) and hits[0].score >= TRUSTED_SCORE
        return not found and language_of(question.content) not in (None, "en")

    async def _search(self, query: str, question: Question) -> list[Hit]:
        before = [m.content for m in question.history[-REMEMBERED:] if m.role != "system"]
        return await asyncio.to_thread(
            self._library.search, query, k=CANDIDATES, before=before, audience=question.audience
        )


class _Reply:
    """The clock and the counters of one reply."""

    def __init__(self, message_id: str) -> None:
        self.id = message_id
        self._created_at = now()
        self._start = time.perf_counter()
        self._retrieval_ms = 0.0
        self._first_token_ms: float | None = None
        self._usage = Usage(0, 0, 0)
        self._hits: tuple[Hit, ...] = ()
        self.confidence: float | None = None
        self.tokens: list[TokenLogprob] = []
        self.cut_off = False
        self.record: AnswerRecord | None = None
        self._evidence: Evidence | None = None

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._start) * 1000, 1)

    def retrieved(self, hits: Sequence[Hit]) -> None:
        self._hits = tuple(hits)
        self._retrieval_ms = self._elapsed_ms()

    def first_token(self) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def chose(self, choice: Choice) -> None:
        """What is known before a word is written: of the chosen passage, else of the first."""
        self.confidence = choice.confidence
        if self._hits:
            chosen = choice.hits[0] if choice.hits else self._hits[0]
            others = [hit.score for hit in self._hits if hit is not chosen]
            lead = chosen.score - max(others, default=0.0)
            self._evidence = Evidence(chosen.score, lead, choice.doubt)

    def weigh(self, answer: CitingStream) -> float:
        """How sure one can be of the answer."""
        assert self._evidence is not None, "there is no answer without a passage"  # noqa: S101
        logprobs = [token.logprob for token in self.tokens]
        self._evidence = replace(
            self._evidence,
            logprob=fmean(logprobs or (0.0,)),
            weakest=min(logprobs, default=0.0),
            support=fmean(answer.shares or (0.0,)),
        )
        self.confidence = confidence(self._evidence)
        return self.confidence

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
            id=self.id,
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
        return ReplyDone(message, replaced, handoff, self._hits, self._evidence, self.record)


def _near(hits: Sequence[Hit]) -> Sequence[Hit]:
    """None of them, if nothing in the library is near the question."""
    if any(hit.lexical_rank or (hit.dense_similarity or 0.0) >= NEAREST_USEFUL for hit in hits):
        return hits
    return ()


def _last_in_a_row(values: Sequence[Outcome | None], value: Outcome) -> int:
    return next((n for n, one in enumerate(reversed(values)) if one != value), len(values))


def _interleave(first: Sequence[Hit], second: Sequence[Hit]) -> list[Hit]:
    merged: dict[str, Hit] = {}
    for pair in zip(first, second, strict=False):
        for hit in pair:
            merged.setdefault(hit.passage.id, hit)
    for hit in (*first, *second):
        merged.setdefault(hit.passage.id, hit)
    return list(merged.values())
