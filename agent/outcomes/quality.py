"""Reviews visits that are over, when nobody waits for the engine, and says what came of it.

Owns which visit is next. Refuses to know how the model is asked. Invariant: one visit at a time,
with the lowest priority, and none is reviewed twice as it is.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any, Final

from agent.domain import Citation, Message
from agent.errors import FrontdeskError, NotFound
from agent.outcomes.agreement import MEASURED
from agent.outcomes.judging import Judge, Scores
from agent.outcomes.visits import QUIET
from agent.storage.outcomes import Visit
from agent.storage.quality import Review
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from knowledge_base.errors import KnowledgeError
from knowledge_base.library import Library

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0  # and so long after the start
BACK: Final = timedelta(days=30)
WORST: Final = 10
DOUBTFUL: Final = 0.5
_QUESTION: Final = 200
_SAID: Final = frozenset({"message.created", "reply.completed"})


class Reviewer:
    def __init__(
        self, judge: Judge, library: Library, store: ConversationStore, records: Records
    ) -> None:
        self._judge = judge
        self._library = library
        self._store = store
        self._records = records

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                while await self.review_next():
                    pass
            except (FrontdeskError, KnowledgeError) as error:
                log.info("Conversations are reviewed later: %s", error)
            except Exception:
                log.exception("A conversation could not be reviewed; tried again later")

    async def review_next(self) -> bool:
        """Review the newest visit that is over and was not. False if there is none."""
        now = datetime.now(UTC)
        due = await asyncio.to_thread(
            self._records.reviewed.due, _moment(now - BACK), _moment(now - QUIET), 1
        )
        if due:
            await asyncio.to_thread(self._records.reviewed.keep, await self._review(due[0]))
        return bool(due)

    async def _review(self, visit: Visit) -> Review:
        question, scores = "", None
        try:
            events = (await self._store.transcript(visit.conversation_id)).events
            said = [
                Message.model_validate(event.data["message"])
                for event in events
                if event.type in _SAID and visit.started_at <= event.at <= visit.last_at
            ]
            last = _last_answer(said)
            if last is not None:
                question = next(m.content for m in reversed(said[:last]) if m.role == "customer")
                scores = await self._score(said[: last + 1])
        except NotFound:
            pass  # erased meanwhile: what is kept of it now is refused
        return Review(
            conversation_id=visit.conversation_id,
            number=visit.number,
            started_at=visit.started_at,
            last_at=visit.last_at,
            question=" ".join(question.split())[:_QUESTION],
            resolved=scores and scores.resolved,
            correct=scores and scores.correct,
            tone=scores and scores.tone,
            model=self._judge.model,
        )

    async def _score(self, said: Sequence[Message]) -> Scores:
        citations = said[-1].citations or ()
        sources = await asyncio.to_thread(self._sources, citations)
        turns = [(m.role == "customer", m.content) for m in said if m.role != "system"]
        return await self._judge.score(turns, sources)

    def _sources(self, citations: Sequence[Citation]) -> list[str]:
        """The passages that are cited, each once; the bare quote of one that is gone."""
        found: dict[str, None] = {}
        for one in citations:
            try:
                passages = self._library.passages(one.document_id, one.revision)
            except KnowledgeError:
                passages = []
            text = next((p.text for p in passages if one.quote in p.text), one.quote)
            found[text] = None
        return list(found)


def summary(visits: Sequence[Visit], reviews: Sequence[Review]) -> dict[str, Any]:
    """Averages, the conversations to look at first, and how far the scores agree with people."""
    scored = [one for one in reviews if one.resolved is not None]
    said = {(one.conversation_id, one.number): one.verdict for one in visits if one.verdict}
    both = [
        (said[key], one.resolved >= DOUBTFUL)
        for one in scored
        if (key := (one.conversation_id, one.number)) in said and one.resolved is not None
    ]
    doubtful = sorted((one for one in scored if _lowest(one) < DOUBTFUL), key=_place)[:WORST]
    return {
        "reviewed": len(scored),
        "resolved": _mean([one.resolved for one in scored]),
        "correct": _mean([one.correct for one in scored]),
        "tone": _mean([one.tone for one in scored]),
        "worst": [one.model_dump() for one in doubtful],
        "agreement": {
            "measured": MEASURED,
            "customers": {
                "compared": len(both),
                "agreed": sum((verdict == "yes") == good for verdict, good in both),
            },
        },
    }


def _lowest(one: Review) -> float:
    return min(score for score in (one.resolved, one.correct) if score is not None)


def _place(one: Review) -> tuple[float, float]:
    """By the score that agrees with people first."""
    return 1.0 if one.correct is None else one.correct, _lowest(one)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return round(fmean(known), 3) if known else None


def _last_answer(said: Sequence[Message]) -> int | None:
    """The place of the AI's last reply to something that the customer said."""
    for at in range(len(said) - 1, 0, -1):
        if said[at].role == "ai_agent" and said[at].content:
            return at if any(m.role == "customer" for m in said[:at]) else None
    return None


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
