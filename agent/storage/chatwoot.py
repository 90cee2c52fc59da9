"""Which of our conversations belongs to which one of a Chatwoot inbox, in SQL.

Every method blocks: call it through `asyncio.to_thread`. Invariant: one of theirs has one of ours.
"""

from typing import NamedTuple

from sqlalchemy import Column, Integer, String, Table, delete, select
from sqlalchemy.engine import Connection

from agent.storage.sql import Database, metadata

_links = Table(
    "chatwoot_links",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("theirs", Integer, primary_key=True, autoincrement=False),
    Column("conversation_id", String(80), nullable=False, index=True),
)


class Theirs(NamedTuple):
    """A conversation there: the account, and the number that its people see."""

    account: int
    conversation: int


class ChatwootRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    def ours(self, theirs: Theirs) -> str | None:
        query = select(_links.c.conversation_id).where(
            _links.c.account == theirs.account, _links.c.theirs == theirs.conversation
        )
        with self._database.begin() as connection:
            return connection.scalar(query)

    def theirs(self, conversation_id: str) -> Theirs | None:
        query = select(_links).where(_links.c.conversation_id == conversation_id)
        with self._database.begin() as connection:
            row = connection.execute(query).first()
        return None if row is None else Theirs(row.account, row.theirs)

    def link(self, theirs: Theirs, conversation_id: str) -> str:
        """Ours, which is another one if somebody was faster."""
        values = {"account": theirs.account, "theirs": theirs.conversation}
        with self._database.begin() as connection:
            insert = self._database.upsert(_links).values(**values, conversation_id=conversation_id)
            connection.execute(insert.on_conflict_do_nothing())
        return self.ours(theirs) or conversation_id

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(_links).where(_links.c.conversation_id == conversation_id))
