"""The card that staff see first when a conversation reaches them: a plain one, made by code.

Refuses to know the model and storage. Invariant: the card says only what is in the messages.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from agent.domain import Citation, HandoffCard, HandoffReason, Message

_SAID: Final[dict[HandoffReason, str]] = {
    "customer_request": "The customer asked for a person.",
    "missing_knowledge": "The policies do not answer the customer's question.",
    "low_confidence": "The AI agent was not sure of its answer.",
    "policy_restriction": "A policy leaves this to a person.",
    "unsupported_request": "The customer wants something that the AI agent cannot do.",
    "tool_failure": "An action failed.",
    "approval_denied": "An action was not approved.",
    "agent_error": "The AI agent could not answer because of a fault.",
    "usage_limit": "The conversation reached its limit of AI answers.",
}
_EXCERPT: Final = 280


def plain_card(reason: HandoffReason, messages: Sequence[Message]) -> HandoffCard:
    """Every key filled from what was said, nothing invented."""
    asked = [m.content for m in messages if m.role == "customer" and m.content]
    replies = [m for m in messages if m.role == "ai_agent" and m.content and not m.pending]
    cited: dict[tuple[str, int, str | None], Citation] = {
        (c.document_id, c.revision, c.section): c for m in replies for c in m.citations or ()
    }
    last = asked[-1] if asked else ""
    unanswered = tuple(
        question.content
        for question, reply in zip_longest(messages, messages[1:])
        if question is not None
        and question.role == "customer"
        and (
            reply is None or reply.role == "customer" or reply.outcome in {"refused", "handed_off"}
        )
    )
    return HandoffCard(
        reason=reason,
        summary=f"{_SAID[reason]} {len(asked)} message{'s' * (len(asked) != 1)} from the customer"
        + (f"; the last: “{_short(last)}”" if last else "."),
        intent=_short(asked[0]) if asked else "Not said yet.",
        open_questions=tuple(_short(question) for question in unanswered[-5:]),
        sentiment="neutral",
        tried=tuple(f"{m.outcome or 'answered'}: {_short(m.content)}" for m in replies[-5:]),
        citations=tuple(cited.values()),
        suggested_reply="",
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rsplit(" ", 1)[0] + "…"
