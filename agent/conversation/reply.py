"""What a turn yields, and the clock and counters of one reply while it is made."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from agent.conversation.reading import Choice
from agent.domain import AnswerRecord, Citation, HandoffReason, Message, Outcome, Timings, now
from agent.generation.requests import Finished, TokenLogprob, Usage
from agent.policy.citing import CitingStream
from agent.policy.confidence import Evidence, confidence
from knowledge_base.model import Hit


@dataclass(frozen=True, slots=True)
class ReplyText:
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """`handoff`: the conversation has to go to a person; `replaced`: see the contract.

    `hits` are all passages that were found, best first; `evidence` is what the confidence of an
    answer was made of; `record` what the model wrote it from, None if it wrote nothing;
    `looked_up`: it was a question for the policies, and no greeting, thanks or the like.
    """

    message: Message
    replaced: bool = False
    handoff: HandoffReason | None = None
    hits: tuple[Hit, ...] = ()
    evidence: Evidence | None = None
    record: AnswerRecord | None = None
    looked_up: bool = False


class Reply:
    """The clock and the counters of one reply."""

    def __init__(self, message_id: str) -> None:
        self.id = message_id
        self._created_at = now()
        self._start = time.perf_counter()
        self._retrieval_ms = 0.0
        self._looked_up = False
        self._first_token_ms: float | None = None
        self._usage = Usage(0, 0, 0)
        self._hits: tuple[Hit, ...] = ()
        self.confidence: float | None = None
        self.tokens: list[TokenLogprob] = []
        self.decided: float | None = None
        self.cut_off = False
        self.record: AnswerRecord | None = None
        self._evidence: Evidence | None = None

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._start) * 1000, 1)

    def retrieved(self, hits: Sequence[Hit]) -> None:
        self._hits = tuple(hits)
        self._looked_up = True
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
            decided=self.decided,
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
        return ReplyDone(
            message, replaced, handoff, self._hits, self._evidence, self.record, self._looked_up
        )
