"""When people are there: working hours of a week, in one time zone, with days that are closed.

Pure: knows no clock but the moment it is given. Invariant: what cannot be understood is refused
when it is read, and never means "always".
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from agent.errors import SetupError

_DAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")
_ENTRY: Final = re.compile(r"(\w\w)(?:-(\w\w))? +(\S+)")
_RANGE: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_LOOK_AHEAD: Final = 400  # days; beyond that nobody comes back
_DAY: Final = 24 * 60


@dataclass(frozen=True)
class WorkingHours:
    """`week` has, by weekday from Monday, the minutes of the day from which to which somebody is
    there; empty: always. Dates in `closed` are off whatever the weekday."""

    week: tuple[tuple[tuple[int, int], ...], ...]
    closed: frozenset[date]
    zone: ZoneInfo

    def is_open(self, moment: datetime) -> bool:
        if not self.week:
            return True
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self._of(local.date()))

    def next_opening(self, moment: datetime) -> datetime | None:
        """When somebody is there again, in the zone's time; None if that is now, or never."""
        if self.is_open(moment):
            return None
        local = moment.astimezone(self.zone)
        for ahead in range(_LOOK_AHEAD):
            day = local.date() + timedelta(days=ahead)
            for start, _ in sorted(self._of(day)):
                opening = datetime.combine(day, time(start // 60, start % 60), self.zone)
                if opening > local:
                    return opening
        return None

    def _of(self, day: date) -> tuple[tuple[int, int], ...]:
        return () if day in self.closed else self.week[day.weekday()]


def working_hours(text: str, time_zone: str) -> WorkingHours:
    """Read "mo-fr 09:00-12:00,13:00-17:30; sa 10:00-14:00; closed 2026-12-25,2026-12-26".

    Raises SetupError that names the part which is wrong."""
    week: dict[int, list[tuple[int, int]]] = {}
    closed: set[date] = set()
    for entry in filter(None, (part.strip().lower() for part in text.split(";"))):
        if entry.startswith("closed "):
            closed |= _dates(entry)
            continue
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise _wrong(entry)
        first, last = _day(match[1], entry), _day(match[2] or match[1], entry)
        ranges = [_minutes(one, entry) for one in match[3].split(",")]
        for day in range(first, last + 1 + 7 * (last < first)):
            if day % 7 in week:
                raise _wrong(entry, f"{_DAYS[day % 7]} stands there twice")
            week[day % 7] = ranges
    if closed and not week:
        raise _wrong(text.strip(), "name the open days as well")
    days = tuple(tuple(week.get(day, ())) for day in range(7)) if week else ()
    return WorkingHours(days, frozenset(closed), ZoneInfo(time_zone))


def _day(name: str, entry: str) -> int:
    if name not in _DAYS:
        raise _wrong(entry, f"'{name}' is none of {' '.join(_DAYS)}")
    return _DAYS.index(name)


def _minutes(text: str, entry: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise _wrong(entry, f"'{text}' is not like 09:00-17:30")
    hour, minute, to_hour, to_minute = map(int, match.groups())
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if minute > 59 or to_minute > 59 or not start < end <= _DAY:
        raise _wrong(entry, f"'{text}' is no time of one day")
    return start, end


def _dates(entry: str) -> set[date]:
    try:
        return {date.fromisoformat(one.strip()) for one in entry.removeprefix("closed ").split(",")}
    except ValueError:
        raise _wrong(entry, "write dates like 2026-12-25") from None


def _wrong(entry: str, why: str = "write days and times") -> SetupError:
    return SetupError(
        f"FRONTDESK_WORKING_HOURS: '{entry}' is not understood: {why}. Use something like "
        "'mo-fr 09:00-17:30; sa 10:00-14:00; closed 2026-12-25'."
    )
