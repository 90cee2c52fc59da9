"""Golden questions in SQL: what has to be answered, and with what, whatever is published.

Every method blocks: call it through `asyncio.to_thread`. Invariant: a question in a customer's own
words goes with the conversation it was taken from; once somebody puts it in other words it stays.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Column, Integer, String, Table, Text, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from agent.domain import Noun
from agent.errors import Conflict, NotFound
from agent.storage.asked import Said
from agent.storage.sql import Database, metadata

MAX_GOLDEN: Final = 500

_golden: Final = Table(
    "golden_questions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", String(32), nullable=False, index=True),
    Column("created_by", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("answerable", Integer, nullable=False),
    Column("document_id", String(64)),
    Column("conversation_id", String(64), index=True),
    Column("message_id", String(64)),
)


class Golden(Noun):
    """`expected` holds the facts, or a whole answer, that an answer has to have; `before` is what
    was said before the question; `message_id` the reply that it was taken from."""

    id: str
    created_at: str
    created_by: str
    question: str
    before: tuple[Said, ...] = ()
    expected: str = ""
    answerable: bool = True
    document_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None


class GoldenQuestions:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def everything(self) -> list[Golden]:
        """Newest first."""
        query = select(_golden).order_by(_golden.c.created_at.desc(), _golden.c.id)
        with self._database.begin() as connection:
            return [_read(row) for row in connection.execute(query).mappings()]

    def find(self, golden_id: str) -> Golden | None:
        query = select(_golden).where(_golden.c.id == golden_id)
        with self._database.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _read(row)

    def add(self, questions: Sequence[Golden]) -> int:
        """How many are new: one with the same words, after the same words, is there already.
        Raises Conflict if there are too many."""
        with self._database.begin() as connection:
            known = {_words(_read(row)) for row in connection.execute(select(_golden)).mappings()}
            new: dict[str, Golden] = {}
            for one in questions:
                taken_from = one.conversation_id
                if taken_from is not None and self._is_erased(connection, taken_from):
                    continue
                if _words(one) not in known:
                    new.setdefault(_words(one), one)
            if len(known) + len(new) > MAX_GOLDEN:
                raise Conflict(f"There may be {MAX_GOLDEN} golden questions: delete some first.")
            if new:
                connection.execute(insert(_golden), [_row(one) for one in new.values()])
            return len(new)

    def change(self, golden_id: str, **values: Any) -> Golden:
        """Raises NotFound. New words are nobody's but whose wrote them."""
        one = self.find(golden_id)
        if one is None:
            raise _unknown()
        changed = one.model_copy(update=values)
        if changed.question != one.question:
            changed = changed.model_copy(
                update={"conversation_id": None, "message_id": None, "before": ()}
            )
        statement = update(_golden).where(_golden.c.id == golden_id).values(_row(changed))
        with self._database.begin() as connection:
            if connection.execute(statement).rowcount == 0:
                raise _unknown()
        return changed

    def remove(self, golden_id: str) -> None:
        """Raises NotFound."""
        with self._database.begin() as connection:
            gone = connection.execute(delete(_golden).where(_golden.c.id == golden_id))
            if gone.rowcount == 0:
                raise _unknown()

    def count(self) -> int:
        with self._database.begin() as connection:
            return connection.scalar(select(func.count()).select_from(_golden)) or 0

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(_golden).where(_golden.c.conversation_id == conversation_id))


def _words(one: Golden) -> str:
    """What is the same question: its words, behind what it leans on."""
    return "\n".join(" ".join(text.casefold().split()) for text in (*_said(one), one.question))


def _said(one: Golden) -> list[str]:
    return [said.content for said in one.before]


def _row(one: Golden) -> dict[str, Any]:
    before = json.dumps([said.model_dump() for said in one.before])
    return {**one.model_dump(), "before": before, "answerable": int(one.answerable)}


def _read(row: Any) -> Golden:
    return Golden.model_validate({**row, "before": json.loads(row["before"])})


def _unknown() -> NotFound:
    return NotFound("There is no such golden question: somebody may have deleted it.")
