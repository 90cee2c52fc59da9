"""Staff and admins in SQL: accounts, the links that open them, signing in.

Every method blocks: call it through `asyncio.to_thread`. Invariants: no password and no link can be
read from here; whether an e-mail address has an account cannot be told from what a failed sign-in
answers, nor from how long it takes; there is always an admin who can sign in, once there was one.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Final, Literal, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Column, ColumnElement, String, Table, Text, delete, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from agent.domain import Noun, new_id, now
from agent.errors import Conflict, InvalidRequest, NotAuthorized, NotFound
from agent.storage import lockout
from agent.storage.lockout import Lockout
from agent.storage.sessions import NOWHERE, Origin, Sessions
from agent.storage.sql import Database, metadata

UserRole = Literal["staff", "supervisor", "admin"]
ROLES: Final[tuple[UserRole, ...]] = ("staff", "supervisor", "admin")  # each may what those before
INVITATION: Final = timedelta(hours=24)
_SHORTEST_PASSWORD: Final = 8
_LONGEST_PASSWORD: Final = 1024  # Argon2 reads all of it
_LONGEST_NAME: Final = 100
_NONE: Final = ""  # the hash of no password

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("password", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("name", Text),
    Column("deactivated_at", String(32)),
    Column("signed_in_at", String(32)),
    Column("oidc_subject", Text, index=True, unique=True),
)
# Of the first admin, who is nobody yet, or of a user who may choose a password by it.
_invitations = Table(
    "invitations",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("user_id", String(64)),
)


class User(Noun):
    """`invited`: has not come in yet, and has no password to do so."""

    id: str
    email: str
    role: UserRole
    created_at: str
    name: str | None = None
    active: bool = True
    invited: bool = False
    signed_in_at: str | None = None

    @property
    def display_name(self) -> str:
        """What others read; without a name "ann.moss@example.org" is "Ann Moss"."""
        if self.name:
            return self.name
        name = self.email.partition("@")[0]
        return " ".join(part.capitalize() for part in name.replace("_", ".").split(".") if part)

    def may(self, role: UserRole) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class Link(NamedTuple):
    """Shown this once; whoever has the token may choose the user's password."""

    token: str
    expires_at: str


class Wish(Noun):
    """What to change of a user; None: leave it."""

    role: UserRole | None = None
    name: str | None = None
    active: bool | None = None


def _reigns() -> ColumnElement[bool]:
    """Admins who can come in."""
    enters = (users.c.password != _NONE) | users.c.oidc_subject.is_not(None)
    return (users.c.role == "admin") & users.c.deactivated_at.is_(None) & enters


