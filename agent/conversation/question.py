"""What a customer asks, and what was said before it.

Knows no model and no search. Invariant: a question's history holds what was said before it, in the
order in which a reader should take it in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from agent.domain import Message
from agent.policy.language import language_of

Audience = Literal["public", "staff"]


@dataclass(frozen=True, slots=True)
class Question:
    """`history` is what was said before, oldest first, without the question itself. `session`
    names the conversation to the engine, None if nothing is to be kept for it. A question about
    dates is put with the day of `asked_at`: of the message, not of the moment, so that a reply that
    is written again and the next question's history read the same."""

    content: str
    history: tuple[Message, ...] = ()
    locale: str | None = None
    audience: Audience = "public"
    session: str | None = None
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def language(self) -> str | None:
        """What the customer writes in, else what their browser is set to."""
        return language_of(self.content) or self.locale


def returns_first(messages: Sequence[Message]) -> list[Message]:
    """What the customer had written when a person gave the conversation back is answered behind
    that: each such notice stands before it."""
    ordered: list[Message] = []
    for message in messages:
        at = len(ordered)
        while message.notice == "returned" and at and ordered[at - 1].role == "customer":
            at -= 1
        ordered.insert(at, message)
    return ordered


def is_return(before: Sequence[Message]) -> bool:
    return bool(before) and before[-1].notice == "returned"
