"""One question, answered from what is published and from what would be.

Owns how the two answers are got and compared. Refuses to know runs. Invariant: customers go first:
every word here is computed behind theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agent.conversation.question import Question as Asking
from agent.conversation.turn import Answerer, ReplyDone
from agent.domain import Message, new_id
from agent.errors import EngineBusy, GenerationFailed
from agent.generation.requests import Priority
from agent.policy.verdicts import Expected, Given, judge
from agent.storage.gates import Answer, Question, Result
from knowledge_base.model import Audience, Hit
from knowledge_base.view import View

_SAME_SCORE = 0.005


@dataclass(slots=True)
class _Noted:
    """A view that remembers what was searched and found."""

    view: View
    searches: list[tuple[str, int, tuple[str, ...], Audience]] = field(default_factory=list)
    found: list[list[Hit]] = field(default_factory=list)

    def search(self, query: str, *, k: int, before: Sequence[str], audience: Audience) -> list[Hit]:
        hits = self.view.search(query, k=k, before=before, audience=audience)
        self.searches.append((query, k, tuple(before), audience))
        self.found.append(hits)
        return hits

    def is_found_in(self, view: View) -> bool:
        """Whether the same searches find the same passages there, with the same scores."""
        pairs = zip(self.searches, self.found, strict=True)
        return all(
            _alike(hits, view.search(query, k=k, before=before, audience=audience))
            for (query, k, before, audience), hits in pairs
        )


@dataclass(frozen=True, slots=True)
class Twice:
    """`at` is when the question is asked: today, or the day on which the change is in force."""

    answerer: Answerer
    old: View
    new: View
    at: datetime

    async def ask(self, question: Question) -> Result:
        """Raises what the engine raises when it is down; one answer that fails is an outcome."""
        noted = _Noted(self.old)
        old, before = await _answered(self.answerer.over(noted), question, self.at)
        reused = bool(noted.searches) and await asyncio.to_thread(noted.is_found_in, self.new)
        if reused:
            new, after = old, before
        else:
            new, after = await _answered(self.answerer.over(self.new), question, self.at)
        expected = None
        if question.kind == "golden":
            expected = Expected(question.expected, question.answerable)
        judged = judge(_given(old, before), _given(new, after), expected)
        return Result(
            old=old,
            new=new,
            verdict=judged.verdict,
            why=judged.why,
            lost=judged.lost,
            gained=judged.gained,
            reused=reused,
        )


async def _answered(
    answerer: Answerer, question: Question, at: datetime
) -> tuple[Answer, tuple[Hit, ...]]:
    """The answer, and what was found for it. Waits while the engine has no place."""
    history = tuple(
        Message(
            id=f"{question.n}.{n}", role=said.role, content=said.content, created_at=question.at
        )
        for n, said in enumerate(question.before)
    )
    asking = Asking(question.question, history=history, asked_at=at)
    while True:
        try:
            done: ReplyDone | None = None
            async for part in answerer.answer(
                asking, message_id=new_id("m"), priority=Priority.BACKGROUND
            ):
                done = part if isinstance(part, ReplyDone) else done
        except EngineBusy as busy:
            await asyncio.sleep(busy.retry_after)
        except GenerationFailed as error:
            return Answer(outcome="failed", text=str(error)), ()
        else:
            break
    if done is None:
        return Answer(outcome="failed", text="The answer did not end."), ()
    message = done.message
    answer = Answer(
        outcome=message.outcome or "answered",
        text=message.content,
        confidence=message.confidence,
        citations=message.citations or (),
    )
    return answer, done.hits


def _given(answer: Answer, hits: Sequence[Hit]) -> Given:
    return Given(
        answer.text,
        stands=answer.outcome in ("answered", "clarify"),
        found=[hit.passage.text for hit in hits],
        cited=frozenset(one.document_id for one in answer.citations),
    )


def _alike(one: Sequence[Hit], other: Sequence[Hit]) -> bool:
    return len(one) == len(other) and all(
        a.passage.id == b.passage.id and abs(a.score - b.score) < _SAME_SCORE
        for a, b in zip(one, other, strict=True)
    )
