"""What customers asked and what became of it, one row a question, in SQL.

What the publish gate asks again, gaps are made of, corrections look up and numbers are counted
from. Every method blocks: call it through `asyncio.to_thread`. Invariant: a question goes with its
conversation, and nothing is kept of one that was erased.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import (
    Column,
    Float,
    Integer,
    String,
    Table,
    Text,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection

from agent.domain import Noun, Outcome, Role
from agent.storage.sql import Database, metadata

Rating = Literal["up", "down"]

asked: Final = Table(
    "asked_questions",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("customer", Text, nullable=False, index=True),
    Column("at", String(32), nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(32)),
    Column("looked_up", Integer, nullable=False),
    Column("confidence", Float),
    Column("language", String(16)),
    Column("first_token_ms", Float),
    Column("total_ms", Float),
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("rating", String(8)),
    Column("rating_reason", Text),
    Column("rating_comment", Text),
)
# The documents of an answer: those it cites (`cited` 1), and those that were found beside.
asked_documents: Final = Table(
    "asked_documents",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("document_id", String(64), primary_key=True, index=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("cited", Integer, nullable=False),
)


class Said(Noun):
    role: Role
    content: str


class Touched(Noun):
    document_id: str
    revision: int
    cited: bool


class Asked(Noun):
    """`message_id` is the reply's, `at` when it was made; `customer` the verified identifier, else
    the conversation's id; `before` what was said before the question, oldest first; `reason` why
    the AI handed it off; `looked_up`: a question for the policies, and no greeting or the like."""

    message_id: str
    conversation_id: str
    customer: str
    at: str
    question: str
    before: tuple[Said, ...] = ()
    answer: str
    outcome: Outcome
    reason: str | None = None
    looked_up: bool
    confidence: float | None = None
    language: str | None = None
    first_token_ms: float | None = None
    total_ms: float | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    rating: Rating | None = None
    rating_reason: str | None = None
    rating_comment: str | None = None
    documents: tuple[Touched, ...] = ()


class Figures(NamedTuple):
    """What is counted of a question, without a word of it."""

    at: str
    looked_up: bool
    language: str | None
    first_token_ms: float | None
    total_ms: float | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Cited(NamedTuple):
    """How many answers cite the document, and how many of those customers disliked."""

    document_id: str
    answers: int
    disliked: int


class AskedQuestions:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def keep(self, one: Asked) -> None:
        """In place of what was kept of the same reply: a turn may run again."""
        values = one.model_dump(exclude={"message_id", "documents", "before"})
        values["before"] = json.dumps([said.model_dump() for said in one.before])
        values["looked_up"] = int(one.looked_up)
        statement = self._database.upsert(asked).values(message_id=one.message_id, **values)
        touched = [
            {"message_id": one.message_id, **each.model_dump(), "cited": int(each.cited)}
            for each in one.documents
        ]
        with self._database.begin() as connection:
            if self._is_erased(connection, one.conversation_id):
                return
            connection.execute(
                statement.on_conflict_do_update(index_elements=[asked.c.message_id], set_=values)
            )
            connection.execute(
                delete(asked_documents).where(asked_documents.c.message_id == one.message_id)
            )
            if touched:
                connection.execute(insert(asked_documents), touched)

    def rate(
        self, message_id: str, rating: Rating, reason: str | None, comment: str | None
    ) -> None:
        values = {"rating": rating, "rating_reason": reason, "rating_comment": comment}
        with self._database.begin() as connection:
            connection.execute(update(asked).where(asked.c.message_id == message_id).values(values))

    def find(self, message_id: str) -> Asked | None:
        found = self._read(asked.c.message_id == message_id, limit=1)
        return found[0] if found else None

    def between(self, start: str, end: str, *, limit: int = 10_000) -> list[Asked]:
        """Asked from `start` on and before `end`, newest first."""
        return self._read(asked.c.at >= start, asked.c.at < end, limit=limit)

    def touching(self, document_ids: Sequence[str], *, limit: int) -> list[Asked]:
        """Questions for whose answers one of the documents was found or cited, newest first."""
        near = select(asked_documents.c.message_id).where(
            asked_documents.c.document_id.in_(document_ids)
        )
        return self._read(asked.c.message_id.in_(near), limit=limit)

    def citing(self, document_id: str, revision: int, *, limit: int = 10_000) -> list[Asked]:
        """Questions that were answered with this revision as a source, newest first."""
        cited = select(asked_documents.c.message_id).where(
            asked_documents.c.document_id == document_id,
            asked_documents.c.revision == revision,
            asked_documents.c.cited == 1,
        )
        return self._read(asked.c.message_id.in_(cited), limit=limit)

    def figures(self, start: str, end: str) -> list[Figures]:
        """Asked from `start` on and before `end`, oldest first."""
        columns = [asked.c[name] for name in Figures._fields]
        query = select(*columns).where(asked.c.at >= start, asked.c.at < end).order_by(asked.c.at)
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
        return [
            Figures(row[0], bool(row[1]), *row[2:5], *(tokens or 0 for tokens in row[5:]))
            for row in rows
        ]

    def most_cited(self, start: str, end: str, count: int) -> list[Cited]:
        answers = func.count(asked.c.message_id.distinct())
        disliked = func.count(case((asked.c.rating == "down", asked.c.message_id)).distinct())
        query = (
            select(asked_documents.c.document_id, answers, disliked)
            .join(asked, asked.c.message_id == asked_documents.c.message_id)
            .where(asked_documents.c.cited == 1, asked.c.at >= start, asked.c.at < end)
            .group_by(asked_documents.c.document_id)
            .order_by(answers.desc(), asked_documents.c.document_id)
            .limit(count)
        )
        with self._database.begin() as connection:
            return [Cited(*row) for row in connection.execute(query)]

    def examples(self, document_id: str, start: str, end: str, count: int) -> list[str]:
        """The newest questions that the document answered, each wording once."""
        cited = select(asked_documents.c.message_id).where(
            asked_documents.c.document_id == document_id, asked_documents.c.cited == 1
        )
        newest = func.max(asked.c.at)
        query = (
            select(asked.c.question)
            .where(asked.c.message_id.in_(cited), asked.c.at >= start, asked.c.at < end)
            .group_by(asked.c.question)
            .order_by(newest.desc())
            .limit(count)
        )
        with self._database.begin() as connection:
            return list(connection.scalars(query))

    def uses(self, document_ids: Sequence[str]) -> dict[str, dict[int, int]]:
        """How many questions were answered from each revision of these documents."""
        counted: dict[str, dict[int, int]] = {one: {} for one in document_ids}
        places = asked_documents.c.document_id, asked_documents.c.revision
        query = (
            select(*places, func.count().label("times"))
            .where(asked_documents.c.cited == 1, places[0].in_(document_ids))
            .group_by(*places)
        )
        with self._database.begin() as connection:
            for row in connection.execute(query):
                counted[row.document_id][row.revision] = row.times
        return counted

    def erase(self, connection: Connection, conversation_id: str) -> None:
        gone = select(asked.c.message_id).where(asked.c.conversation_id == conversation_id)
        connection.execute(delete(asked_documents).where(asked_documents.c.message_id.in_(gone)))
        connection.execute(delete(asked).where(asked.c.conversation_id == conversation_id))

    def _read(self, *conditions: Any, limit: int) -> list[Asked]:
        query = (
            select(asked)
            .where(*conditions)
            .order_by(asked.c.at.desc(), asked.c.message_id.desc())
            .limit(limit)
        )
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings().all()
            ids = [row["message_id"] for row in rows]
            touched: dict[str, list[Touched]] = {one: [] for one in ids}
            for start in range(0, len(ids), 500):
                some = asked_documents.c.message_id.in_(ids[start : start + 500])
                for each in connection.execute(select(asked_documents).where(some)):
                    touched[each.message_id].append(
                        Touched(
                            document_id=each.document_id,
                            revision=each.revision,
                            cited=bool(each.cited),
                        )
                    )
        return [
            Asked.model_validate(
                {
                    **row,
                    "before": json.loads(row["before"]),
                    "documents": touched[row["message_id"]],
                }
            )
            for row in rows
        ]
