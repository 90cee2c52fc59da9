"""What outlives conversations, in SQL: API keys, users, generated secrets, the archive.

Every method blocks: call it through `asyncio.to_thread`. Invariant: no key and no password can be
read from here; an erased conversation stays erased, whoever writes it afterwards.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from secrets import token_bytes, token_urlsafe
from typing import Any, Final, Self

from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection

from agent.domain import Noun, new_id, now
from agent.storage.answers import AnswerRecords
from agent.storage.asked import AskedQuestions
from agent.storage.audit import Audit
from agent.storage.canned import CannedReplies
from agent.storage.chatwoot import ChatwootRecords
from agent.storage.federation import Federation
from agent.storage.gaps import GapRecords
from agent.storage.gates import Gates
from agent.storage.golden import GoldenQuestions
from agent.storage.outcomes import Visits
from agent.storage.people import ROLES, People
from agent.storage.quality import Reviewed
from agent.storage.recalls import RecallRecords
from agent.storage.reports import Reports
from agent.storage.sql import Database, metadata
from agent.storage.transcript import Transcript
from agent.storage.webhooks import WebhookRecords
from agent.storage.widget import WidgetRecords
from agent.storage.words import WordRecords

SECRETS_ACTIVE: Final = 2
# What a key opens: the OpenAI-compatible API, the operators' pages, or what a role may do.
SCOPES: Final = ("v1", "metrics", *ROLES)
PROGRAM: Final = ("v1", "metrics")

_api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("revoked_at", String(32)),
    Column("used_at", String(32)),
)
_secrets = Table(
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", String(32), nullable=False),
)
# A row without a transcript is the tombstone of an erased conversation.
_archive = Table(
    "archived_conversations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("identifier", Text, index=True),
    Column("created_at", String(32)),
    Column("version", Integer, nullable=False),
    Column("transcript", LargeBinary),
    Column("archived_at", String(32), nullable=False),
)


class ApiKey(Noun):
    """`used_at` is exact to a minute."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: str
    used_at: str | None = None


