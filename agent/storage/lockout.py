"""Failed sign-ins in SQL, and how long one has to wait after too many.

Counts by account and by network address, and holds neither in clear: the table, which anybody can
fill, is no list of what people typed. Every method blocks. Invariant: whether an account exists
makes no difference here.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Column, Integer, String, Table, delete, select
from sqlalchemy.engine import Connection

from agent.domain import now
from agent.errors import TooManyTries
from agent.storage.sql import Database, metadata

FREE_TRIES: Final = 5
FREE_TRIES_OF_AN_ADDRESS: Final = 30  # an office of people shares one
_FIRST_PAUSE_S: Final = 60  # after the free tries; each further one doubles it


class Counted(NamedTuple):
    """What tries are counted of, and by which rule."""

    key: str
    free: int
    longest_pause_s: int
    forgiven_after: timedelta


def account(email: str) -> Counted:
    return Counted(_digest(f"account {email}"), FREE_TRIES, 3600, timedelta(hours=24))


def address(ip: str) -> Counted:
    return Counted(_digest(f"address {ip}"), FREE_TRIES_OF_AN_ADDRESS, 900, timedelta(hours=1))


_tries = Table(
    "sign_in_tries",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("at", String(32), nullable=False, index=True),
    Column("forgotten_at", String(32), nullable=False, index=True),
)


class Lockout:
    def __init__(self, database: Database) -> None:
        self._database = database

    def require_open(self, *counted: Counted) -> None:
        """Raises TooManyTries while one of them has to wait."""
        for one in counted:
            if (left := self._left_s(one)) > 0:
                raise TooManyTries(
                    "Too many wrong passwords: wait, then try again.", retry_after=left
                )

    def is_locked(self, counted: Counted) -> bool:
        return self._left_s(counted) > 0

    def failed(self, *counted: Counted) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(_tries).where(_tries.c.forgotten_at < now()))
            for one in counted:
                later = datetime.now(UTC) + one.forgiven_after
                values = {"at": now(), "forgotten_at": _text(later)}
                statement = self._database.upsert(_tries).values(sha256=one.key, tries=1, **values)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[_tries.c.sha256],
                        set_={"tries": _tries.c.tries + 1, **values},
                    )
                )

    def forgive(self, connection: Connection, counted: Counted) -> None:
        connection.execute(delete(_tries).where(_tries.c.sha256 == counted.key))

    def _left_s(self, counted: Counted) -> float:
        query = select(_tries).where(_tries.c.sha256 == counted.key, _tries.c.forgotten_at > now())
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.tries < counted.free:
            return 0.0
        doublings = min(row.tries - counted.free, 10)
        pause: int = min(_FIRST_PAUSE_S * 2**doublings, counted.longest_pause_s)
        since = datetime.now(UTC) - datetime.fromisoformat(row.at)
        return pause - since.total_seconds()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
