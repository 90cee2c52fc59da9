"""Which wrong answers were put right with their customers, in SQL.

Every method blocks: call it through `asyncio.to_thread`. Invariant: against one state of its
documents an answer is put right once, and a mark goes with its conversation.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from sqlalchemy import Column, String, Table, Text, delete, or_, select
from sqlalchemy.engine import Connection

from agent.domain import Noun
from agent.storage.sql import Database, metadata

MarkState = Literal["sent", "skipped"]

_marks: Final = Table(
    "recall_marks",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("revisions", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", String(32), nullable=False),
)


class Mark(Noun):
    """`revisions`: what was published of the documents that the answer cites when it was marked."""

    message_id: str
    conversation_id: str
    state: MarkState
    revisions: Mapping[str, int | None]
    author: str
    at: str


class RecallRecords:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def keep(self, mark: Mark) -> bool:
        """False if it was marked already while its documents were the same; what was skipped can
        still be sent."""
        values = mark.model_dump(exclude={"message_id"})
        values["revisions"] = json.dumps(mark.revisions, sort_keys=True)
        statement = self._database.upsert(_marks).values(message_id=mark.message_id, **values)
        again: list[Any] = [_marks.c.revisions != values["revisions"]]
        if mark.state == "sent":
            again.append(_marks.c.state == "skipped")
        with self._database.begin() as connection:
            if self._is_erased(connection, mark.conversation_id):
                return False
            kept = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[_marks.c.message_id], set_=values, where=or_(*again)
                )
            )
            return kept.rowcount == 1

    def withdraw(self, message_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(_marks).where(_marks.c.message_id == message_id))

    def of(self, message_ids: Sequence[str]) -> dict[str, Mark]:
        found: dict[str, Mark] = {}
        with self._database.begin() as connection:
            for start in range(0, len(message_ids), 500):
                some = _marks.c.message_id.in_(message_ids[start : start + 500])
                for row in connection.execute(select(_marks).where(some)).mappings():
                    mark = Mark.model_validate({**row, "revisions": json.loads(row["revisions"])})
                    found[mark.message_id] = mark
        return found

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(_marks).where(_marks.c.conversation_id == conversation_id))
