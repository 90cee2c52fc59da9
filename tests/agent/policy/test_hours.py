"""Working hours: what is read, what is refused, and when somebody is there again."""

from datetime import UTC, datetime

import pytest

from agent.errors import SetupError
from agent.policy.hours import working_hours

BERLIN = "mo-fr 09:00-12:00,13:00-17:30; sa 10:00-14:00; closed 2026-12-25"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-26T08:00", True),  # Thursday, 09:00 in Berlin
        ("2026-11-26T07:59", False),
        ("2026-11-26T11:30", False),  # lunch
        ("2026-11-26T16:29", True),
        ("2026-11-26T16:30", False),
        ("2026-11-28T09:00", True),
        ("2026-11-29T09:00", False),
        ("2026-07-02T07:00", True),  # summer time
        ("2026-12-25T09:00", False),
    ],
)
def test_hours_are_of_the_zone(moment: str, is_open: bool) -> None:
    assert working_hours(BERLIN, "Europe/Berlin").is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-11-26T05:00", "2026-11-26T09:00:00+01:00"),
        ("2026-11-26T11:30", "2026-11-26T13:00:00+01:00"),
        ("2026-11-28T15:00", "2026-11-30T09:00:00+01:00"),
        ("2026-12-24T17:00", "2026-12-26T10:00:00+01:00"),
    ],
)
def test_the_next_opening_is_told(moment: str, opening: str) -> None:
    found = working_hours(BERLIN, "Europe/Berlin").next_opening(at(moment))
    assert found is not None
    assert found.isoformat() == opening


def test_nothing_set_is_always_open() -> None:
    assert working_hours("", "UTC").is_open(at("2026-11-29T03:00"))


def test_a_week_may_begin_anywhere() -> None:
    hours = working_hours("sa-mo 00:00-24:00", "UTC")
    assert [hours.is_open(at(f"2026-11-{day}T23:59")) for day in (27, 28, 29, 30)] == [
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "mon-fri 09:00-17:00",
        "mo-fr 9-17",
        "mo-fr 17:00-09:00",
        "mo-fr 09:00-24:01",
        "mo-fr 09:60-10:00",
        "mo-fr",
        "mo 09:00-10:00; mo 11:00-12:00",
        "closed 2026-12-25",
        "mo 09:00-10:00; closed 25.12.2026",
    ],
)
def test_what_is_not_understood_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(SetupError, match="FRONTDESK_WORKING_HOURS"):
        working_hours(text, "UTC")
