"""Reads policies with the model: which passage answers a question, and what it is asked then.

Knows no search and no storage. Everything is put so that what is stable comes first: system prompt,
passage, history, question, and only then what the model is to do with it. The first two are the
same for every customer, and a session's next request begins like its last one, so an engine that
keeps what it computed computes little more than the question.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from agent.domain import Message
from agent.generation.requests import (
    ChatMessage,
    Delta,
    Engine,
    GenerationRequest,
    Permit,
    Priority,
)
from agent.prompting import Prompts
from knowledge_base.model import Hit, Passage

Audience = Literal["public", "staff"]

HISTORY_MESSAGES: Final = 4
HISTORY_CHARACTERS: Final = 600  # some 150 tokens
MAX_TOKENS: Final = 260
# The model reads one passage at a time and is asked whether it answers the question before it
# answers from it: told in the prompt that it may refuse, the 1.5B refused 7 of 12 answerable
# questions, not told none of 13 unanswerable ones. Asked apart, its P(NO) as first token parts them
# (40 sample questions: unanswerable 0.69-0.90, rightly answered 0.16-0.62), and the surest of three
# passages held the answer more often than the first found. The judgement costs the question's
# tokens: the passage's KV is computed once and then answered from. Measure again when the system
# prompt changes: two sentences more in it moved these ranges by 0.1. The thresholds were read off
# those 40 questions and have not been tried on others.
JUDGED: Final = 3
SURE_AT: Final = 0.55
REFUSE_AT: Final = 0.66


@dataclass(frozen=True, slots=True)
class Question:
    """`history` is what was said before, oldest first, without the question itself. `session`
    names the conversation to the engine, None if nothing is to be kept for it."""

    content: str
    history: tuple[Message, ...] = ()
    locale: str | None = None
    audience: Audience = "public"
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`confidence` is what the model made of the best passage, even if that is not good enough."""

    hit: Hit | None
    confidence: float


class Reader:
    def __init__(self, *, engine: Engine, prompts: Prompts, time_zone: str) -> None:
        self._engine = engine
        self._prompts = prompts
        self._zone = ZoneInfo(time_zone)

    async def choose(
        self,
        question: Question,
        hits: Sequence[Hit],
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> Choice:
        """The first passage that the model is sure of, else the one it is surest of, if at all."""
        best = Choice(None, 0.0)
        for hit in hits[:JUDGED]:
            confidence = await self._confidence(question, hit, permit, priority)
            if confidence > best.confidence:
                best = Choice(hit, confidence)
            if confidence >= SURE_AT:
                break
        return best if best.confidence >= 1 - REFUSE_AT else Choice(None, best.confidence)

    def request(
        self, question: Question, hit: Hit, priority: Priority = Priority.CUSTOMER
    ) -> GenerationRequest:
        """Asks for the answer. The date stands behind everything that is shared."""
        return GenerationRequest(
            messages=(
                self._shared(hit.passage),
                *self._recent(question.history),
                self._asked(question.content, datetime.now(self._zone)),
            ),
            max_tokens=MAX_TOKENS,
            shared_pieces=2,
            session=question.session,
            priority=priority,
        )

    def preparation(self, passage: Passage) -> GenerationRequest:
        """What an engine can compute before anybody asks about the passage."""
        return GenerationRequest(
            messages=(self._shared(passage),), shared_pieces=2, priority=Priority.BACKGROUND
        )

    async def _confidence(
        self, question: Question, hit: Hit, permit: Permit | None, priority: Priority
    ) -> float:
        """1 - P(NO), the model's own, that the passage answers the question."""
        asked = self._prompts.render("answer_judge", question=question.content)
        answering = self.request(question, hit, priority)
        judging = replace(
            answering,
            messages=(*answering.messages[:-1], ChatMessage.of("user", asked.strip())),
            max_tokens=1,
            logprobs=10,
        )
        doubt = 0.0
        async for part in self._engine.generate(judging, permit and _Kept()):
            for token in part.logprobs if isinstance(part, Delta) else ():
                tops = ((text.strip().lower(), logprob) for text, logprob in token.top)
                doubt += sum(math.exp(logprob) for text, logprob in tops if text == "no")
        return round(1 - min(doubt, 1.0), 4)

    def _shared(self, passage: Passage) -> ChatMessage:
        """Two pieces that are the same for everybody who asks about the passage."""
        excerpt = self._prompts.render(
            "answer_passage", title=passage.title, section=passage.section, text=passage.text
        )
        return ChatMessage.of("system", self._prompts.render("answer_system"), excerpt)

    def _asked(self, question: str, at: datetime) -> ChatMessage:
        asked = self._prompts.render("answer_question", question=question, today=f"{at:%d %B %Y}")
        return ChatMessage.of("user", asked.strip())

    def _recent(self, history: Sequence[Message]) -> list[ChatMessage]:
        """The last few messages as the model saw them then, so that it need not read them again;
        without citation markers, the newest kept."""
        recent: list[ChatMessage] = []
        room = HISTORY_CHARACTERS
        for message in reversed(history[-HISTORY_MESSAGES:]):
            text = re.sub(r" ?\[\d+\]", "", message.content).strip()
            if not text or message.role == "system" or len(text) > room:
                continue
            room -= len(text)
            if message.role == "customer":
                at = datetime.fromisoformat(message.created_at).astimezone(self._zone)
                recent.append(self._asked(text, at))
            else:
                recent.append(ChatMessage.of("assistant", text))
        return recent[::-1]


class _Kept:
    """Stands for the turn's permit in a generation that is not the turn's last."""

    def release(self) -> None:
        """The turn's own permit is released when the answer ends."""
