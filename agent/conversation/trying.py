"""Searches and asks as a customer would, over drafts and other days too, and says why.

Owns what is told of a found passage and of how an answer was decided. Refuses to store anything.
Invariant: what is tried is found and answered by the very code that serves customers.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from agent.conversation.choosing import stands_out, to_judge
from agent.conversation.finding import CANDIDATES, any_near
from agent.conversation.question import Audience, Question
from agent.conversation.reply import ReplyDone, ReplyText
from agent.conversation.turn import Answerer
from agent.domain import new_id
from agent.errors import EngineBusy, InvalidRequest
from agent.generation.requests import Priority
from agent.policy.premises import premise_of
from knowledge_base.conflicts import Conflict, Side
from knowledge_base.index import shared_words
from knowledge_base.library import Library
from knowledge_base.model import Hit
from knowledge_base.view import View

LONGEST_S: Final = 120.0
_YEARS: Final = range(2000, 2101)


@dataclass(frozen=True, slots=True)
class Over:
    """What is searched: what is published, else with each document's newest revision, as it was or
    will be at a moment."""

    drafts: bool = False
    at: datetime | None = None


def moment_of(text: str, time_zone: str) -> datetime:
    """A moment, or the end of a day in that zone. Raises InvalidRequest."""
    zone = ZoneInfo(time_zone)
    try:
        if len(text) <= len("2026-03-01"):
            moment = datetime.combine(date.fromisoformat(text), time.max)
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            "Write a day like 2026-03-01 or a moment like 2026-03-01T09:30:00Z.", field="at"
        ) from None
    if moment.year not in _YEARS:
        raise InvalidRequest("Choose a year from 2000 to 2100.", field="at")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


async def search(
    library: Library,
    query: str,
    k: int,
    over: Over,
    *,
    audience: Audience = "public",
    before: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The best `k` passages, best first, each with why it was found and what becomes of it."""
    searched = await _searched(library, over)
    most = max(k, CANDIDATES)
    hits = await asyncio.to_thread(searched.search, query, k=most, before=before, audience=audience)
    return explained(query, hits)[:k]


async def preview(
    answerer: Answerer, question: Question, over: Over
) -> AsyncGenerator[ReplyText | ReplyDone]:
    """The answer that a customer would get; leaving the iteration stops it. Raises EngineBusy, also
    when it takes too long."""
    if over.drafts or over.at is not None:
        view = await asyncio.to_thread(answerer.library.view, drafts=over.drafts, at=over.at)
        answerer = answerer.over(view)
    try:
        async with asyncio.timeout(LONGEST_S):
            parts = answerer.answer(question, message_id=new_id("m"), priority=Priority.STAFF)
            async with aclosing(parts):
                async for part in parts:
                    yield part
    except TimeoutError:
        raise EngineBusy(
            "The answer took too long because customers are answered first; try again.",
            retry_after=30,
        ) from None


def told(question: Question, done: ReplyDone) -> dict[str, Any]:
    """The message, the passages that were found for it, and what decided."""
    return {
        **done.message.wire(),
        **({"replaced": True} if done.replaced else {}),
        "passages": explained(question.content, done.hits),
        "decided": _decided(question, done),
    }


def explained(query: str, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Each passage with what either half of the search says of it. `fate`: `stands_out` is answered
    from unasked, `judged` is put to the model, `unused` is looked at for a part that is missing at
    most, `too_far` belongs to a question that nothing in the library is near to."""
    judged = {hit.passage.id for hit in to_judge(query, hits)} if hits else set()
    near = any_near(hits)
    return [
        _explained(query, hit, _fate(hit, at, judged, near=near)) for at, hit in enumerate(hits)
    ]


def told_conflict(one: Conflict) -> dict[str, Any]:
    """A conflict's two sides with their quotes; `marks` are places in the quote."""
    return {
        "kind": one.kind,
        "about": one.about,
        "alike": one.alike,
        "excuse": one.excuse,
        "mine": _told_side(one.mine),
        "theirs": _told_side(one.theirs),
    }


def _told_side(side: Side) -> dict[str, Any]:
    passage = side.passage
    return {
        "document_id": passage.document_id,
        "revision": passage.revision,
        "title": passage.title,
        "section": passage.section,
        "audience": passage.audience,
        "effective_from": passage.effective_from and passage.effective_from.isoformat(),
        "effective_to": passage.effective_to and passage.effective_to.isoformat(),
        "quote": side.text,
        "marks": [list(mark) for mark in side.marks],
    }


def _fate(hit: Hit, at: int, judged: set[str], *, near: bool) -> str:
    if not near:
        return "too_far"
    if hit.passage.id in judged:
        return "judged"
    return "unused" if judged or at else "stands_out"


def as_found(hit: Hit) -> dict[str, Any]:
    """A passage that was found, as staff and admins are told of it."""
    passage = hit.passage
    return {
        "document_id": passage.document_id,
        "revision": passage.revision,
        "title": passage.title,
        "section": passage.section,
        "text": passage.text,
        "audience": passage.audience,
        "url": passage.url,
        "score": round(hit.score, 4),
    }


def _explained(query: str, hit: Hit, fate: str) -> dict[str, Any]:
    passage = hit.passage
    dense, lexical, subject = (round(part, 4) for part in hit.parts)
    return {
        **as_found(hit),
        "dense": {
            "rank": hit.dense_rank, "cosine": round(hit.dense_similarity, 4), "part": dense,
        },
        "lexical": {
            "rank": hit.lexical_rank, "bm25": round(hit.lexical_score, 4), "part": lexical,
            "words": shared_words(query, passage),
        },
        "subject": {"weight": round(hit.subject, 4), "part": subject},
        "fate": fate,
    }  # fmt: skip


def _decided(question: Question, done: ReplyDone) -> dict[str, Any]:
    """How it came to this answer, and the numbers behind it; those of the passage that was chosen,
    or of the best one if none was good enough."""
    found: dict[str, Any] = {"how": _how(question, done), "handoff": done.handoff}
    if (evidence := done.evidence) is not None:
        found["score"] = round(evidence.score, 4)
        found["lead"] = round(evidence.lead, 4)
        if evidence.doubt is not None:
            found["judge"] = round(1 - evidence.doubt, 4)
        if done.record is not None:
            found["support"] = round(evidence.support, 4)
    return found


def _how(question: Question, done: ReplyDone) -> str:
    message, evidence = done.message, done.evidence
    if not done.looked_up:
        return "no_policy_needed"
    if message.outcome == "clarify":
        return "asked_back"
    if done.record is None:
        if message.outcome == "answered":
            return "remembered"
        return "none_answers" if done.hits else "nothing_near"
    if done.handoff == "low_confidence":
        return "unsure"
    if message.outcome != "answered":
        return "not_supported"
    if evidence is not None and evidence.doubt is not None:
        return "judged"
    if stands_out(done.hits):
        return "stands_out"
    return "false_premise" if premise_of(question.content) else "went_on"


async def _searched(library: Library, over: Over) -> Library | View:
    if not over.drafts and over.at is None:
        return library
    return await asyncio.to_thread(library.view, drafts=over.drafts, at=over.at)
