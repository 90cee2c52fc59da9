"""What other programs are to be told, in SQL until they have heard it.

Every method blocks: call it through `asyncio.to_thread`. Invariant: what happened is kept once for
each address under an id that does not change, however often the feed is read again; an erased
conversation is told to nobody.
"""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Column, Float, Integer, String, Table, Text, delete, func, select, update
from sqlalchemy.engine import Connection

from agent.storage.sql import Database, metadata

MAX_WAITING: Final = 10_000  # for one address; what comes beyond is not told to it
_REMEMBERED_S: Final = 3 * 24 * 3600  # so that what is read again is not told again
_FEED: Final = "feed"

_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("url", Text, nullable=False, index=True),
    Column("conversation_id", String(80), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float),  # None: delivered or given up
)
_positions = Table(
    "webhook_positions",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("position", String(64), nullable=False),
)


class Delivery(NamedTuple):
    id: str
    url: str
    conversation_id: str
    body: str
    attempts: int = 0


class WebhookRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self) -> str | None:
        """Up to where the feed has been read."""
        with self._database.begin() as connection:
            return connection.scalar(select(_positions.c.position))

    def add(self, deliveries: Sequence[Delivery], position: str) -> int:
        """Keeps them with the position behind them, together; returns how many found no room."""
        moment, refused = time.time(), 0
        with self._database.begin() as connection:
            for number, one in enumerate(deliveries):
                if self._waiting(connection, one.url) >= MAX_WAITING:
                    refused += 1
                    continue
                row = {**one._asdict(), "made_at": moment + number / 1e5, "next_at": moment}
                insert = self._database.upsert(_deliveries).values(row)
                connection.execute(insert.on_conflict_do_nothing())
            values = {"position": position}
            moved = self._database.upsert(_positions).values(name=_FEED, **values)
            connection.execute(
                moved.on_conflict_do_update(index_elements=[_positions.c.name], set_=values)
            )
        return refused

    def claim(self, url: str, lease_s: float, limit: int) -> list[Delivery]:
        """What is due for the address, oldest first; nobody else gets it before the lease ends."""
        moment = time.time()
        due = (
            select(_deliveries)
            .where(_deliveries.c.url == url, _deliveries.c.next_at <= moment)
            .order_by(_deliveries.c.made_at, _deliveries.c.id)
            .limit(limit)
        )
        claimed = []
        with self._database.begin() as connection:
            for row in connection.execute(due).all():
                mine = connection.execute(
                    update(_deliveries)
                    .where(_deliveries.c.id == row.id, _deliveries.c.next_at == row.next_at)
                    .values(next_at=moment + lease_s)
                )
                if mine.rowcount:
                    claimed.append(
                        Delivery(row.id, row.url, row.conversation_id, row.body, row.attempts)
                    )
        return claimed

    def told(self, delivery_id: str, *, again_at: float | None = None) -> None:
        """An attempt was made: with `again_at` it failed and is tried again then. What is over
        loses its words and is forgotten after some days."""
        values: dict[str, object] = {"attempts": _deliveries.c.attempts + 1, "next_at": again_at}
        if again_at is None:
            values["body"] = ""
        with self._database.begin() as connection:
            connection.execute(
                update(_deliveries).where(_deliveries.c.id == delivery_id).values(values)
            )

    def forget_old(self) -> None:
        with self._database.begin() as connection:
            connection.execute(
                delete(_deliveries).where(
                    _deliveries.c.next_at.is_(None),
                    _deliveries.c.made_at < time.time() - _REMEMBERED_S,
                )
            )

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(
            delete(_deliveries).where(_deliveries.c.conversation_id == conversation_id)
        )

    def _waiting(self, connection: Connection, url: str) -> int:
        waiting = select(func.count()).where(
            _deliveries.c.url == url, _deliveries.c.next_at.is_not(None)
        )
        return connection.scalar(waiting) or 0
