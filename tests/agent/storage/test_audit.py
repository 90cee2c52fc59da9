"""Facts about the audit log, on SQLite and on PostgreSQL."""

import pytest
import sqlalchemy

from agent.storage.audit import OWNER, Actor, Audit, Entry
from agent.storage.records import Records

ANN = Actor(kind="user", id="u_ann", name="ann@example.org")


@pytest.fixture
def audit(records: Records) -> Audit:
    return records.audit


def actions(audit: Audit, **query: object) -> list[str]:
    wanted = {"before": None, "limit": 100, "actor": None, "action": None} | query
    return [entry.action for entry in audit.page(**wanted)]  # type: ignore[arg-type]


def test_entries_are_found_by_who_and_by_what_newest_first(audit: Audit) -> None:
    for actor, action in ((ANN, "staff.reply"), (OWNER, "admin.add_user"), (ANN, "account.login")):
        audit.append(Entry(actor=actor, action=action, subject="c_1", detail="x", status=200))
    assert actions(audit) == ["account.login", "admin.add_user", "staff.reply"]
    assert actions(audit, actor="u_ann") == ["account.login", "staff.reply"]
    assert actions(audit, actor="ann@example.org") == ["account.login", "staff.reply"]
    assert actions(audit, actor="command line") == ["admin.add_user"]
    assert actions(audit, action="staff.") == ["staff.reply"]
    assert actions(audit, action="%") == []
    newest = audit.page(before=None, limit=1, actor=None, action=None)[0]
    assert actions(audit, before=int(newest.id)) == ["admin.add_user", "staff.reply"]


def test_entries_go_with_their_age_and_no_number_comes_again(
    audit: Audit, database_url: str
) -> None:
    audit.append(Entry(actor=ANN, action="old"))
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE audit SET at = '2020-01-01T00:00:00.000Z'"))
    engine.dispose()
    number = int(audit.page(before=None, limit=1, actor=None, action=None)[0].id)
    assert audit.forget_older_than(365) == 1
    audit.append(Entry(actor=ANN, action="new"))
    assert audit.forget_older_than(365) == 0
    assert actions(audit) == ["new"]
    assert int(audit.page(before=None, limit=1, actor=None, action=None)[0].id) > number


def test_what_is_too_long_is_cut(audit: Audit) -> None:
    audit.append(Entry(actor=ANN, action="x", subject="s" * 500, detail="d" * 500))
    entry = audit.page(before=None, limit=1, actor=None, action=None)[0]
    assert (len(entry.subject or ""), len(entry.detail or "")) == (200, 200)
