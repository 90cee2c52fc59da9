"""What became of each visit of a customer, one row a visit, in SQL.

Kept beside the conversations so that a year can be counted without reading one. Every method
blocks: call it through `asyncio.to_thread`. Invariant: a visit goes with its conversation, and what
was read of a log is never counted twice: a row is written only from where the one before ended.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from pydantic import Field
from sqlalchemy import Column, Integer, String, Table, Text, delete, insert, select, update
from sqlalchemy.engine import Connection

from agent.domain import Noun, Outcome, Role, Status
from agent.storage.sql import Database, metadata

visits: Final = Table(
    "visits",
    metadata,
    Column("conversation_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("customer", Text, nullable=False, index=True),
    Column("started_at", String(32), nullable=False, index=True),
    Column("last_at", String(32), nullable=False, index=True),
    Column("upto", String(40), nullable=False),
    Column("resolved", Integer, nullable=False),
    Column("visit", Text, nullable=False),
)
# How far the feed of all conversations was read; one row.
_position: Final = Table(
    "visits_position",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", String(40), nullable=False),
)


class Visit(Noun):
    """What a customer wrote in one conversation until it was resolved, or silent for a day.

    `customer` is the verified identifier, else the conversation's id. `answers` are the AI's
    replies that answer with sources; `last_reply` is what its last reply was, small talk aside.
    `verdict` is what the customer said last of how it went. `handoffs` are the reasons for which
    a person was called, in order; `opened_at` is when one first got it. Waits are in seconds:
    from when the customer began to wait for a person to the answer.
    """

    conversation_id: str
    number: int
    customer: str
    started_at: str
    last_at: str
    last_by: Role | None = None
    status: Status = "pending"
    replies: int = 0
    answers: int = 0
    last_reply: Outcome | None = None
    verdict: Literal["yes", "no"] | None = None
    thumbs: dict[str, Literal["up", "down"]] = Field(default_factory=dict)
    csat: int | None = None
    handoffs: tuple[str, ...] = ()
    opened_at: str | None = None
    waiting_since: str | None = None
    human_answers: int = 0
    first_wait_s: float | None = None
    later_waits_s: tuple[float, ...] = ()
    resolved_at: str | None = None


class Visits:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def last(self, conversation_id: str) -> tuple[Visit, str] | None:
        """The conversation's last visit, and the event up to which it was read."""
        query = (
            select(visits.c.visit, visits.c.upto)
            .where(visits.c.conversation_id == conversation_id)
            .order_by(visits.c.number.desc())
            .limit(1)
        )
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (Visit.model_validate_json(row.visit), row.upto)

    def keep(self, found: Sequence[Visit], upto: str, before: str | None) -> None:
        """The last visit of one conversation as it is now, and those after it. Nothing is written
        if another process read on from `before` meanwhile, or if the conversation was erased."""
        conversation_id, customer = found[0].conversation_id, found[-1].customer
        mine = visits.c.conversation_id == conversation_id
        reached = select(visits.c.upto).where(mine).order_by(visits.c.number.desc()).limit(1)
        with self._database.begin() as connection:
            if self._is_erased(connection, conversation_id):
                return
            if connection.scalar(reached) != before:
                return
            for one in found:
                values = {
                    "customer": customer,
                    "started_at": one.started_at,
                    "last_at": one.last_at,
                    "upto": upto,
                    "resolved": int(one.resolved_at is not None),
                    "visit": one.model_dump_json(),
                }
                key = {"conversation_id": conversation_id, "number": one.number}
                statement = self._database.upsert(visits).values(**key, **values)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[visits.c.conversation_id, visits.c.number], set_=values
                    )
                )
            # Who says only later who they are was the same before.
            connection.execute(update(visits).where(mine).values(customer=customer))

    def between(self, start: str, end: str) -> list[Visit]:
        """Begun from `start` on and before `end`, oldest first."""
        query = (
            select(visits.c.customer, visits.c.visit)
            .where(visits.c.started_at >= start, visits.c.started_at < end)
            .order_by(visits.c.started_at, visits.c.conversation_id, visits.c.number)
        )
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
        found = [(row.customer, Visit.model_validate_json(row.visit)) for row in rows]
        return [
            one if one.customer == who else one.model_copy(update={"customer": who})
            for who, one in found
        ]

    def first(self) -> str | None:
        """When the first visit that is known began."""
        query = select(visits.c.started_at).order_by(visits.c.started_at).limit(1)
        with self._database.begin() as connection:
            return connection.scalar(query)

    def position(self) -> str | None:
        with self._database.begin() as connection:
            return connection.scalar(select(_position.c.position))

    def reached(self, position: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(_position))
            connection.execute(insert(_position).values(id=1, position=position))

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(visits).where(visits.c.conversation_id == conversation_id))
