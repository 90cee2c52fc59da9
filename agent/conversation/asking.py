"""What is kept of a question beside its conversation, and the question made from that again.

Owns the way there and back. Refuses to know where it is kept. Invariant: a question that is asked
again leans on what was said before it as the first time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from agent.conversation.question import Question
from agent.conversation.turn import ReplyDone
from agent.domain import Conversation, Message
from agent.storage.asked import Asked, Said, Touched

BEFORE: Final = 6  # messages: what a question leans on stands in the last few
_LENGTH: Final = 1000


def asked(header: Conversation, question: Question, done: ReplyDone) -> Asked:
    """Of a reply that was completed."""
    message, timings = done.message, done.message.timings
    verified = header.identity.level == "verified"
    return Asked(
        message_id=message.id,
        conversation_id=header.id,
        customer=(header.identity.identifier if verified else None) or header.id,
        at=message.created_at,
        question=question.content,
        before=_before(question.history),
        answer=message.content,
        outcome=message.outcome or "answered",
        reason=done.handoff,
        looked_up=done.looked_up,
        confidence=message.confidence,
        language=question.language,
        first_token_ms=timings and timings.first_token_ms,
        total_ms=timings and timings.total_ms,
        prompt_tokens=timings and timings.prompt_tokens,
        cached_tokens=timings and timings.cached_tokens,
        completion_tokens=timings and timings.completion_tokens,
        documents=_documents(done),
    )


def question_of(one: Asked, at: datetime | None = None) -> Question:
    """To be asked again, as of `at`: the day it was asked if None."""
    history = tuple(
        Message(id=f"{one.message_id}.{n}", role=said.role, content=said.content, created_at=one.at)
        for n, said in enumerate(one.before)
    )
    return Question(one.question, history=history, asked_at=at or datetime.fromisoformat(one.at))


def _before(history: Sequence[Message]) -> tuple[Said, ...]:
    said = [message for message in history if message.role != "system"]
    return tuple(Said(role=m.role, content=m.content[:_LENGTH]) for m in said[-BEFORE:])


def _documents(done: ReplyDone) -> tuple[Touched, ...]:
    """The cited ones first; a document that is cited is not said to be found beside as well."""
    cited = {(one.document_id, one.revision) for one in done.message.citations or ()}
    found = {(hit.passage.document_id, hit.passage.revision) for hit in done.hits}
    return tuple(
        Touched(document_id=document_id, revision=revision, cited=(document_id, revision) in cited)
        for document_id, revision in (*sorted(cited), *sorted(found - cited))
    )
