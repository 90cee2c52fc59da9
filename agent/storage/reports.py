"""What staff found wrong with the AI's answers, in SQL.

Every method blocks: call it through `asyncio.to_thread`. Invariant: a report goes with its
conversation, and an answer has at most one, the last.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from sqlalchemy import Column, String, Table, Text, delete, select, tuple_
from sqlalchemy.engine import Connection

from agent.domain import Noun
from agent.storage.sql import Database, metadata

Fault = Literal[
    "incorrect_information",
    "inappropriate_response",
    "incomplete_response",
    "outdated_information",
    "other",
]

reported: Final = Table(
    "answer_reports",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("created_at", String(32), nullable=False, index=True),
    Column("report", Text, nullable=False),
)


class Report(Noun):
    """`question` and `answer` are as they were said; `right_answer` is what staff would have."""

    message_id: str
    conversation_id: str
    created_at: str
    reason: Fault
    comment: str
    right_answer: str
    question: str
    answer: str
    citations: tuple[dict[str, Any], ...]
    by: str
    author: str


class Reports:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def keep(self, report: Report) -> None:
        """In place of an earlier report of the same answer."""
        values = {
            "conversation_id": report.conversation_id,
            "created_at": report.created_at,
            "report": report.model_dump_json(),
        }
        statement = self._database.upsert(reported).values(message_id=report.message_id, **values)
        with self._database.begin() as connection:
            if not self._is_erased(connection, report.conversation_id):
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[reported.c.message_id], set_=values
                    )
                )

    def withdraw(self, message_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(reported).where(reported.c.message_id == message_id))

    def newest(self, count: int, after: str | None = None) -> list[Report]:
        """Newest first; `after` is the message id of the last report that is known already."""
        place = tuple_(reported.c.created_at, reported.c.message_id)
        query = select(reported.c.report).order_by(
            reported.c.created_at.desc(), reported.c.message_id.desc()
        )
        with self._database.begin() as connection:
            if after is not None:
                known = select(reported).where(reported.c.message_id == after)
                row = connection.execute(known).one_or_none()
                if row is None:
                    return []
                query = query.where(place < (row.created_at, row.message_id))
            found = connection.scalars(query.limit(count))
            return [Report.model_validate_json(one) for one in found]

    def of(self, message_ids: Sequence[str]) -> list[Report]:
        """The reports of these answers, oldest first."""
        query = select(reported.c.report).where(reported.c.message_id.in_(message_ids))
        with self._database.begin() as connection:
            found = connection.scalars(query.order_by(reported.c.created_at))
            return [Report.model_validate_json(one) for one in found]

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(reported).where(reported.c.conversation_id == conversation_id))
