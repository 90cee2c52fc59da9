"""Facts about accounts and sessions, on SQLite and on PostgreSQL."""

import time
from datetime import timedelta

import pytest

from agent.errors import Conflict, InvalidRequest, NotAuthorized, TooManyTries
from agent.storage import people as module
from agent.storage import sessions
from agent.storage.lockout import FREE_TRIES
from agent.storage.people import People, User
from agent.storage.records import Records
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
