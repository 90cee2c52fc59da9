"""Staff and admins in SQL: accounts, sessions, failed sign-ins.

Every method blocks: call it through `asyncio.to_thread`. Invariant: no password and no session can
be read from here; whether an e-mail address has an account cannot be told from what a failed
sign-in answers, nor from how long it takes.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Column, Integer, String, Table, Text, delete, insert, select
from sqlalchemy.exc import IntegrityError

from agent.domain import Noun, new_id, now
from agent.errors import Conflict, InvalidRequest, NotAuthorized, TooManyTries
from agent.storage.sql import Database, metadata

UserRole = Literal["staff", "supervisor", "admin"]
ROLES: Final[tuple[UserRole, ...]] = ("staff", "supervisor", "admin")  # each may what those before
SESSION: Final = timedelta(hours=12)
INVITATION: Final = timedelta(hours=24)
FREE_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 60  # after the free tries; each further one doubles it
_LONGEST_PAUSE_S: Final = 3600
_FORGIVEN_AFTER: Final = timedelta(hours=24)
_SHORTEST_PASSWORD: Final = 8
_LONGEST_PASSWORD: Final = 1024  # Argon2 reads all of it

_users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("password", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", String(32), nullable=False),
)
_sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False, index=True),
    Column("expires_at", String(32), nullable=False, index=True),
)
_failures = Table(
    "sign_in_failures",
    metadata,
    Column("email_sha256", String(64), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("at", String(32), nullable=False, index=True),
)
_invitations = Table(
    "invitations",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("expires_at", String(32), nullable=False),
)


class User(Noun):
    id: str
    email: str
    role: UserRole
    created_at: str

    @property
    def display_name(self) -> str:
        """What others read: "ann.moss@example.org" is "Ann Moss"."""
        name = self.email.partition("@")[0]
        return " ".join(part.capitalize() for part in name.replace("_", ".").split(".") if part)

    def may(self, role: UserRole) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class People:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._passwords = PasswordHasher()
        # What an unknown e-mail's password is compared with, so that the answer takes as long.
        self._nobody = self._passwords.hash(token_urlsafe(16))

    def add(self, email: str, password: str, role: UserRole) -> User:
        """Raises Conflict if the e-mail is taken, InvalidRequest for what is no e-mail address, no
        role, or no password that anybody should have."""
        address = _mailbox(email)
        name, at, host = address.rpartition("@")
        if not (at and name and host) or len(address) > 320 or any(map(str.isspace, address)):
            raise InvalidRequest("This is no e-mail address: name@example.com.", field="email")
        if role not in ROLES:
            raise InvalidRequest(f"A role is one of {', '.join(ROLES)}.", field="role")
        user = User(id=new_id("u"), email=address, role=role, created_at=now())
        values = {**user.model_dump(), "password": self._hashed(password)}
        try:
            with self._database.begin() as connection:
                connection.execute(insert(_users).values(values))
        except IntegrityError as error:
            raise Conflict("There is a user with this e-mail address already.") from error
        return user

    def get(self, user_id: str) -> User | None:
        with self._database.begin() as connection:
            row = connection.execute(select(_users).where(_users.c.id == user_id)).one_or_none()
        return None if row is None else _user(row)

    def everybody(self) -> list[User]:
        with self._database.begin() as connection:
            return [_user(row) for row in connection.execute(select(_users).order_by("email"))]

    def invite_first_admin(self) -> str | None:
        """A token that makes one admin, in place of those before it; None if there is an admin."""
        token = token_urlsafe(32)
        admins = select(_users.c.id).where(_users.c.role == "admin").limit(1)
        with self._database.begin() as connection:
            connection.execute(delete(_invitations))
            if connection.scalar(admins) is not None:
                return None
            connection.execute(
                insert(_invitations).values(
                    sha256=_digest(token), role="admin", expires_at=_moment(INVITATION)
                )
            )
        return token

    def accept(self, token: str, email: str, password: str) -> User:
        """The invited user. Raises NotAuthorized for a token that is used up or too old, and what
        `add` raises, for which the token stays good."""
        known = (_invitations.c.sha256 == _digest(token)) & (_invitations.c.expires_at > now())
        with self._database.begin() as connection:
            role = connection.scalar(select(_invitations.c.role).where(known))
        if role is None:
            raise NotAuthorized("This link is used or has ended: start Frontdesk for a new one.")
        user = self.add(email, password, role)
        with self._database.begin() as connection:
            if connection.execute(delete(_invitations).where(known)).rowcount == 1:
                return user
            connection.execute(delete(_users).where(_users.c.id == user.id))  # somebody was faster
        raise NotAuthorized("This link was used just now.")

    def verify_password(self, email: str, password: str) -> User | None:
        """The user, if the password is theirs; takes as long if there is no such user."""
        query = select(_users).where(_users.c.email == _mailbox(email))
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        try:
            self._passwords.verify(self._nobody if row is None else row.password, password)
        except VerificationError:
            return None
        return None if row is None else _user(row)

    # -- signing in

    def sign_in(self, email: str, password: str) -> tuple[User, str] | None:
        """The user and a new session's token, which is shown this once; None if the password is not
        theirs. Raises TooManyTries while an address is locked."""
        address = _digest(_mailbox(email))
        self._require_unlocked(address)
        user = self.verify_password(email, password[:_LONGEST_PASSWORD])
        if user is None:
            self._failed(address)
            return None
        token = token_urlsafe(32)
        with self._database.begin() as connection:
            connection.execute(
                delete(_failures).where(_failures.c.email_sha256 == _digest(_mailbox(email)))
            )
            connection.execute(delete(_sessions).where(_sessions.c.expires_at < now()))
            connection.execute(
                insert(_sessions).values(
                    sha256=_digest(token), user_id=user.id, expires_at=_moment(SESSION)
                )
            )
        return user, token

    def of_session(self, token: str) -> User | None:
        query = (
            select(_users)
            .join(_sessions, _sessions.c.user_id == _users.c.id)
            .where(_sessions.c.sha256 == _digest(token), _sessions.c.expires_at > now())
        )
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _user(row)

    def sign_out(self, token: str) -> None:
        with self._database.begin() as connection:
            connection.execute(delete(_sessions).where(_sessions.c.sha256 == _digest(token)))

    def change_password(self, user: User, old: str, new: str) -> None:
        """Ends all of the user's sessions. Raises InvalidRequest if the old one is not theirs, or
        the new one will not do, TooManyTries while the address is locked."""
        address = _digest(user.email)
        self._require_unlocked(address)
        if self.verify_password(user.email, old[:_LONGEST_PASSWORD]) is None:
            self._failed(address)
            raise InvalidRequest("This is not your password.", field="old")
        hashed = self._hashed(new)
        with self._database.begin() as connection:
            connection.execute(
                _users.update().where(_users.c.id == user.id).values(password=hashed)
            )
            connection.execute(delete(_sessions).where(_sessions.c.user_id == user.id))

    def _hashed(self, password: str) -> str:
        if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise InvalidRequest(
                f"A password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD:,} characters.",
                field="password",
            )
        return self._passwords.hash(password)

    def _require_unlocked(self, address: str) -> None:
        query = select(_failures).where(_failures.c.email_sha256 == address)
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.tries < FREE_TRIES:
            return
        pause = min(_FIRST_PAUSE_S * 2 ** (row.tries - FREE_TRIES), _LONGEST_PAUSE_S)
        since = datetime.now(UTC) - datetime.fromisoformat(row.at)
        if (left := pause - since.total_seconds()) > 0:
            raise TooManyTries(
                "Too many wrong passwords for this address: wait, then try again.", retry_after=left
            )

    def _failed(self, address: str) -> None:
        statement = self._database.upsert(_failures).values(email_sha256=address, tries=1, at=now())
        with self._database.begin() as connection:
            connection.execute(delete(_failures).where(_failures.c.at < _moment(-_FORGIVEN_AFTER)))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[_failures.c.email_sha256],
                    set_={"tries": _failures.c.tries + 1, "at": now()},
                )
            )


def _user(row: Any) -> User:
    return User(id=row.id, email=row.email, role=row.role, created_at=row.created_at)


def _moment(ahead: timedelta) -> str:
    moment = datetime.now(UTC) + ahead
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(text: str) -> str:
    """Of a token: 256 random bits need no salt. Or of an address, so that the table of failures,
    which anybody can fill, is no list of what people typed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _mailbox(email: str) -> str:
    return email.strip().casefold()