class People:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.lockout = Lockout(database)
        self.sessions = Sessions(database)
        self._passwords = PasswordHasher()
        # What an unknown e-mail's password is compared with, so that the answer takes as long.
        self._nobody = self._passwords.hash(token_urlsafe(16))

    # -- accounts

    def add(
        self, email: str, password: str | None, role: UserRole, name: str | None = None
    ) -> User:
        """Without a password they come in by a link, or from the company's identity provider.

        Raises Conflict if the e-mail is taken, InvalidRequest for what is no e-mail address, no
        role, or no password that anybody should have."""
        values = {
            "id": new_id("u"),
            "email": _address(email),
            "password": _NONE if password is None else self._hashed(password),
            "role": _role(role),
            "created_at": now(),
            "name": _name(name),
        }
        try:
            with self._database.begin() as connection:
                connection.execute(insert(users).values(values))
                row = connection.execute(select(users).where(users.c.id == values["id"])).one()
        except IntegrityError as error:
            raise Conflict("There is a user with this e-mail address already.") from error
        return _user(row)

    def get(self, user_id: str) -> User | None:
        with self._database.begin() as connection:
            row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
        return None if row is None else _user(row)

    def by_email(self, email: str) -> User | None:
        query = select(users).where(users.c.email == _mailbox(email))
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _user(row)

    def everybody(self) -> list[User]:
        with self._database.begin() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by("email"))]

    def change(self, user_id: str, wish: Wish) -> User:
        """Who is deactivated is signed out everywhere. Raises NotFound, and Conflict where nobody
        would be left who may do this."""
        values = _changes(wish)
        with self._database.begin() as connection:
            # PostgreSQL holds two admins who demote each other at once apart here; in SQLite, the
            # condition of the one update does.
            admins = select(users.c.id).where(_reigns())
            connection.execute(admins.with_for_update())
            changed = users.c.id == user_id
            if wish.active is False or wish.role in ("staff", "supervisor"):
                others = admins.where(users.c.id != user_id).correlate(None).exists()
                changed &= ~_reigns() | others
            statement = update(users).where(changed).values(values)
            done = not values or connection.execute(statement).rowcount
            row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
            if row is None:
                raise NotFound("There is no such user.")
            if not done:
                raise Conflict("This is the last admin: make somebody else one first.")
            if wish.active is False:
                self.sessions.end_all(connection, user_id)
                connection.execute(delete(_invitations).where(_invitations.c.user_id == user_id))
        return _user(row)

    def sign_out_everywhere(self, user_id: str, but: str | None = None) -> None:
        """`but` is the token of the session that goes on."""
        with self._database.begin() as connection:
            self.sessions.end_all(connection, user_id, but)

    # -- links

    def invite_first_admin(self) -> str | None:
        """A token that makes one admin, in place of those before it; None if there is an admin."""
        token = token_urlsafe(32)
        with self._database.begin() as connection:
            connection.execute(delete(_invitations).where(_invitations.c.user_id.is_(None)))
            if connection.scalar(select(users.c.id).where(_reigns()).limit(1)) is not None:
                return None
            _invite(connection, token, "admin", None)
        return token

    def link(self, user_id: str) -> Link:
        """By which the user chooses a password, in place of those before it. Raises NotFound, and
        Conflict for somebody who may not come in."""
        token = token_urlsafe(32)
        with self._database.begin() as connection:
            row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
            if row is None:
                raise NotFound("There is no such user.")
            if row.deactivated_at is not None:
                raise Conflict("This user is deactivated: activate them first.")
            connection.execute(delete(_invitations).where(_invitations.c.user_id == user_id))
            return Link(token, _invite(connection, token, row.role, user_id))

    def accept(self, token: str, email: str, password: str) -> User:
        """The invited user, or the one who has a new password and no session any more; `email` is
        the first admin's. Raises NotAuthorized for a token that is used up or too old, and what
        `add` raises, for which the token stays good."""
        known = (_invitations.c.sha256 == _digest(token)) & (_invitations.c.expires_at > now())
        with self._database.begin() as connection:
            found = connection.execute(select(_invitations).where(known)).one_or_none()
        if found is None:
            raise NotAuthorized("This link is used or has ended: ask for a new one.")
        if found.user_id is not None:
            return self._choose_password(token, found.user_id, self._hashed(password))
        user = self.add(email, password, found.role)
        with self._database.begin() as connection:
            if connection.execute(delete(_invitations).where(known)).rowcount == 1:
                return user
            connection.execute(delete(users).where(users.c.id == user.id))  # somebody was faster
        raise NotAuthorized("This link was used just now.")

    def _choose_password(self, token: str, user_id: str, hashed: str) -> User:
        used = delete(_invitations).where(_invitations.c.sha256 == _digest(token))
        with self._database.begin() as connection:
            if connection.execute(used).rowcount != 1:
                raise NotAuthorized("This link was used just now.")
            theirs = users.c.id == user_id
            connection.execute(update(users).where(theirs).values(password=hashed))
            self.sessions.end_all(connection, user_id)
            user = _user(connection.execute(select(users).where(theirs)).one())
            self.lockout.forgive(connection, lockout.account(user.email))
        return user

    # -- signing in

    def verify_password(self, email: str, password: str) -> User | None:
        """The user, if the password is theirs; takes as long if there is no such user."""
        query = select(users).where(users.c.email == _mailbox(email))
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        enters = row is not None and row.password != _NONE and row.deactivated_at is None
        try:
            self._passwords.verify(row.password if row and enters else self._nobody, password)
        except VerificationError:
            return None
        return _user(row) if enters else None

    def sign_in(
        self, email: str, password: str, origin: Origin = NOWHERE
    ) -> tuple[User, str] | None:
        """The user and a new session's token, which is shown this once; None if the password is not
        theirs. Raises TooManyTries while an account, known or not, or an address is locked."""
        tried = [lockout.account(_mailbox(email))]
        if origin.address:
            tried.append(lockout.address(origin.address))
        self.lockout.require_open(*tried)
        user = self.verify_password(email, password[:_LONGEST_PASSWORD])
        if user is None:
            self.lockout.failed(*tried)
            return None
        return self.enter(user.id, origin)

    def enter(self, user_id: str, origin: Origin) -> tuple[User, str]:
        """A new session of somebody who has proved who they are."""
        with self._database.begin() as connection:
            theirs = users.c.id == user_id
            connection.execute(update(users).where(theirs).values(signed_in_at=now()))
            user = _user(connection.execute(select(users).where(theirs)).one())
            self.lockout.forgive(connection, lockout.account(user.email))
            return user, self.sessions.start(connection, user_id, origin)

    def is_locked(self, email: str) -> bool:
        return self.lockout.is_locked(lockout.account(_mailbox(email)))

    def of_session(self, token: str) -> User | None:
        user_id = self.sessions.user_id(token)
        user = None if user_id is None else self.get(user_id)
        return user if user is not None and user.active else None

    def sign_out(self, token: str) -> None:
        self.sessions.end(token)

    def change_password(self, user: User, old: str, new: str) -> None:
        """Ends all of the user's sessions. Raises InvalidRequest if the old one is not theirs, or
        the new one will not do, TooManyTries while the account is locked."""
        tried = lockout.account(user.email)
        self.lockout.require_open(tried)
        if self.verify_password(user.email, old[:_LONGEST_PASSWORD]) is None:
            self.lockout.failed(tried)
            raise InvalidRequest("This is not your password.", field="old")
        hashed = self._hashed(new)
        with self._database.begin() as connection:
            connection.execute(update(users).where(users.c.id == user.id).values(password=hashed))
            self.sessions.end_all(connection, user.id)

    def _hashed(self, password: str) -> str:
        if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise InvalidRequest(
                f"A password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD:,} characters.",
                field="password",
            )
        return self._passwords.hash(password)


