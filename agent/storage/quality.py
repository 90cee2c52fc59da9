"""What the quality review made of visits, one row a visit, in SQL.

Every method blocks: call it through `asyncio.to_thread`. Invariant: a review goes with its
conversation, and is of the visit as it ended: one that went on is reviewed again.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Column, Float, Integer, String, Table, Text, delete, or_, select
from sqlalchemy.engine import Connection

from agent.domain import Noun
from agent.storage.outcomes import Visit, visits
from agent.storage.sql import Database, metadata

_reviews: Final = Table(
    "visit_reviews",
    metadata,
    Column("conversation_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", String(32), nullable=False, index=True),
    Column("last_at", String(32), nullable=False),
    Column("question", Text, nullable=False),
    Column("resolved", Float),
    Column("correct", Float),
    Column("tone", Float),
    Column("model", Text, nullable=False),
)


class Review(Noun):
    """Scores from 0 to 1, as `Scores` in agent/outcomes/judging.py; None where nothing was judged.
    `question` is what the customer asked last; `last_at` when the visit was last heard of."""

    conversation_id: str
    number: int
    started_at: str
    last_at: str
    question: str
    resolved: float | None
    correct: float | None
    tone: float | None
    model: str


class Reviewed:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def keep(self, review: Review) -> None:
        values = review.model_dump()
        statement = self._database.upsert(_reviews).values(**values)
        with self._database.begin() as connection:
            if not self._is_erased(connection, review.conversation_id):
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[_reviews.c.conversation_id, _reviews.c.number], set_=values
                    )
                )

    def between(self, start: str, end: str) -> list[Review]:
        """Of visits begun from `start` on and before `end`, newest first."""
        query = (
            select(_reviews)
            .where(_reviews.c.started_at >= start, _reviews.c.started_at < end)
            .order_by(_reviews.c.started_at.desc())
        )
        with self._database.begin() as connection:
            return [Review(**row) for row in connection.execute(query).mappings()]

    def due(self, since: str, quiet_since: str, count: int) -> list[Visit]:
        """Visits that are over, begun after `since` and not reviewed as they ended, newest first:
        resolved, or silent since `quiet_since`."""
        there = (_reviews.c.conversation_id == visits.c.conversation_id) & (
            _reviews.c.number == visits.c.number
        )
        query = (
            select(visits.c.visit)
            .outerjoin(_reviews, there)
            .where(
                visits.c.started_at > since,
                or_(visits.c.resolved == 1, visits.c.last_at < quiet_since),
                or_(_reviews.c.last_at.is_(None), _reviews.c.last_at != visits.c.last_at),
            )
            .order_by(visits.c.last_at.desc())
            .limit(count)
        )
        with self._database.begin() as connection:
            return [Visit.model_validate_json(one) for one in connection.scalars(query)]

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(_reviews).where(_reviews.c.conversation_id == conversation_id))
