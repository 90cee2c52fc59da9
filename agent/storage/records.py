"""What outlives conversations, in SQL: API keys, users, generated secrets, the archive.

SQLite in the data directory or PostgreSQL by URL, through SQLAlchemy. Every method blocks: call it
through `asyncio.to_thread`. Invariant: no key and no password can be read from here; an erased
conversation stays erased, whoever writes it afterwards.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any, Final, Literal, Self

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.schema import CreateIndex, CreateTable

from agent.domain import Noun, new_id, now
from agent.errors import Conflict, InvalidRequest, SetupError, StoreUnavailable
from agent.storage.transcript import Transcript

UserRole = Literal["staff", "supervisor", "admin"]
SECRETS_ACTIVE: Final = 2
_SHORTEST_PASSWORD: Final = 8
_TABLES_LOCK: Final = 4_022_250_974

_metadata = MetaData()

_api_keys = Table(
    "api_keys",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("revoked_at", String(32)),
)
_users = Table(
    "users",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("password", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", String(32), nullable=False),
)
_secrets = Table(
    "secrets",
    _metadata,
    Column("name", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", String(32), nullable=False),
)
# A row without a transcript is the tombstone of an erased conversation.
_archive = Table(
    "archived_conversations",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("identifier", Text, index=True),
    Column("created_at", String(32)),
    Column("version", Integer, nullable=False),
    Column("transcript", LargeBinary),
    Column("archived_at", String(32), nullable=False),
)


class ApiKey(Noun):
    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: str


class User(Noun):
    id: str
    email: str
    role: UserRole
    created_at: str


class Records:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._passwords = PasswordHasher()
        # What an unknown e-mail's password is compared with, so that the answer takes as long.
        self._nobody = self._passwords.hash(token_urlsafe(16))

    @classmethod
    def open(cls, url: str) -> Self:
        """`sqlite:///…` or `postgresql://…`; makes the tables that are not there yet.

        Raises SetupError if it is no such URL, StoreUnavailable if the database does not answer.
        """
        engine = _engine(url)
        records = cls(engine)
        try:
            with _mapped_errors():
                _make_tables(engine)
        except BaseException:
            engine.dispose()
            raise
        return records

    def close(self) -> None:
        self._engine.dispose()

    def ping(self) -> None:
        with self._begin() as connection:
            connection.execute(select(1))

    # -- API keys

    def add_api_key(self, name: str, scopes: Sequence[str] = ()) -> str:
        """The new key, which is shown this once. `scopes` mean what the HTTP edge says."""
        key = f"fd_{token_urlsafe(32)}"
        with self._begin() as connection:
            connection.execute(
                insert(_api_keys).values(
                    id=new_id("k"),
                    name=name,
                    sha256=_digest(key),
                    scopes=json.dumps(list(scopes)),
                    created_at=now(),
                )
            )
        return key

    def verify_api_key(self, key: str) -> ApiKey | None:
        digest = _digest(key)  # 256 random bits need no salt, and looking up a hash leaks none
        query = select(_api_keys).where(
            _api_keys.c.sha256 == digest, _api_keys.c.revoked_at.is_(None)
        )
        with self._begin() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or not hmac.compare_digest(row.sha256, digest):
            return None
        scopes = tuple(json.loads(row.scopes))
        return ApiKey(id=row.id, name=row.name, scopes=scopes, created_at=row.created_at)

    def revoke_api_key(self, key_id: str) -> None:
        with self._begin() as connection:
            connection.execute(
                update(_api_keys)
                .where(_api_keys.c.id == key_id, _api_keys.c.revoked_at.is_(None))
                .values(revoked_at=now())
            )

    # -- users

    def add_user(self, email: str, password: str, role: UserRole) -> User:
        """Raises Conflict if the e-mail is taken, InvalidRequest for a password that is short."""
        if len(password) < _SHORTEST_PASSWORD:
            raise InvalidRequest(
                f"A password needs at least {_SHORTEST_PASSWORD} characters.", field="password"
            )
        user = User(id=new_id("u"), email=_mailbox(email), role=role, created_at=now())
        values = {**user.model_dump(), "password": self._passwords.hash(password)}
        try:
            with self._begin() as connection:
                connection.execute(insert(_users).values(values))
        except IntegrityError as error:
            raise Conflict("There is a user with this e-mail address already.") from error
        return user

    def user(self, user_id: str) -> User | None:
        with self._begin() as connection:
            row = connection.execute(select(_users).where(_users.c.id == user_id)).one_or_none()
        return None if row is None else _user(row)

    def verify_password(self, email: str, password: str) -> User | None:
        """The user, if the password is theirs; takes as long if there is no such user."""
        query = select(_users).where(_users.c.email == _mailbox(email))
        with self._begin() as connection:
            row = connection.execute(query).one_or_none()
        try:
            self._passwords.verify(self._nobody if row is None else row.password, password)
        except VerificationError:
            return None
        return None if row is None else _user(row)

    # -- secrets

    def secret(self, name: str) -> tuple[bytes, ...]:
        """The active secrets of this name, newest first; the first one is made here if needed."""
        with self._begin() as connection:
            found = _active_secrets(connection, name)
        return found or self._new_secret(name, 1)

    def rotate_secret(self, name: str) -> tuple[bytes, ...]:
        """A new secret in front; the one before stays active, older ones end."""
        with self._begin() as connection:
            numbers = select(_secrets.c.number).where(_secrets.c.name == name)
            newest = max(connection.scalars(numbers), default=0)
        return self._new_secret(name, newest + 1)

    def _new_secret(self, name: str, number: int) -> tuple[bytes, ...]:
        row = {"name": name, "number": number, "value": token_bytes(32), "created_at": now()}
        with self._begin() as connection:
            # Two servers may start at once on one database: whoever comes second reads.
            connection.execute(self._upsert(_secrets).values(row).on_conflict_do_nothing())
            connection.execute(
                delete(_secrets).where(
                    _secrets.c.name == name, _secrets.c.number <= number - SECRETS_ACTIVE
                )
            )
            return _active_secrets(connection, name)

    # -- the archive

    def archive(self, transcript: Transcript) -> None:
        """Keeps the conversation in place of an older copy, unless it was erased."""
        conversation = transcript.conversation
        identity = conversation.identity
        values = {
            "identifier": identity.identifier if identity.level == "verified" else None,
            "created_at": conversation.created_at,
            "version": conversation.version,
            "transcript": transcript.packed(),
            "archived_at": now(),
        }
        statement = self._upsert(_archive).values(id=conversation.id, **values)
        with self._begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[_archive.c.id],
                    set_=values,
                    where=_archive.c.transcript.is_not(None)
                    & (_archive.c.version <= conversation.version),
                )
            )

    def archived(self, conversation_id: str) -> Transcript | None:
        query = select(_archive.c.transcript).where(_archive.c.id == conversation_id)
        with self._begin() as connection:
            packed = connection.scalar(query)
        return None if packed is None else Transcript.unpacked(packed)

    def archived_of(self, identifier: str) -> list[str]:
        """Ids of the verified customer's archived conversations, newest first."""
        query = (
            select(_archive.c.id)
            .where(_archive.c.identifier == identifier)
            .order_by(_archive.c.created_at.desc(), _archive.c.id)
        )
        with self._begin() as connection:
            return list(connection.scalars(query))

    def erase(self, conversation_id: str) -> None:
        """Leaves the bare id, which refuses late copies."""
        values = {
            "identifier": None,
            "created_at": None,
            "version": 0,
            "transcript": None,
            "archived_at": now(),
        }
        statement = self._upsert(_archive).values(id=conversation_id, **values)
        with self._begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=[_archive.c.id], set_=values)
            )

    # -- inside

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with _mapped_errors(), self._engine.begin() as connection:
            yield connection

    def _upsert(self, table: Table) -> Any:
        """Both dialects have ON CONFLICT, but SQLAlchemy has no common word for it."""
        made = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        return made(table)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _no_database_url() from error
    if parsed.get_backend_name() == "postgresql":
        options = {"connect_timeout": 5, "options": "-c statement_timeout=15000"}
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), connect_args=options, pool_pre_ping=True
        )
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise _no_database_url()
    path = Path(parsed.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # before SQLite makes it readable
    except OSError as error:
        raise SetupError(
            f"The database file cannot be written ({error.strerror}): see to its folder's owner "
            "and free space, or set FRONTDESK_DATABASE_URL."
        ) from error
    engine = create_engine(parsed.set(drivername="sqlite+pysqlite"), connect_args={"timeout": 15})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A conversation leaves Redis once it is here, so what is committed must be on disk.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _make_tables(engine: Engine) -> None:
    """Several servers may do so at once: SQLite's statements take turns, PostgreSQL's do not."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_TABLES_LOCK)))
        for table in _metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        full = "full" in str(error) or "No space" in str(error)
        raise StoreUnavailable(
            "The SQL database's disk is full: free some space there."
            if full
            else "The SQL database does not answer: see that it runs, that FRONTDESK_DATABASE_URL "
            "is right, and that its files can be written."
        ) from error


def _no_database_url() -> SetupError:
    return SetupError(
        "FRONTDESK_DATABASE_URL is no URL that Frontdesk knows: use sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME."
    )


def _active_secrets(connection: Connection, name: str) -> tuple[bytes, ...]:
    query = (
        select(_secrets.c.value)
        .where(_secrets.c.name == name)
        .order_by(_secrets.c.number.desc())
        .limit(SECRETS_ACTIVE)
    )
    return tuple(connection.scalars(query))


def _user(row: Any) -> User:
    return User(id=row.id, email=row.email, role=row.role, created_at=row.created_at)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _mailbox(email: str) -> str:
    return email.strip().casefold()
