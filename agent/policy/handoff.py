"""The card that staff see first when a conversation reaches them.

A plain one, made by code, and a better one: the plain one with those of the model's words in it
that hold. Refuses to know the model and storage. Invariant: every figure, name and link of a card
stands in the messages or in what they cite.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from agent.domain import Citation, HandoffCard, HandoffReason, Message
from agent.policy import claims, grounding, guardrails

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
_LONGEST: Final = 500


def plain_card(reason: HandoffReason, messages: Sequence[Message]) -> HandoffCard:
    """Every key filled from what was said, nothing invented."""
    asked = [m.content for m in messages if m.role == "customer" and m.content]
    replies = [m for m in messages if m.role == "ai_agent" and m.content and not m.pending]
    cited: dict[tuple[str, int, str | None], Citation] = {
        (c.document_id, c.revision, c.section): c for m in replies for c in m.citations or ()
    }
    last = asked[-1] if asked else ""
    whole = [m for m in messages if not (m.pending or m.interrupted) and m.role != "system"]
    unanswered = tuple(
        question.content
        for question, reply in zip_longest(whole, whole[1:])
        if question is not None
        and question.role == "customer"
        and guardrails.kind_of(question.content) == "question"
        and (
            reply is None or reply.role == "customer" or reply.outcome in {"refused", "handed_off"}
        )
    )
    return HandoffCard(
        reason=reason,
        summary=f"{_SAID[reason]} {len(asked)} message{'s' * (len(asked) != 1)} from the customer"
        + (f"; the last: “{_short(last)}”" if last else "."),
        intent=_short(_first_matter(asked)) or "Not said yet.",
        open_questions=tuple(_short(question) for question in unanswered[-5:]),
        sentiment="neutral",
        tried=tuple(f"{m.outcome or 'answered'}: {_short(m.content)}" for m in replies[-5:]),
        citations=tuple(cited.values()),
        suggested_reply="",
    )


# What the model is to write; the rest of a card is known without it. Lengths are held afterwards:
# in a grammar each character of a limit is a level of nesting.
WRITTEN: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "intent": {"type": "string"},
        "summary": {"type": "string"},
        "sentiment": {"type": "string", "enum": ["positive", "neutral", "negative"]},
    },
    "required": ["intent", "summary", "sentiment"],
    "additionalProperties": False,
}
# Words with which an English sentence may begin although the conversation has them not.
_BEGINNINGS: Final = (
    "the a an they their he she it customer customers assistant ai what how when where which who "
    "why can could is are do does did will would should has have was were after if to and but "
    "however no yes please get find know ask cancel change book bring learn check obtain receive "
    "request report understand make return pay refund move fix"
)
_BEGIN: Final = frozenset(_BEGINNINGS.split())
_REPORTS: Final = grounding.content_words(f"{_BEGINNINGS} want say need about whether also because")
_SAID_SHARE: Final = 0.7
_FIRST_WORD: Final = re.compile(r"(?:^|[.!?]\s+)[\"'“‘(]*([A-Z][\w&’'-]*)")


def better_card(
    plain: HandoffCard, written: dict[str, Any], messages: Sequence[Message], company: str
) -> HandoffCard:
    """The plain card with the model's words in place of its own, field by field where they hold.
    Reason, open questions, what was tried and the citations are known, not written."""
    sources = [company, *(m.content for m in messages)] + [
        f"{c.title} {c.section or ''} {c.quote}" for c in plain.citations
    ]

    def held(text: str) -> bool:
        return 0 < len(text) <= _LONGEST and not invents(text, sources)

    summary, intent = _line(written["summary"]), _line(written["intent"])
    return plain.model_copy(
        update={
            "summary": f"{_SAID[plain.reason]} {summary}" if held(summary) else plain.summary,
            "intent": intent if held(intent) else plain.intent,
            "sentiment": written["sentiment"],
        }
    )


def invents(text: str, sources: Sequence[str]) -> bool:
    """True if a figure, a number word, a name or a link of the text stands in no source, or if too
    many of its words do not. What is said in other words, a translation too, cannot be checked and
    counts as invented."""
    words = grounding.content_words(text) - _REPORTS
    said_words = set[str]().union(*map(grounding.content_words, sources))
    if len(words & said_words) < _SAID_SHARE * len(words):
        return True
    known = set[str]().union(*map(grounding.figures, sources)) | {"1"}
    if grounding.unsupported_figures(text, sources) or grounding.figures(text) - known:
        return True
    said = " ".join(sources).casefold()
    first = (match.casefold() for match in _FIRST_WORD.findall(text))
    return bool(claims.unsupported_names(text, sources)) or any(
        word not in _BEGIN and word.rstrip("s") not in said for word in first
    )


def _first_matter(asked: Sequence[str]) -> str:
    """The first message that is more than small talk; nothing if there is none yet."""
    matters = (text for text in asked if guardrails.kind_of(text) == "question")
    return next(matters, "")


def _line(text: str) -> str:
    return " ".join(text.split())


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rsplit(" ", 1)[0] + "…"
