"""Who of the staff, the admins and their programs did what, in SQL.

Every method blocks. Invariant: an entry is never changed; it goes with its age alone. No entry
holds what was said or a secret: whoever appends names things by their ids.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Column, Integer, String, Table, Text, delete, insert, select

from agent.domain import Noun, now
from agent.storage.sql import Database, metadata

ActorKind = Literal["user", "key", "owner", "nobody"]

_audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String(32), nullable=False, index=True),
    Column("actor_kind", String(8), nullable=False),
    Column("actor_id", String(64), index=True),
    Column("actor", Text, nullable=False),
    Column("action", String(80), nullable=False, index=True),
    Column("subject", String(200)),
    Column("detail", String(200)),
    Column("status", Integer, nullable=False),
    Column("address", String(64)),
    sqlite_autoincrement=True,  # a number is never given twice, though old entries go
)


class Actor(Noun):
    """`name` is how they were called then: people and keys come, go and are renamed. `owner` is
    whoever may use the command line, `nobody` somebody who is not signed in."""

    kind: ActorKind
    id: str | None = None
    name: str = ""


NOBODY = Actor(kind="nobody", name="not signed in")
OWNER = Actor(kind="owner", name="command line")


class Entry(Noun):
    """`subject` is the id of what it was done to, `detail` what changed, `status` that of HTTP."""

    id: str = ""
    at: str = ""
    actor: Actor
    action: str
    subject: str | None = None
    detail: str | None = None
    status: int = 200
    address: str | None = None


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entry: Entry) -> None:
        with self._database.begin() as connection:
            connection.execute(
                insert(_audit).values(
                    at=now(),
                    actor_kind=entry.actor.kind,
                    actor_id=entry.actor.id,
                    actor=entry.actor.name,
                    action=entry.action,
                    subject=entry.subject and entry.subject[:200],
                    detail=entry.detail and entry.detail[:200],
                    status=entry.status,
                    address=entry.address,
                )
            )

    def page(
        self, *, before: int | None, limit: int, actor: str | None, action: str | None
    ) -> list[Entry]:
        """Newest first; `actor` is an id or a name, `action` a whole one or its beginning."""
        query = select(_audit).order_by(_audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(_audit.c.number < before)
        if actor is not None:
            query = query.where((_audit.c.actor_id == actor) | (_audit.c.actor == actor))
        if action is not None:
            query = query.where(_audit.c.action.startswith(action, autoescape=True))
        with self._database.begin() as connection:
            return [
                Entry(
                    id=str(row.number),
                    at=row.at,
                    actor=Actor(kind=row.actor_kind, id=row.actor_id, name=row.actor),
                    action=row.action,
                    subject=row.subject,
                    detail=row.detail,
                    status=row.status,
                    address=row.address,
                )
                for row in connection.execute(query)
            ]

    def forget_older_than(self, days: int) -> int:
        """How many went."""
        oldest = datetime.now(UTC) - timedelta(days=days)
        text = oldest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._database.begin() as connection:
            return connection.execute(delete(_audit).where(_audit.c.at < text)).rowcount
