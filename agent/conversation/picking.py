"""Which questions a change is tried on: golden ones, real ones that touched its documents, and
ones that nobody could answer yet and that it may answer.

Owns the choice and its order. Refuses to answer anything. Invariant: nobody's words are asked
twice in one run, and never more than so many beside the golden ones.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.storage.asked import Asked
from agent.storage.gates import Question
from agent.storage.golden import Golden
from agent.storage.records import Records
from knowledge_base.view import View

DEFAULT_MOST: Final = 40
LOOKED_THROUGH: Final = 500  # questions that touched a document, doubles among them
RECENT: Final = timedelta(days=60)
UNANSWERED: Final = 150  # of those, the newest so many are searched with
_UNSURE: Final = frozenset({"missing_knowledge", "low_confidence"})
_FIRST: Final = 3  # the change may answer a question for which it is found among the first


async def picked(
    records: Records, view: View, changed: Sequence[str], most: int = DEFAULT_MOST
) -> list[Question]:
    """Golden ones first, then newest first. `view` is the knowledge with the change, `changed`
    the ids of its documents. At most a quarter are questions that nobody could answer."""
    golden = await asyncio.to_thread(records.golden.everything)
    touched = await asyncio.to_thread(records.asked.touching, changed, limit=LOOKED_THROUGH)
    unanswered = await _may_be_answered(records, view, frozenset(changed))
    questions = [_of_golden(one) for one in golden]
    known = {_words(one) for one in questions}
    answerable = _once(unanswered, "unanswered", known)[: max(1, most // 4)]
    known |= {_words(one) for one in answerable}
    asked = _once((one for one in touched if one.looked_up), "asked", known)
    real = sorted(
        [*answerable, *asked[: most - len(answerable)]], key=lambda one: one.at, reverse=True
    )
    return [one.model_copy(update={"n": n}) for n, one in enumerate((*questions, *real), 1)]


async def _may_be_answered(records: Records, view: View, changed: frozenset[str]) -> list[Asked]:
    """Recent questions that were refused or not answered surely, for which the change is found."""
    end = datetime.now(UTC)
    recent = await asyncio.to_thread(
        records.asked.between, _time(end - RECENT), _time(end), limit=10 * UNANSWERED
    )
    open_ones = [
        one
        for one in recent
        if one.looked_up and (one.outcome == "refused" or one.reason in _UNSURE)
    ]
    found: list[Asked] = []
    for one in open_ones[:UNANSWERED]:
        hits = await asyncio.to_thread(view.search, one.question, k=_FIRST)
        if any(hit.passage.document_id in changed for hit in hits):
            found.append(one)
    return found


def _once(asked: Iterable[Asked], kind: str, known: set[str]) -> list[Question]:
    """Each question in its newest asking, with how often it was asked in these words."""
    found: dict[str, Question] = {}
    for one in asked:
        question = Question(
            n=0,
            kind="unanswered" if kind == "unanswered" else "asked",
            question=one.question,
            before=one.before,
            at=one.at,
            message_id=one.message_id,
            conversation_id=one.conversation_id,
        )
        words = _words(question)
        if words in known:
            continue
        newest = found.setdefault(words, question)
        if newest is not question:
            found[words] = newest.model_copy(update={"times": newest.times + 1})
    return list(found.values())


def _of_golden(one: Golden) -> Question:
    return Question(
        n=0,
        kind="golden",
        question=one.question,
        before=one.before,
        at=one.created_at,
        message_id=one.message_id,
        conversation_id=one.conversation_id,
        golden_id=one.id,
        expected=one.expected,
        answerable=one.answerable,
    )


def _words(one: Question) -> str:
    said = [said.content for said in one.before]
    return "\n".join(" ".join(text.casefold().split()) for text in (*said, one.question))


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
