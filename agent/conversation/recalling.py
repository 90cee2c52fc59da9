"""Who was answered from a document that was wrong, and how they hear what is right.

Owns which answers a correction touches and the words with which it may be told. Refuses to tell by
itself: somebody of the staff reads and sends it, as their own message. Invariant: what a draft
states as right stands verbatim in what is published now.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.conversation.desk import Desk
from agent.conversation.turn import Answerer
from agent.domain import Citation, now
from agent.errors import Conflict, NotFound
from agent.policy import corrections
from agent.policy.corrections import Comparison
from agent.storage.asked import Asked
from agent.storage.people import User
from agent.storage.recalls import Mark, MarkState
from agent.storage.records import Records
from knowledge_base.model import DocumentSummary, Passage, Revision

_ORDER: Final = ("changed", "gone", "reworded", "same")
_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class Recall:
    """An answer that was given from `revision`; `mark`: what was done about it, if anything has
    been since the document is as it is."""

    asked: Asked
    revision: int
    comparison: Comparison
    content: str
    citations: tuple[Citation, ...]
    mark: Mark | None


class Recalls:
    def __init__(self, records: Records, desk: Desk, answerer: Answerer) -> None:
        self._records = records
        self._library = answerer.library
        self._desk = desk
        self._prompts = answerer.prompts

    async def of(
        self,
        document_id: str,
        *,
        revision: int | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> list[Recall]:
        """Answers given from the revision, or from any that is not published now; those that are
        wrong first, then the newest. `start` inclusive, `end` exclusive. Raises what the library
        raises for what it does not have."""
        return await asyncio.to_thread(self._of, document_id, revision, start or "", end or "~")

    async def send(self, message_id: str, user: User, content: str) -> tuple[str, str]:
        """The conversation and the message by which its customer is told. Raises Conflict if they
        were."""
        recall = await asyncio.to_thread(self._one, message_id)
        await self._mark(recall.asked, "sent", user)
        cited = tuple(one for one in recall.citations if f"[{one.n}]" in content)
        try:
            sent = await self._desk.reply(recall.asked.conversation_id, user, content, cited)
        except BaseException:
            await asyncio.to_thread(self._records.recalls.withdraw, message_id)
            raise
        return recall.asked.conversation_id, sent.id

    async def skip(self, message_id: str, user: User) -> str:
        """The answer's conversation."""
        asked = await asyncio.to_thread(self._asked, message_id)
        await self._mark(asked, "skipped", user)
        return asked.conversation_id

    async def _mark(self, asked: Asked, state: MarkState, user: User) -> None:
        mark = Mark(
            message_id=asked.message_id,
            conversation_id=asked.conversation_id,
            state=state,
            revisions=await asyncio.to_thread(self._published, asked),
            author=user.display_name,
            at=now(),
        )
        if not await asyncio.to_thread(self._records.recalls.keep, mark):
            raise Conflict("Somebody has seen to this answer already.")

    def _asked(self, message_id: str) -> Asked:
        found = self._records.asked.find(message_id)
        if found is None:
            raise NotFound("There is no such answer: its conversation may have been erased.")
        return found

    def _published(self, asked: Asked) -> dict[str, int | None]:
        known = {one.id: one for one in self._library.documents()}
        cited = {one.document_id for one in asked.documents if one.cited}
        return {one: _shown(known.get(one)) for one in sorted(cited)}

    def _of(self, document_id: str, revision: int | None, start: str, end: str) -> list[Recall]:
        document = self._library.document(document_id)
        revisions = {one.number: one for one in self._library.revisions(document_id)}
        if revision is not None:
            self._library.revision(document_id, revision)
        shown = _shown(document)
        wanted = [revision] if revision is not None else [one for one in revisions if one != shown]
        passages = self._library.passages(document_id, shown) if shown else []
        rows = [
            (number, one)
            for number in wanted
            for one in self._records.asked.citing(document_id, number)
            if start <= one.at < end
        ]
        marks = self._records.recalls.of([one.message_id for _, one in rows])
        found = [
            self._recall(one, revisions[number], passages, marks.get(one.message_id), shown)
            for number, one in rows
        ]
        found.sort(key=lambda one: one.asked.at, reverse=True)
        return sorted(found, key=lambda one: _ORDER.index(one.comparison.verdict))

    def _one(self, message_id: str) -> Recall:
        """Against the first cited document that is not as it was."""
        asked = self._asked(message_id)
        published = self._published(asked)
        cited = [one for one in asked.documents if one.cited]
        if not cited:
            raise Conflict("This answer cites no document that could have been corrected.")
        at = next((one for one in cited if published[one.document_id] != one.revision), cited[0])
        shown = published[at.document_id]
        passages = self._library.passages(at.document_id, shown) if shown else []
        old = self._library.revision(at.document_id, at.revision)
        return self._recall(asked, old, passages, None, shown)

    def _recall(
        self,
        asked: Asked,
        old: Revision,
        passages: Sequence[Passage],
        mark: Mark | None,
        shown: int | None,
    ) -> Recall:
        new = "\n\n".join(one.text for one in passages)
        comparison = corrections.compare(asked.answer, old.text, new)
        right = list(dict.fromkeys(one.now for one in comparison.differences if one.now))
        citations = tuple(
            _citation(n, sentence, passages) for n, sentence in enumerate(right, start=1)
        )
        words = [{"n": one.n, "text": corrections.quoted(one.quote)} for one in citations]
        title = passages[0].title if passages else old.title
        content = self._prompts.say(
            "correction",
            asked.language,
            question=_short(asked.question),
            day=_day(asked.at),
            now=words,
            title=title,
        )
        valid = mark is not None and _is_of(mark.revisions, old.document_id, shown)
        return Recall(asked, old.number, comparison, content, citations, mark if valid else None)


def _is_of(revisions: Mapping[str, int | None], document_id: str, shown: int | None) -> bool:
    return document_id in revisions and revisions[document_id] == shown


def _shown(document: DocumentSummary | None) -> int | None:
    """The published revision."""
    return document.revision if document and document.status == "published" else None


def _citation(n: int, sentence: str, passages: Sequence[Passage]) -> Citation:
    passage = next((one for one in passages if sentence in one.text), passages[0])
    return Citation(
        n=n,
        document_id=passage.document_id,
        revision=passage.revision,
        title=passage.title,
        section=passage.section,
        quote=sentence,
        url=passage.url,
        effective_from=passage.effective_from and passage.effective_from.isoformat(),
        revised_on=passage.revised_on and passage.revised_on.isoformat(),
    )


def _day(at: str) -> str:
    """As it is written everywhere: 2026-11-26."""
    return datetime.fromisoformat(at).date().isoformat()


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rsplit(" ", 1)[0] + "…"
