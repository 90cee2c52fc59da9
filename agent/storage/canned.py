"""Canned replies in SQL: texts that staff send again and again, each under a short name.

Every method blocks: call it through `asyncio.to_thread`. Invariant: a name belongs to one reply.
"""

from typing import Any, Final

from sqlalchemy import Column, String, Table, Text, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from agent.domain import Noun, new_id, now
from agent.errors import Conflict, InvalidRequest, NotFound
from agent.storage.sql import Database, metadata

MAX_REPLIES: Final = 500

_canned = Table(
    "canned_replies",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("content", Text, nullable=False),
    Column("updated_at", String(32), nullable=False),
)


class CannedReply(Noun):
    """`{name}` in `content` stands for the customer's name; whoever inserts the text fills it."""

    id: str
    name: str
    content: str
    updated_at: str


class CannedReplies:
    def __init__(self, database: Database) -> None:
        self._database = database

    def everything(self) -> list[CannedReply]:
        """By name."""
        with self._database.begin() as connection:
            return [_reply(row) for row in connection.execute(select(_canned).order_by("name"))]

    def add(self, name: str, content: str) -> CannedReply:
        """Raises Conflict if the name is taken, InvalidRequest if there are too many."""
        reply = CannedReply(id=new_id("cr"), name=name, content=content, updated_at=now())
        try:
            with self._database.begin() as connection:
                count = connection.scalar(select(func.count()).select_from(_canned)) or 0
                if count >= MAX_REPLIES:
                    raise InvalidRequest(
                        f"There are {MAX_REPLIES} canned replies: delete some first.", field="name"
                    )
                connection.execute(insert(_canned).values(reply.model_dump()))
        except IntegrityError as error:
            raise _taken() from error
        return reply

    def change(self, reply_id: str, name: str, content: str) -> CannedReply:
        """Raises NotFound, or Conflict if the name is another's."""
        reply = CannedReply(id=reply_id, name=name, content=content, updated_at=now())
        statement = update(_canned).where(_canned.c.id == reply_id).values(reply.model_dump())
        try:
            with self._database.begin() as connection:
                if connection.execute(statement).rowcount == 0:
                    raise _unknown()
        except IntegrityError as error:
            raise _taken() from error
        return reply

    def remove(self, reply_id: str) -> None:
        """Raises NotFound."""
        with self._database.begin() as connection:
            if connection.execute(delete(_canned).where(_canned.c.id == reply_id)).rowcount == 0:
                raise _unknown()


def _reply(row: Any) -> CannedReply:
    return CannedReply(id=row.id, name=row.name, content=row.content, updated_at=row.updated_at)


def _taken() -> Conflict:
    return Conflict("There is a canned reply of this name already: choose another name.")


def _unknown() -> NotFound:
    return NotFound("There is no such canned reply: somebody may have deleted it.")
