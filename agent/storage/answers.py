"""What answers were made from, and what customers and staff thought of them.

Every method blocks: call it through `asyncio.to_thread`. Invariant: what was kept of a conversation
goes with it, and nothing is kept of one that was erased.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text, delete, func, select
from sqlalchemy.engine import Connection

from agent.domain import AnswerRecord, Noun, now
from agent.storage.sql import Database, metadata

_answers = Table(
    "answers",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
)
_remembered = Table(
    "remembered_answers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("question", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("citations", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
)
_votes = Table(
    "answer_votes",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("answer_id", String(64), nullable=False, index=True),
    Column("value", Integer, nullable=False),
)
_approved = Table(
    "approved_answers",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("answer_id", String(64), nullable=False, index=True),
)
# Words that staff found wrong, as bare hashes: they stay blocked when their conversation is erased.
_blocked = Table(
    "blocked_answers", metadata, Column("content_sha256", String(64), primary_key=True)
)


class RememberedAnswer(Noun):
    """`vector` is the question's, float32, of length 1."""

    question: str
    content: str
    citations: tuple[dict[str, Any], ...]
    vector: bytes


class AnswerRecords:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def keep(self, conversation_id: str, record: AnswerRecord) -> None:
        """In place of what was kept of the same message: a turn may run again."""
        values = {
            "conversation_id": conversation_id,
            "record": record.model_dump_json(),
            "created_at": now(),
        }
        statement = self._database.upsert(_answers).values(message_id=record.message_id, **values)
        with self._database.begin() as connection:
            if not self._is_erased(connection, conversation_id):
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[_answers.c.message_id], set_=values
                    )
                )

    def find(self, message_id: str) -> AnswerRecord | None:
        query = select(_answers.c.record).where(_answers.c.message_id == message_id)
        with self._database.begin() as connection:
            kept = connection.scalar(query)
        return None if kept is None else AnswerRecord.model_validate_json(kept)

    def vote(
        self, conversation_id: str, message_id: str, answer: RememberedAnswer, value: int
    ) -> None:
        """One vote a message, the last counts."""
        changed = {"answer_id": _answer_id(answer), "value": value}
        voted = self._database.upsert(_votes).values(
            message_id=message_id, conversation_id=conversation_id, **changed
        )
        with self._database.begin() as connection:
            if self._is_erased(connection, conversation_id):
                return
            self._remember(connection, answer)
            connection.execute(
                voted.on_conflict_do_update(index_elements=[_votes.c.message_id], set_=changed)
            )

    def approve(self, conversation_id: str, message_id: str, answer: RememberedAnswer) -> None:
        """Staff found it right: it is remembered at once, whatever was reported before."""
        row = {
            "message_id": message_id,
            "conversation_id": conversation_id,
            "answer_id": _answer_id(answer),
        }
        approved = self._database.upsert(_approved).values(row)
        with self._database.begin() as connection:
            if self._is_erased(connection, conversation_id):
                return
            self._remember(connection, answer)
            connection.execute(approved.on_conflict_do_nothing())
            connection.execute(
                delete(_blocked).where(_blocked.c.content_sha256 == _digest(answer.content))
            )

    def approved_messages(self) -> frozenset[str]:
        """The answers that staff found right, by their messages' ids."""
        with self._database.begin() as connection:
            return frozenset(connection.scalars(select(_approved.c.message_id)))

    def block(self, content: str) -> None:
        """Staff found these words wrong: they are never given again, to whatever question."""
        blocked = self._database.upsert(_blocked).values(content_sha256=_digest(content))
        with self._database.begin() as connection:
            connection.execute(blocked.on_conflict_do_nothing())
            same = select(_remembered.c.id).where(_remembered.c.content == content)
            connection.execute(delete(_approved).where(_approved.c.answer_id.in_(same)))

    def _remember(self, connection: Connection, answer: RememberedAnswer) -> None:
        newest = {"citations": json.dumps(answer.citations), "vector": answer.vector}
        remembered = self._database.upsert(_remembered).values(
            id=_answer_id(answer), question=answer.question, content=answer.content, **newest
        )
        connection.execute(
            remembered.on_conflict_do_update(index_elements=[_remembered.c.id], set_=newest)
        )

    def remembered(self, approvals: int) -> list[RememberedAnswer]:
        """Answers that staff approved, and those that so many more customers liked than disliked;
        none that staff reported."""
        liked = (
            select(_votes.c.answer_id)
            .group_by(_votes.c.answer_id)
            .having(func.sum(_votes.c.value) >= approvals)
        )
        approved = select(_approved.c.answer_id)
        query = (
            select(_remembered)
            .where(_remembered.c.id.in_(liked) | _remembered.c.id.in_(approved))
            .order_by(_remembered.c.id)
        )
        with self._database.begin() as connection:
            blocked = set(connection.scalars(select(_blocked.c.content_sha256)))
            return [
                RememberedAnswer(
                    question=row.question,
                    content=row.content,
                    citations=json.loads(row.citations),
                    vector=row.vector,
                )
                for row in connection.execute(query)
                if _digest(row.content) not in blocked
            ]

    def erase(self, connection: Connection, conversation_id: str) -> None:
        """Answers that nobody else found right go as well: their words are this customer's."""
        for table in (_answers, _votes, _approved):
            connection.execute(delete(table).where(table.c.conversation_id == conversation_id))
        found_right = select(_votes.c.answer_id).union(select(_approved.c.answer_id))
        connection.execute(delete(_remembered).where(_remembered.c.id.not_in(found_right)))


def _answer_id(answer: RememberedAnswer) -> str:
    return _digest(f"{answer.question.casefold()}\0{answer.content}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