class Records:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.answers = AnswerRecords(database, _is_erased)
        self.people = People(database)
        self.webhooks = WebhookRecords(database)
        self.chatwoot = ChatwootRecords(database)
        self.widget = WidgetRecords(database)
        self.words = WordRecords(database)
        self.canned = CannedReplies(database)
        self.reports = Reports(database, _is_erased)
        self.asked = AskedQuestions(database, _is_erased)
        self.visits = Visits(database, _is_erased)
        self.reviewed = Reviewed(database, _is_erased)
        self.gates = Gates(database, _is_erased)
        self.golden = GoldenQuestions(database, _is_erased)
        self.gaps = GapRecords(database)
        self.recalls = RecallRecords(database, _is_erased)
        self.federation = Federation(database, self.people)
        self.audit = Audit(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Raises what `Database.open` raises."""
        return cls(Database.open(url))

    def close(self) -> None:
        self._database.close()

    def ping(self) -> None:
        with self._database.begin() as connection:
            connection.execute(select(1))

    # -- API keys

    def add_api_key(self, name: str, scopes: Sequence[str] = PROGRAM) -> str:
        """The new key, which is shown this once. `scopes` mean what the HTTP edge says."""
        return self.make_api_key(name, scopes)[1]

    def make_api_key(self, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
        key = f"fd_{token_urlsafe(32)}"
        made = ApiKey(id=new_id("k"), name=name, scopes=tuple(scopes), created_at=now())
        with self._database.begin() as connection:
            connection.execute(
                insert(_api_keys).values(
                    id=made.id,
                    name=made.name,
                    sha256=_digest(key),
                    scopes=json.dumps(made.scopes),
                    created_at=made.created_at,
                )
            )
        return made, key

    def verify_api_key(self, key: str) -> ApiKey | None:
        digest = _digest(key)  # 256 random bits need no salt, and looking up a hash leaks none
        query = select(_api_keys).where(
            _api_keys.c.sha256 == digest, _api_keys.c.revoked_at.is_(None)
        )
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
            if row is None or not hmac.compare_digest(row.sha256, digest):
                return None
            minute = now()[:16]
            if row.used_at is None or row.used_at[:16] < minute:
                used = update(_api_keys).where(_api_keys.c.id == row.id).values(used_at=now())
                connection.execute(used)
        return _api_key(row)

    def api_keys(self) -> list[ApiKey]:
        """Those that open something, newest first."""
        query = select(_api_keys).where(_api_keys.c.revoked_at.is_(None))
        with self._database.begin() as connection:
            rows = connection.execute(query.order_by(_api_keys.c.created_at.desc()))
            return [_api_key(row) for row in rows]

    def revoke_api_key(self, key_id: str) -> bool:
        """Whether it was there to be revoked."""
        with self._database.begin() as connection:
            return (
                connection.execute(
                    update(_api_keys)
                    .where(_api_keys.c.id == key_id, _api_keys.c.revoked_at.is_(None))
                    .values(revoked_at=now())
                ).rowcount
                > 0
            )

    # -- secrets

    def secret(self, name: str) -> tuple[bytes, ...]:
        """The active secrets of this name, newest first; the first one is made here if needed."""
        with self._database.begin() as connection:
            found = _active_secrets(connection, name)
        return found or self._new_secret(name, 1)

    def rotate_secret(self, name: str) -> tuple[bytes, ...]:
        """A new secret in front; the one before stays active, older ones end."""
        with self._database.begin() as connection:
            numbers = select(_secrets.c.number).where(_secrets.c.name == name)
            newest = max(connection.scalars(numbers), default=0)
        return self._new_secret(name, newest + 1)

    def _new_secret(self, name: str, number: int) -> tuple[bytes, ...]:
        row = {"name": name, "number": number, "value": token_bytes(32), "created_at": now()}
        with self._database.begin() as connection:
            # Two servers may start at once on one database: whoever comes second reads.
            connection.execute(self._database.upsert(_secrets).values(row).on_conflict_do_nothing())
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
        statement = self._database.upsert(_archive).values(id=conversation.id, **values)
        with self._database.begin() as connection:
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
        with self._database.begin() as connection:
            packed = connection.scalar(query)
        return None if packed is None else Transcript.unpacked(packed)

    def archived_of(self, identifier: str) -> list[str]:
        """Ids of the verified customer's archived conversations, newest first."""
        query = (
            select(_archive.c.id)
            .where(_archive.c.identifier == identifier)
            .order_by(_archive.c.created_at.desc(), _archive.c.id)
        )
        with self._database.begin() as connection:
            return list(connection.scalars(query))

    def archived_ids(self, first: int, count: int) -> list[str]:
        """In the order of their ids."""
        query = select(_archive.c.id).where(_archive.c.transcript.is_not(None))
        with self._database.begin() as connection:
            page = query.order_by(_archive.c.id).offset(first).limit(count)
            return list(connection.scalars(page))

    def archived_page(self, first: int, count: int) -> list[Transcript]:
        """What was archived last comes first."""
        query = (
            select(_archive.c.transcript)
            .where(_archive.c.transcript.is_not(None))
            .order_by(_archive.c.archived_at.desc(), _archive.c.id)
            .offset(first)
            .limit(count)
        )
        with self._database.begin() as connection:
            packed = list(connection.scalars(query))
        return [Transcript.unpacked(one) for one in packed]

    def erase(self, conversation_id: str) -> None:
        """Leaves the bare id, which refuses late copies."""
        values = {
            "identifier": None,
            "created_at": None,
            "version": 0,
            "transcript": None,
            "archived_at": now(),
        }
        statement = self._database.upsert(_archive).values(id=conversation_id, **values)
        with self._database.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=[_archive.c.id], set_=values)
            )
            self.answers.erase(connection, conversation_id)
            self.webhooks.erase(connection, conversation_id)
            self.chatwoot.erase(connection, conversation_id)
            self.reports.erase(connection, conversation_id)
            self.asked.erase(connection, conversation_id)
            self.gaps.erase(connection, conversation_id)
            self.recalls.erase(connection, conversation_id)
            self.visits.erase(connection, conversation_id)
            self.reviewed.erase(connection, conversation_id)
            self.gates.erase(connection, conversation_id)
            self.golden.erase(connection, conversation_id)


def _api_key(row: Any) -> ApiKey:
    scopes = tuple(json.loads(row.scopes)) or PROGRAM  # a first version's keys named none
    return ApiKey(
        id=row.id, name=row.name, scopes=scopes, created_at=row.created_at, used_at=row.used_at
    )


def _is_erased(connection: Connection, conversation_id: str) -> bool:
    tombstone = select(_archive.c.id).where(
        _archive.c.id == conversation_id, _archive.c.transcript.is_(None)
    )
    return connection.scalar(tombstone) is not None


def _active_secrets(connection: Connection, name: str) -> tuple[bytes, ...]:
    query = (
        select(_secrets.c.value)
        .where(_secrets.c.name == name)
        .order_by(_secrets.c.number.desc())
        .limit(SECRETS_ACTIVE)
    )
    return tuple(connection.scalars(query))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
