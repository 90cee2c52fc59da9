"""The numbers of a period as one document: read from SQL, counted, priced.

Owns what a period is and what stands in the report. Refuses to know how anything is counted. Every
function blocks: call it through `asyncio.to_thread`. Invariant: dates are days of the time zone
that policies follow, and a period has an end.
"""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from agent.errors import InvalidRequest
from agent.outcomes.costs import Prices, costs
from agent.outcomes.counting import KINDS, RECONTACT, Period, count, sort
from agent.outcomes.quality import summary
from agent.settings import Settings
from agent.storage.outcomes import Visit
from agent.storage.records import Records
from knowledge_base.errors import KnowledgeError
from knowledge_base.library import Library

USUAL_DAYS: Final = 30
MOST_DAYS: Final = 366
TOP: Final = 10
EXAMPLES: Final = 3
_COMPARED: Final = ("conversations", "involved", "answered", "outcomes", "handoffs", "ratings")
_LONGEST: Final = timedelta(days=2)  # of a visit that no person came to, as good as always


def period_of(first: date | None, end: date | None, settings: Settings, now: datetime) -> Period:
    """The last 30 days, today's among them, if neither is given. Raises InvalidRequest."""
    zone = ZoneInfo(settings.time_zone)
    end = end or (
        first + timedelta(days=USUAL_DAYS) if first else now.astimezone(zone).date() + _DAY
    )
    first = first or end - timedelta(days=USUAL_DAYS)
    if not date(2000, 1, 1) <= first < end <= date(2100, 1, 1):
        raise InvalidRequest(
            "Give a first day and a later one: 'to' is the day after the last that counts.",
            field="to",
        )
    if (end - first).days > MOST_DAYS:
        raise InvalidRequest(f"A period has at most {MOST_DAYS} days: ask for less.", field="from")
    return Period(first, end, zone)


def prices_of(settings: Settings) -> Prices:
    return Prices(
        currency=settings.currency,
        machine=Prices.per_hour(
            settings.machine_price_per_hour, settings.machine_price, settings.machine_years
        ),
        watts=settings.machine_watts,
        electricity=settings.electricity_price,
        resolution=settings.price_per_resolution,
    )


@dataclass(frozen=True, slots=True)
class Reporter:
    settings: Settings
    records: Records
    library: Library

    def report(self, first: date | None, end: date | None) -> dict[str, Any]:
        """Raises InvalidRequest for a period that is none."""
        now = datetime.now(UTC)
        period = period_of(first, end, self.settings, now)
        start, after = _moment(period.starts()), _moment(period.ends())
        found = sort(_visits(self.records, period), period, now)
        numbers = count(found, self.records.asked.figures(start, after), period)
        kinds = numbers["outcomes"]
        return {
            "from": period.first.isoformat(),
            "to": period.end.isoformat(),
            "time_zone": self.settings.time_zone,
            "at": _moment(now),
            **numbers,
            "gaps": self.records.gaps.still_open(),
            "top_documents": self._top(start, after),
            "costs": costs(
                prices_of(self.settings),
                hours=_hours(self.records.visits.first(), period, now),
                machine_s=numbers["machine_s"],
                conversations=numbers["conversations"],
                resolved=kinds["confirmed"] + kinds["assumed"],
            ),
            "quality": summary(
                [one.visit for one in found], self.records.reviewed.between(start, after)
            ),
            "before": _before(self.records, period.before, now),
        }

    def _top(self, start: str, end: str) -> list[dict[str, Any]]:
        asked = self.records.asked
        return [
            {
                "document_id": one.document_id,
                "title": self._title(one.document_id),
                "answers": one.answers,
                "disliked": one.disliked,
                "examples": asked.examples(one.document_id, start, end, EXAMPLES),
            }
            for one in asked.most_cited(start, end, TOP)
        ]

    def _title(self, document_id: str) -> str | None:
        try:
            return self.library.document(document_id).title
        except KnowledgeError:
            return None  # it was deleted


def as_csv(numbers: dict[str, Any]) -> str:
    """One line a day."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    tokens = ("prompt_tokens", "cached_tokens", "completion_tokens")
    times = ("first_token_s", "human_first_s", "human_next_s")
    plain = ("date", "conversations", "answered", *KINDS, *tokens, "machine_s")
    spreads = [(name, part) for name in times for part in ("median", "p95")]
    writer.writerow([*plain, *(f"{name}_{part}" for name, part in spreads)])
    for day in numbers["days"]:
        values = [day[name][part] for name, part in spreads]
        writer.writerow([*(day[name] for name in plain), *("" if v is None else v for v in values)])
    return made.getvalue()


def _visits(records: Records, period: Period) -> list[Visit]:
    after = period.ends() + RECONTACT + _LONGEST
    return records.visits.between(_moment(period.starts()), _moment(after))


def _before(records: Records, period: Period, now: datetime) -> dict[str, Any]:
    """What the headline figures were in the period before."""
    numbers = count(sort(_visits(records, period), period, now), (), period)
    return {name: numbers[name] for name in _COMPARED}


def _hours(known_since: str | None, period: Period, now: datetime) -> float:
    """Of the period, those since the first conversation and until now."""
    if known_since is None:
        return 0.0
    begun = max(period.starts(), datetime.fromisoformat(known_since))
    ended = min(period.ends(), now)
    return max(0.0, (ended - begun).total_seconds() / 3600)


_DAY: Final = timedelta(days=1)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