def _invite(connection: Connection, token: str, role: str, user_id: str | None) -> str:
    expires_at = _moment(INVITATION)
    connection.execute(delete(_invitations).where(_invitations.c.expires_at < now()))
    connection.execute(
        insert(_invitations).values(
            sha256=_digest(token), role=role, expires_at=expires_at, user_id=user_id
        )
    )
    return expires_at


def _user(row: Any) -> User:
    return User(
        id=row.id,
        email=row.email,
        role=row.role,
        created_at=row.created_at,
        name=row.name,
        active=row.deactivated_at is None,
        invited=row.password == _NONE and row.oidc_subject is None,
        signed_in_at=row.signed_in_at,
    )


def _changes(wish: Wish) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    if wish.role is not None:
        values["role"] = _role(wish.role)
    if wish.name is not None:
        values["name"] = _name(wish.name)
    if wish.active is not None:
        values["deactivated_at"] = None if wish.active else now()
    return values


def _role(role: str) -> str:
    if role not in ROLES:
        raise InvalidRequest(f"A role is one of {', '.join(ROLES)}.", field="role")
    return role


def _name(name: str | None) -> str | None:
    if name is not None and len(name) > _LONGEST_NAME:
        raise InvalidRequest(f"A name has at most {_LONGEST_NAME} characters.", field="name")
    return name or None


def _address(email: str) -> str:
    address = _mailbox(email)
    name, at, host = address.rpartition("@")
    if not (at and name and host) or len(address) > 320 or any(map(str.isspace, address)):
        raise InvalidRequest("This is no e-mail address: name@example.com.", field="email")
    return address


def _moment(ahead: timedelta) -> str:
    moment = datetime.now(UTC) + ahead
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(token: str) -> str:
    """256 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _mailbox(email: str) -> str:
    return email.strip().casefold()
