"""Facts about what outlives conversations, on SQLite and on PostgreSQL."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex

import pytest
import sqlalchemy

from agent.domain import Event
from agent.errors import SetupError, StoreUnavailable
from agent.storage.records import Records
from agent.storage.transcript import Base, Transcript
from tests.agent.storage.conversations import conversation, verified


def transcript(content: str = "hello", identifier: str | None = None) -> Transcript:
    header = verified(identifier) if identifier else conversation()
    event = Event(
        id="1-0",
        type="csat.submitted",
        conversation_id=header.id,
        at=header.created_at,
        data={"comment": content, "score": None},
    )
    return Transcript(
        conversation=header,
        base=Base.empty(header.id),
        events=(event,),
        sent={"b-1": ("m_1", "1-0")},
    )


def everything_in(url: str) -> str:
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        found = [
            repr(connection.execute(sqlalchemy.text(f"SELECT * FROM {table}")).all())
            for table in sqlalchemy.inspect(engine).get_table_names()
        ]
    engine.dispose()
    return "\n".join(found)


# -- API keys


def test_an_api_key_opens_until_it_is_revoked(records: Records) -> None:
    plain = records.add_api_key("billing", ["v1"])
    key = records.verify_api_key(plain)
    assert key is not None
    assert (key.name, key.scopes) == ("billing", ("v1",))
    records.revoke_api_key(key.id)
    assert records.verify_api_key(plain) is None


@pytest.mark.parametrize("wrong", ["", "fd_", "x" * 10_000, "\x00", "\udcff"])
def test_what_is_no_api_key_opens_nothing(records: Records, wrong: str) -> None:
    records.add_api_key("billing")
    assert records.verify_api_key(wrong) is None


def test_neither_keys_nor_passwords_can_be_read_back(records: Records, database_url: str) -> None:
    plain = records.add_api_key("billing")
    records.people.add("anna@example.org", "correct horse", "admin")
    stored = everything_in(database_url)
    assert "billing" in stored
    assert "anna@example.org" in stored
    assert plain not in stored
    assert "correct horse" not in stored


# -- secrets


def test_a_secret_is_made_once_and_kept(records: Records, database_url: str) -> None:
    first = records.secret("widget_secret")
    assert [len(value) for value in first] == [32]
    assert records.secret("jwt_secret") != first
    again = Records.open(database_url)
    assert again.secret("widget_secret") == first
    again.close()


def test_two_secrets_are_active_while_one_is_rotated(records: Records) -> None:
    (first,) = records.secret("widget_secret")
    second, also_first = records.rotate_secret("widget_secret")
    assert also_first == first != second
    third, also_second = records.rotate_secret("widget_secret")
    assert (also_second, third in {first, second}) == (second, False)
    assert records.secret("widget_secret") == (third, second)


def test_servers_that_start_at_once_agree(database_url: str) -> None:
    def start(_: int) -> tuple[bytes, ...]:
        records = Records.open(database_url)
        found = records.secret("widget_secret")
        records.close()
        return found

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(start, range(8)))
    assert len(found) == 1


# -- the archive


def test_an_archived_conversation_is_read_back_whole(records: Records) -> None:
    kept = transcript("“naïve” \x00 ☃ \U0001f600")
    records.archive(kept)
    assert records.archived(kept.conversation.id) == kept
    assert records.archived("c_unknown") is None


def test_a_newer_copy_takes_the_place_of_the_older(records: Records) -> None:
    older = transcript("older")
    newer = older.model_copy(update={"events": ()})
    records.archive(older)
    records.archive(newer)
    assert records.archived(older.conversation.id) == newer


def test_an_erased_conversation_stays_erased(records: Records, database_url: str) -> None:
    before, after = transcript(identifier="anna"), transcript(identifier="anna")
    records.archive(before)
    for kept in (before, after):
        records.erase(kept.conversation.id)
        records.archive(kept)
        assert records.archived(kept.conversation.id) is None
    assert records.archived_of("anna") == []
    assert "anna" not in everything_in(database_url)


def test_a_customers_archived_conversations_are_listed(records: Records) -> None:
    kept = [transcript(identifier=name) for name in ("anna", "ben", "anna")]
    for each in (*kept, transcript()):
        records.archive(each)
    assert set(records.archived_of("anna")) == {kept[0].conversation.id, kept[2].conversation.id}


# -- what can be wrong with the database


def test_the_file_of_sqlite_is_private(tmp_path: Path) -> None:
    records = Records.open(f"sqlite:///{tmp_path}/new/frontdesk.sqlite3")
    records.secret("widget_secret")
    for path in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    records.close()


@pytest.mark.parametrize(
    "url", ["", "mysql://localhost/x", "sqlite://", "frontdesk.db", "postgresql"]
)
def test_what_is_no_database_url_is_said(url: str) -> None:
    with pytest.raises(SetupError, match="FRONTDESK_DATABASE_URL"):
        Records.open(url)


def test_a_database_that_does_not_answer_is_said_with_its_remedy() -> None:
    with pytest.raises(StoreUnavailable, match="FRONTDESK_DATABASE_URL") as refused:
        Records.open("postgresql://anna:secret@127.0.0.1:1/frontdesk")
    assert "secret" not in str(refused.value)


def test_a_full_database_is_said_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "frontdesk.sqlite3"
    records = Records.open(f"sqlite:///{path}")
    engine = records._database._engine

    @sqlalchemy.event.listens_for(engine, "checkout")
    def keep_small(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the size it has by now

    kept = [transcript(token_hex(9000)) for _ in range(99)]

    def archive_all() -> None:
        for each in kept:
            records.archive(each)

    with pytest.raises(StoreUnavailable, match="full"):
        archive_all()
    found = [records.archived(each.conversation.id) for each in kept]
    assert [each for each in found if each is not None] == kept[: 99 - found.count(None)]
    records.close()
