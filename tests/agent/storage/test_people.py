"""Facts about accounts and sessions, on SQLite and on PostgreSQL."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import Conflict, InvalidRequest, NotAuthorized, StoreUnavailable, TooManyTries
from agent.storage import lockout, sessions
from agent.storage import people as module
from agent.storage.lockout import FREE_TRIES
from agent.storage.people import People, User, Wish
from agent.storage.records import Records
from agent.storage.sessions import Origin
from tests.agent.storage.test_records import everything_in

EMAIL = "anna@example.org"
PASSWORD = "correct horse"


@pytest.fixture
def people(records: Records) -> People:
    return records.people


def signed_in(people: People) -> tuple[User, str]:
    found = people.sign_in(EMAIL, PASSWORD)
    assert found is not None
    return found


def test_a_user_is_known_by_e_mail_and_password(people: People) -> None:
    user = people.add(" Anna@Example.org", PASSWORD, "supervisor")
    assert people.verify_password("anna@example.ORG ", PASSWORD) == user
    assert people.get(user.id) == user
    assert people.everybody() == [user]
    assert people.verify_password(EMAIL, "wrong horse") is None
    assert people.verify_password("nobody@example.org", PASSWORD) is None
    assert people.get("u_unknown") is None


def test_an_e_mail_address_has_one_user(people: People) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    with pytest.raises(Conflict):
        people.add("ANNA@example.org", "another horse", "admin")
    assert people.verify_password(EMAIL, "another horse") is None


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [
        (EMAIL, "horse", "password"),
        (EMAIL, "h" * 1025, "password"),
        ("anna", PASSWORD, "email"),
        ("anna @example.org", PASSWORD, "email"),
        ("", PASSWORD, "email"),
    ],
)
def test_what_will_not_do_is_refused(people: People, email: str, password: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        people.add(email, password, "staff")
    assert refused.value.field == field
    assert people.everybody() == []


def test_roles_contain_each_other() -> None:
    supervisor = User(id="u", email=EMAIL, role="supervisor", created_at="")
    assert [supervisor.may(role) for role in module.ROLES] == [True, True, False]


def test_a_session_ends_with_the_sign_out(people: People) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    _, token = signed_in(people)
    user, other = signed_in(people)
    assert people.of_session(token) == user
    people.sign_out(token)
    assert people.of_session(token) is None
    assert people.of_session(other) == user


def test_a_session_ends_by_itself(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    monkeypatch.setattr(sessions, "SESSION", timedelta(milliseconds=20))
    _, token = signed_in(people)
    time.sleep(0.05)
    assert people.of_session(token) is None


def test_no_session_can_be_read_back(people: People, database_url: str) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    _, token = signed_in(people)
    stored = everything_in(database_url)
    assert token not in stored
    assert PASSWORD not in stored


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
def test_wrong_passwords_lock_an_address_known_or_not(people: People, email: str) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    for _ in range(FREE_TRIES):
        assert people.sign_in(email, "wrong horse") is None
    with pytest.raises(TooManyTries) as locked:
        people.sign_in(email.upper(), PASSWORD)
    assert 0 < locked.value.retry_after <= 60


def test_the_right_password_forgives_the_wrong_ones(people: People) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    for _ in range(3):
        for _ in range(FREE_TRIES - 1):
            assert people.sign_in(EMAIL, "wrong horse") is None
        signed_in(people)


def test_a_new_password_ends_every_session(people: People) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    user, token = signed_in(people)
    with pytest.raises(InvalidRequest):
        people.change_password(user, "wrong horse", "another horse")
    with pytest.raises(InvalidRequest):
        people.change_password(user, PASSWORD, "short")
    assert people.of_session(token) == user
    people.change_password(user, PASSWORD, "another horse")
    assert people.of_session(token) is None
    assert people.sign_in(EMAIL, PASSWORD) is None
    assert people.sign_in(EMAIL, "another horse") is not None


def test_a_link_makes_one_first_admin(people: People) -> None:
    old = people.invite_first_admin()
    token = people.invite_first_admin()
    assert token
    assert old
    for wrong in (old, "", token.lower()):
        with pytest.raises(NotAuthorized):
            people.accept(wrong, EMAIL, PASSWORD)
    with pytest.raises(InvalidRequest):
        people.accept(token, EMAIL, "short")
    assert people.accept(token, EMAIL, PASSWORD).role == "admin"
    with pytest.raises(NotAuthorized):
        people.accept(token, "other@example.org", PASSWORD)
    assert people.invite_first_admin() is None


def test_the_first_admins_link_ends(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INVITATION", timedelta(milliseconds=20))
    token = people.invite_first_admin()
    assert token
    time.sleep(0.05)
    with pytest.raises(NotAuthorized):
        people.accept(token, EMAIL, PASSWORD)


# -- letting people in, changing them, letting them go


def test_the_last_admin_who_can_come_in_stays_one(people: People) -> None:
    boss = people.add(EMAIL, PASSWORD, "admin")
    people.add("invited@example.org", None, "admin")
    for wish in (Wish(role="staff"), Wish(role="supervisor", name="x"), Wish(active=False)):
        with pytest.raises(Conflict):
            people.change(boss.id, wish)
    assert people.get(boss.id) == boss
    assert people.change(boss.id, Wish(name="Anna", role="admin")).name == "Anna"

    second = people.add("second@example.org", PASSWORD, "admin")
    assert people.change(boss.id, Wish(role="staff")).role == "staff"
    with pytest.raises(Conflict):
        people.change(second.id, Wish(active=False))


def test_two_admins_cannot_demote_each_other_at_once(people: People) -> None:
    def demote(one: User) -> bool:
        try:
            people.change(one.id, Wish(role="staff"))
        except (Conflict, StoreUnavailable):
            return False
        return True

    people.add(f"0{EMAIL}", PASSWORD, "admin")
    for n in range(1, 6):
        people.add(f"{n}{EMAIL}", PASSWORD, "admin")
        pair = [one for one in people.everybody() if one.role == "admin"]
        with ThreadPoolExecutor(2) as both:
            assert sorted(both.map(demote, pair)) == [False, True]


def test_who_was_only_invited_cannot_sign_in_with_any_password(people: People) -> None:
    people.add(EMAIL, None, "staff")
    for password in ("", " ", "None", PASSWORD):
        assert people.sign_in(EMAIL, password) is None


def test_a_link_chooses_a_password_once_and_forgives_the_wrong_ones(people: People) -> None:
    user = people.add(EMAIL, PASSWORD, "staff")
    _, session = signed_in(people)
    for _ in range(FREE_TRIES):
        assert people.sign_in(EMAIL, "wrong horse") is None
    first, second = people.link(user.id), people.link(user.id)
    with pytest.raises(NotAuthorized):
        people.accept(first.token, "", "another horse")
    with pytest.raises(InvalidRequest):
        people.accept(second.token, "", "short")
    assert people.accept(second.token, "", "another horse").id == user.id
    assert people.of_session(session) is None
    assert people.sign_in(EMAIL, PASSWORD) is None
    assert people.sign_in(EMAIL, "another horse") is not None
    with pytest.raises(NotAuthorized):
        people.accept(second.token, "", "a third horse")


def test_a_link_ends_by_itself_and_with_its_user(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = people.add(EMAIL, None, "staff")
    link = people.link(user.id)
    people.change(user.id, Wish(active=False))
    people.change(user.id, Wish(active=True))
    with pytest.raises(NotAuthorized):
        people.accept(link.token, "", PASSWORD)
    monkeypatch.setattr(module, "INVITATION", timedelta(milliseconds=20))
    link = people.link(user.id)
    time.sleep(0.05)
    with pytest.raises(NotAuthorized):
        people.accept(link.token, "", PASSWORD)


def test_the_first_admins_link_leaves_the_others_alone(people: People) -> None:
    user = people.add(EMAIL, None, "staff")
    link = people.link(user.id)
    assert people.invite_first_admin()
    assert people.accept(link.token, "", PASSWORD).role == "staff"
    assert people.invite_first_admin(), "staff are no admins"


def test_wrong_passwords_lock_a_network_address_whatever_the_account(people: People) -> None:
    people.add(EMAIL, PASSWORD, "staff")
    here, there = Origin("203.0.113.7"), Origin("203.0.113.8")
    for n in range(lockout.FREE_TRIES_OF_AN_ADDRESS):
        assert people.sign_in(f"{n}@example.org", "wrong horse", here) is None
    with pytest.raises(TooManyTries):
        people.sign_in(EMAIL, PASSWORD, here)
    assert people.sign_in(EMAIL, PASSWORD, there) is not None
    assert people.sign_in(EMAIL, PASSWORD) is not None


def test_an_address_waits_longer_each_time_and_is_forgiven(people: People) -> None:
    counted = lockout.Counted("x", 2, 300, timedelta(hours=1))
    waits = []
    for _ in range(6):
        people.lockout.failed(counted)
        try:
            people.lockout.require_open(counted)
            waits.append(0)
        except TooManyTries as error:
            waits.append(round(error.retry_after / 60))
    assert waits == [0, 1, 2, 4, 5, 5]
    soon = counted._replace(key="y", forgiven_after=timedelta(milliseconds=20))
    for _ in range(3):
        people.lockout.failed(soon)
    time.sleep(0.05)
    people.lockout.require_open(soon)


def test_a_database_of_an_older_version_gets_its_columns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    with sqlite3.connect(tmp_path / "old.sqlite3") as old:
        old.execute(
            "CREATE TABLE users (id VARCHAR(64) PRIMARY KEY, email TEXT NOT NULL UNIQUE, "
            "password TEXT NOT NULL, role VARCHAR(16) NOT NULL, created_at VARCHAR(32) NOT NULL)"
        )
        old.execute(
            "INSERT INTO users VALUES ('u_old', 'old@example.org', 'x', 'admin', '2026-01-01')"
        )
    old.close()
    for _ in range(2):
        records = Records.open(url)
        user = records.people.get("u_old")
        records.close()
        assert user is not None
        assert (user.role, user.active, user.name) == ("admin", True, None)
