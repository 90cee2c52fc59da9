"""What customers ask and are not answered: found, put together, asked again after a publication.

Owns when questions are put together, when a gap is closed and when it opens again. Refuses to know
how a draft is written. Invariant: a gap is closed by answers alone: most of its questions, asked
again as customers would ask them, are answered from what is published now.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from langchain_core.embeddings import Embeddings

from agent.conversation.asking import question_of
from agent.conversation.gap_writing import GapWriter
from agent.conversation.turn import Answerer, ReplyDone
from agent.domain import Message, new_id
from agent.errors import Conflict, FrontdeskError, NotFound
from agent.generation.requests import Priority
from agent.policy import guardrails
from agent.policy.clustering import Vectors, by_centrality, clustered, kept_ids
from agent.storage.asked import Asked
from agent.storage.gaps import Check, Gap, GapState, Unanswered
from agent.storage.people import User
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from knowledge_base.errors import KnowledgeError

log = logging.getLogger(__name__)

UNSURE_BELOW: Final = 0.3  # an answer less likely to be right than this is none
WINDOW: Final = timedelta(days=90)
MOST: Final = 5000  # questions, the newest ones
EXAMPLES: Final = 3  # of a gap are asked again
ENOUGH: Final = 2 / 3  # of them have to be answered
_A_ROUND: Final = 8  # gaps that are asked again, or named, in one round
_FOUND: Final = 3
_ROUND_S: Final = 300.0
_LOOK_S: Final = 5.0
_OPEN: Final[tuple[GapState, ...]] = ("open", "drafted")


class Gaps:
    def __init__(
        self,
        records: Records,
        store: ConversationStore,
        embeddings: Embeddings,
        answerer: Answerer,
    ) -> None:
        self._records = records
        self._library = answerer.library
        self._embeddings = embeddings
        self._answerer = answerer.over(answerer.library)  # without the answers given again
        self._writer = GapWriter(records, store, answerer)
        self._vectors: dict[str, Vectors] = {}
        self._arranged: object = None  # what was put together last
        self._looked: object = None  # what was published when the last round looked
        self._is_new = False  # something was put together since the last round
        self._one_at_a_time = asyncio.Lock()

    # -- what there is

    async def everything(self) -> list[Gap]:
        """What most customers ask first, the questions of this moment among them."""
        await self.refresh()
        return await asyncio.to_thread(self._records.gaps.everything, UNSURE_BELOW)

    async def find(self, gap_id: str) -> Gap:
        found = await asyncio.to_thread(self._records.gaps.everything, UNSURE_BELOW, gap_id)
        if not found:
            raise NotFound("There is no such gap: its questions may have been erased.")
        return found[0]

    # -- what admins do

    async def draft(self, gap_id: str, user: User) -> Gap:
        """A document to start from, as a draft in the library."""
        gap = await self.find(gap_id)
        if gap.state not in _OPEN:
            raise Conflict(f"This gap is {gap.state}: reopen it first.")
        document_id = await self._writer.draft(gap, user)
        await self._change(gap, "drafted", of=_OPEN, by=user, document_id=document_id)
        return await self.find(gap_id)

    async def dismiss(self, gap_id: str, user: User, why: str) -> Gap:
        gap = await self.find(gap_id)
        await self._change(gap, "dismissed", of=(*_OPEN, "answered"), by=user, why=why)
        return await self.find(gap_id)

    async def reopen(self, gap_id: str, user: User) -> Gap:
        gap = await self.find(gap_id)
        state: GapState = "drafted" if gap.document_id else "open"
        await self._change(gap, state, of=("answered", "dismissed"), by=user)
        return await self.find(gap_id)

    async def check(self, gap_id: str, priority: Priority = Priority.STAFF) -> Gap:
        """Asks again what was asked. Closes the gap if most is answered; opens it if it was closed
        and is not."""
        gap = await self.find(gap_id)
        if gap.state == "dismissed":
            raise Conflict("This gap was dismissed: reopen it first.")
        found = await asyncio.to_thread(self._found, gap)
        checks = [await self._again(one, priority) for one in _examples(gap)]
        known = [one for one in checks if one is not None]
        await asyncio.to_thread(self._records.gaps.keep_checks, gap_id, found, known)
        answered = bool(known) and sum(one.holds for one in known) >= ENOUGH * len(known)
        if answered and gap.state in _OPEN:
            why = "Asked again and answered."
            await self._settle(gap, "answered", why)
        elif not answered and gap.state == "answered":
            await self._settle(gap, "open", "Asked again and not answered any more.")
        return await self.find(gap_id)

    async def _change(
        self,
        gap: Gap,
        state: GapState,
        *,
        of: Sequence[GapState],
        by: User,
        why: str | None = None,
        document_id: str | None = None,
    ) -> None:
        change = self._records.gaps.change
        name = by.display_name
        if not await asyncio.to_thread(
            change, gap.id, state, of=of, by=name, why=why, document_id=document_id
        ):
            raise Conflict(f"This gap is {gap.state}: that cannot be done with it now.")

    async def _settle(self, gap: Gap, state: GapState, why: str) -> None:
        """By itself; nothing if somebody was faster."""
        await asyncio.to_thread(self._records.gaps.change, gap.id, state, of=(gap.state,), why=why)

    async def _again(self, one: Unanswered, priority: Priority) -> Check | None:
        row = await asyncio.to_thread(self._records.asked.find, one.message_id)
        if row is None:
            return None  # erased meanwhile
        question = question_of(row, datetime.now(UTC))
        reply: Message | None = None
        parts = self._answerer.answer(question, message_id=new_id("m"), priority=priority)
        async for part in parts:
            if isinstance(part, ReplyDone):
                reply = part.message
        if reply is None:
            return None
        return Check(
            message_id=one.message_id,
            conversation_id=one.conversation_id,
            at=reply.created_at,
            outcome=reply.outcome or "answered",
            confidence=reply.confidence,
            answer=reply.content,
            citations=tuple(one.model_dump(mode="json") for one in reply.citations or ()),
            holds=_will_do(row, reply),
        )

    # -- what happens by itself

    async def refresh(self) -> None:
        """Puts together what was asked until now; costs one read if nothing was."""
        async with self._one_at_a_time:
            since = (datetime.now(UTC) - WINDOW).isoformat(timespec="milliseconds")
            asked = await asyncio.to_thread(
                self._records.gaps.unanswered, since[:23] + "Z", UNSURE_BELOW, MOST
            )
            mark = tuple((one.message_id, one.reasons) for one in asked)
            if mark == self._arranged:
                return
            vectors = await self._vectors_of(asked)
            await asyncio.to_thread(self._arrange, asked, vectors)
            self._arranged = mark
            self._is_new = True

    async def run(self) -> None:
        """Until cancelled: a round now and then, and after each publication."""
        while True:
            more = False
            try:
                more = await self.round()
            except (FrontdeskError, KnowledgeError) as error:
                log.info("Gaps are looked at again soon: %s", error)
            except Exception:
                log.exception("Gaps could not be looked at; tried again soon")
            await self._pause(_LOOK_S if more else _ROUND_S)

    async def round(self) -> bool:
        """Puts together, names, asks again what a publication may have answered; a bounded number
        of gaps. True if some are left."""
        await self.refresh()
        self._is_new = False
        gaps = await asyncio.to_thread(self._records.gaps.everything, UNSURE_BELOW)
        nameless = [one for one in gaps if one.name is None and one.state != "dismissed"]
        for gap in nameless[:_A_ROUND]:
            await self._writer.name(gap)
        published = await asyncio.to_thread(self._published)
        fresh = published == self._looked
        asked_again = 0
        for gap in gaps:
            if gap.state == "dismissed" or (fresh and gap.found is not None):
                continue
            if await asyncio.to_thread(self._found, gap) == gap.found:
                continue
            if asked_again == _A_ROUND:
                return True
            asked_again += 1
            await self.check(gap.id, Priority.BACKGROUND)
        self._looked = published
        return len(nameless) > _A_ROUND

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await asyncio.sleep(_LOOK_S)
            try:
                if self._is_new or await asyncio.to_thread(self._published) != self._looked:
                    return
            except KnowledgeError:
                continue

    def _published(self) -> tuple[int, str]:
        """With the day: a document may come into force on one."""
        return self._library.generation, datetime.now(UTC).date().isoformat()

    def _found(self, gap: Gap) -> str:
        """What the search finds for the gap: while it is the same, so are the answers."""
        hits = [
            hit.passage
            for one in _examples(gap)
            for hit in self._library.search(_matter(one), k=_FOUND)
        ]
        return " ".join(sorted({f"{one.document_id}:{one.revision}" for one in hits}))

    def _arrange(self, asked: Sequence[Unanswered], vectors: Vectors) -> None:
        groups = clustered(vectors)
        ordered = [by_centrality(vectors, group) for group in groups]
        before = self._records.gaps.members()
        members = [frozenset(asked[row].message_id for row in group) for group in groups]
        kept = kept_ids(before, members)
        self._records.gaps.arrange(
            [(kept.get(at), [asked[row] for row in group]) for at, group in enumerate(ordered)]
        )
        for gap in self._records.gaps.everything(UNSURE_BELOW):
            new = (one for one in gap.questions if one.message_id not in before.get(gap.id, ()))
            if gap.state == "answered" and any(_opens(one, gap) for one in new):
                why = "Asked again since, and not answered."
                self._records.gaps.change(gap.id, "open", of=("answered",), why=why)

    async def _vectors_of(self, asked: Sequence[Unanswered]) -> Vectors:
        new = [one for one in asked if one.message_id not in self._vectors]
        made = await self._embeddings.aembed_documents([_matter(one) for one in new])
        known = self._vectors | {
            one.message_id: _unit(vector) for one, vector in zip(new, made, strict=True)
        }
        self._vectors = {one.message_id: known[one.message_id] for one in asked}
        rows = list(self._vectors.values())
        return np.stack(rows) if rows else np.zeros((0, 1), np.float32)


def summary(gap: Gap, examples: int = EXAMPLES) -> dict[str, Any]:
    """As programs see it, without its proof."""
    times = sorted(one.at for one in gap.questions)
    reasons = Counter(reason for one in gap.questions for reason in one.reasons)
    languages = Counter(one.language for one in gap.questions if one.language)
    shown = gap.questions[:examples] if examples > EXAMPLES else _examples(gap)
    found = {
        "id": gap.id,
        "name": gap.title,
        "state": gap.state,
        "customers": gap.customers,
        "questions": len(gap.questions),
        "examples": [one.model_dump(mode="json", exclude={"before", "customer"}) for one in shown],
        "first_at": times[0],
        "last_at": times[-1],
        "reasons": dict(reasons.most_common()),
        "languages": dict(languages.most_common()),
        "changed_at": gap.changed_at,
        "changed_by": gap.changed_by,
        "why": gap.why,
    }
    return found if gap.document_id is None else {**found, "document_id": gap.document_id}


def proof(gap: Gap) -> list[dict[str, Any]]:
    """What came of asking again: the question, its new answer and what that rests on."""
    questions = {one.message_id: one.question for one in gap.questions}
    return [
        {"question": questions[one.message_id], **one.model_dump(mode="json")}
        for one in gap.checks
        if one.message_id in questions
    ]


def _unit(vector: Sequence[float]) -> Vectors:
    row = np.asarray(vector, np.float32)
    return np.asarray(row / max(float(np.linalg.norm(row)), 1e-9), np.float32)


def _matter(one: Unanswered) -> str:
    """What it is about, with the question before it if it leans on that; always one question mark,
    for without it a question is only 0.90 near itself."""
    said = [s.content for s in one.before if s.role == "customer"]
    leans = said and guardrails.leans_on_history(one.question)
    text = f"{said[-1]} {one.question}" if leans else one.question
    return f"{' '.join(text.split()).rstrip('?!. ')}?"


def _examples(gap: Gap) -> list[Unanswered]:
    """The most central questions, of different customers first."""
    firsts: dict[str, Unanswered] = {}
    for one in gap.questions:
        firsts.setdefault(one.customer, one)
    others = [one for one in gap.questions if firsts[one.customer] is not one]
    return [*firsts.values(), *others][:EXAMPLES]


def _opens(one: Unanswered, gap: Gap) -> bool:
    """Whether a question that is new to a closed gap was not answered by what closed it: it came
    later, or its answer was found wrong."""
    return one.at > gap.changed_at or bool({"thumbs_down", "reported"} & set(one.reasons))


def _will_do(row: Asked, reply: Message) -> bool:
    """An answer that is sure enough; where there was one that was found wrong, it has to rest on
    something else than that."""
    if reply.outcome != "answered" or (reply.confidence or 0.0) < UNSURE_BELOW:
        return False
    before = {(one.document_id, one.revision) for one in row.documents if one.cited}
    now = {(one.document_id, one.revision) for one in reply.citations or ()}
    return row.outcome != "answered" or bool(now - before)
