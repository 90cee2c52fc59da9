"""People who come in through the company's identity provider, in SQL.

Every method blocks. Invariants: somebody who came in once is known by the provider's subject from
then on, whatever their e-mail address becomes; no second subject ever enters the same account; an
attempt that came back is spent.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from agent.domain import now
from agent.errors import Forbidden, NotAuthorized
from agent.storage.people import People, User, UserRole, users
from agent.storage.sql import Database, metadata

_spent = Table(
    "spent_sign_ins",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("expires_at", String(32), nullable=False, index=True),
)


class Federation:
    def __init__(self, database: Database, people: People) -> None:
        self._database = database
        self._people = people

    def spend(self, state: str, lasts_s: int) -> None:
        """Raises NotAuthorized if this attempt came back before."""
        until = datetime.now(UTC) + timedelta(seconds=lasts_s)
        values = {
            "sha256": hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest(),
            "expires_at": until.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        try:
            with self._database.begin() as connection:
                connection.execute(delete(_spent).where(_spent.c.expires_at < now()))
                connection.execute(insert(_spent).values(values))
        except IntegrityError as error:
            raise NotAuthorized("This sign-in was used already: begin it again.") from error

    def admit(self, subject: str, email: str, name: str | None, role: UserRole | None) -> User:
        """The account of this subject, else the one of this verified e-mail address, which is
        theirs from now on, else a new one with `role`. Raises Forbidden for everybody else."""
        with self._database.begin() as connection:
            known = connection.scalar(select(users.c.id).where(users.c.oidc_subject == subject))
        user = self._people.get(known) if known else self._people.by_email(email)
        if user is None:
            if role is None:
                raise Forbidden("Nobody here knows you yet: ask an admin to invite you.")
            user = self._people.add(email, None, role, name)
        if not user.active:
            raise Forbidden("Your account is deactivated: ask an admin.")
        if not known:
            self._bind(user, subject, name)
        return user

    def _bind(self, user: User, subject: str, name: str | None) -> None:
        free = (users.c.id == user.id) & users.c.oidc_subject.is_(None)
        values = {"oidc_subject": subject, "name": user.name or name}
        with self._database.begin() as connection:
            if connection.execute(update(users).where(free).values(values)).rowcount != 1:
                raise Forbidden("This e-mail address is somebody else's here: ask an admin.")
