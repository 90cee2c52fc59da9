"""Who is signed in where, in SQL.

Knows users by their ids only. Every method blocks. Invariant: no session's token can be read from
here; what a list calls a session proves nothing to anybody.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Final, NamedTuple

from sqlalchemy import Column, String, Table, Text, delete, insert, select
from sqlalchemy.engine import Connection

from agent.domain import Noun, now
from agent.storage.sql import Database, metadata

SESSION: Final = timedelta(hours=12)
_NAME: Final = 24  # characters of the hash that tell sessions apart

_sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False, index=True),
    Column("expires_at", String(32), nullable=False, index=True),
    Column("created_at", String(32)),
    Column("address", String(64)),
    Column("agent", Text),
)


class Origin(NamedTuple):
    """Where a sign-in came from: the network address, and what the browser says it is."""

    address: str | None = None
    agent: str | None = None


NOWHERE: Final = Origin()


class Session(Noun):
    id: str
    created_at: str | None
    expires_at: str
    address: str | None
    agent: str | None


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, connection: Connection, user_id: str, origin: Origin) -> str:
        """A new session's token, which is shown this once."""
        token = token_urlsafe(32)
        connection.execute(delete(_sessions).where(_sessions.c.expires_at < now()))
        connection.execute(
            insert(_sessions).values(
                sha256=_digest(token),
                user_id=user_id,
                expires_at=_moment(SESSION),
                created_at=now(),
                address=origin.address,
                agent=origin.agent and origin.agent[:200],
            )
        )
        return token

    def user_id(self, token: str) -> str | None:
        query = select(_sessions.c.user_id).where(
            _sessions.c.sha256 == _digest(token), _sessions.c.expires_at > now()
        )
        with self._database.begin() as connection:
            return connection.scalar(query)

    def name(self, token: str) -> str:
        """What `of` calls the session of this token."""
        return _digest(token)[:_NAME]

    def of(self, user_id: str) -> list[Session]:
        """Newest first."""
        query = (
            select(_sessions)
            .where(_sessions.c.user_id == user_id, _sessions.c.expires_at > now())
            .order_by(_sessions.c.expires_at.desc())
        )
        with self._database.begin() as connection:
            return [
                Session(
                    id=row.sha256[:_NAME],
                    created_at=row.created_at,
                    expires_at=row.expires_at,
                    address=row.address,
                    agent=row.agent,
                )
                for row in connection.execute(query)
            ]

    def end(self, token: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.sha256 == _digest(token)))

    def end_named(self, user_id: str, name: str) -> bool:
        """Whether there was such a session of theirs."""
        theirs = (_sessions.c.user_id == user_id) & (_sessions.c.sha256.startswith(name))
        if len(name) != _NAME or not name.isalnum():
            return False
        with self._database.begin() as connection:
            return connection.execute(delete(_sessions).where(theirs)).rowcount > 0

    def end_all(self, connection: Connection, user_id: str, but: str | None = None) -> None:
        """`but` is the token of the one session that goes on."""
        theirs = _sessions.c.user_id == user_id
        if but is not None:
            theirs &= _sessions.c.sha256 != _digest(but)
        connection.execute(delete(_sessions).where(theirs))


def _moment(ahead: timedelta) -> str:
    moment = datetime.now(UTC) + ahead
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(token: str) -> str:
    """256 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
