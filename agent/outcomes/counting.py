"""The numbers of a period, counted from visits and questions. Pure.

Knows no storage, no clock and no price. Invariant: each visit counts in exactly one of `KINDS`, so
they add up to the visits there were.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import ceil
from statistics import median
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from agent.storage.asked import Figures
from agent.storage.outcomes import Visit

Kind = Literal[
    "confirmed",  # the customer said so
    "assumed",  # left after an answer and did not come back in seven days
    "recontacted",  # left after an answer and came back within seven days
    "too_early",  # left after an answer, and the seven days are not over
    "handed_off",  # a person was called, or came in
    "unresolved",  # no answer was the last reply, or the customer said that it did not help
    "nothing_asked",  # small talk only, or the AI has not replied
]
KINDS: Final[tuple[Kind, ...]] = (
    "confirmed", "assumed", "recontacted", "too_early", "handed_off", "unresolved", "nothing_asked",
)  # fmt: skip
RECONTACT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days of `zone`, from `first` on and before `end`."""

    first: date
    end: date
    zone: ZoneInfo

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.end - self.first).days)]

    @property
    def before(self) -> "Period":
        """As many days right before it."""
        return Period(self.first - (self.end - self.first), self.first, self.zone)

    def starts(self) -> datetime:
        return datetime.combine(self.first, time.min, self.zone)

    def ends(self) -> datetime:
        return datetime.combine(self.end, time.min, self.zone)

    def day_of(self, moment: str) -> date:
        return datetime.fromisoformat(moment).astimezone(self.zone).date()

    def has(self, visit: Visit) -> bool:
        return self.first <= self.day_of(visit.started_at) < self.end


@dataclass(frozen=True, slots=True)
class Sorted:
    """A visit, what became of it, and whether its customer was back within seven days."""

    visit: Visit
    kind: Kind
    came_back: bool


def sort(visits: Sequence[Visit], period: Period, now: datetime) -> list[Sorted]:
    """Those of the period. `visits` go on for seven days and more behind it, for who came back."""
    begun: dict[str, list[str]] = defaultdict(list)
    for one in visits:
        begun[one.customer].append(one.started_at)
    found = []
    for one in visits:
        if period.has(one):
            back = any(_within(one.last_at, at) for at in begun[one.customer])
            found.append(Sorted(one, kind_of(one, back, now), back))
    return found


def kind_of(visit: Visit, came_back: bool, now: datetime) -> Kind:
    if visit.opened_at is not None:
        return "handed_off"
    if visit.last_reply is None:
        return "nothing_asked"
    if visit.verdict == "no" or visit.last_reply != "answered":
        return "unresolved"
    if visit.verdict == "yes":
        return "confirmed"
    if came_back:
        return "recontacted"
    is_over = now - datetime.fromisoformat(visit.last_at) >= RECONTACT
    return "assumed" if is_over else "too_early"


def _within(left: str, begun: str) -> bool:
    after = datetime.fromisoformat(begun) - datetime.fromisoformat(left)
    return timedelta(0) < after <= RECONTACT


def count(found: Sequence[Sorted], asked: Sequence[Figures], period: Period) -> dict[str, Any]:
    """All numbers of the period but those that cost money or need a name."""
    visits = [one.visit for one in found]
    reasons = Counter(reason for one in visits for reason in one.handoffs)
    thumbs = Counter(rating for one in visits for rating in one.thumbs.values())
    scores = Counter(one.csat for one in visits if one.csat is not None)
    languages = Counter(one.language or "unknown" for one in asked if one.looked_up)
    return {
        "conversations": len(visits),
        "involved": sum(one.replies > 0 for one in visits),
        "answered": sum(one.answers > 0 for one in visits),
        "outcomes": _kinds(found),
        "recontacted_after_confirming": sum(o.kind == "confirmed" and o.came_back for o in found),
        "handoffs": {
            "conversations": sum(one.opened_at is not None for one in visits),
            "reasons": [{"reason": r, "times": n} for r, n in _most(reasons)],
        },
        "ratings": {
            "up": thumbs["up"],
            "down": thumbs["down"],
            "csat": {str(score): scores[score] for score in range(1, 6)},
        },
        **_times(visits, asked),
        "languages": [{"language": name, "questions": n} for name, n in _most(languages)],
        "tokens": _tokens(asked),
        "machine_s": machine_seconds(asked),
        "days": _days(found, asked, period),
    }


def _days(
    found: Sequence[Sorted], asked: Sequence[Figures], period: Period
) -> list[dict[str, Any]]:
    visits: dict[date, list[Sorted]] = defaultdict(list)
    questions: dict[date, list[Figures]] = defaultdict(list)
    for one in found:
        visits[period.day_of(one.visit.started_at)].append(one)
    for question in asked:
        questions[period.day_of(question.at)].append(question)
    return [
        {
            "date": day.isoformat(),
            "conversations": len(visits[day]),
            "answered": sum(one.visit.answers > 0 for one in visits[day]),
            **_kinds(visits[day]),
            **_times([one.visit for one in visits[day]], questions[day]),
            **_tokens(questions[day]),
            "machine_s": machine_seconds(questions[day]),
        }
        for day in period.days
    ]


def _kinds(found: Iterable[Sorted]) -> dict[str, int]:
    kinds = Counter(one.kind for one in found)
    return {kind: kinds[kind] for kind in KINDS}


def _times(visits: Sequence[Visit], asked: Sequence[Figures]) -> dict[str, Any]:
    tokens = [q.first_token_ms / 1000 for q in asked if q.looked_up and q.first_token_ms]
    first = [one.first_wait_s for one in visits if one.first_wait_s is not None]
    later = [waited for one in visits for waited in one.later_waits_s]
    return {
        "first_token_s": spread(tokens),
        "human_first_s": spread(first),
        "human_next_s": spread(later),
    }


def _tokens(asked: Sequence[Figures]) -> dict[str, int]:
    return {
        "prompt_tokens": sum(one.prompt_tokens for one in asked),
        "cached_tokens": sum(one.cached_tokens for one in asked),
        "completion_tokens": sum(one.completion_tokens for one in asked),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """How many, their median, and the least of them that 95 % do not exceed."""
    if not values:
        return {"n": 0, "median": None, "p95": None}
    ordered = sorted(values)
    p95 = ordered[ceil(0.95 * len(ordered)) - 1]
    return {"n": len(ordered), "median": round(median(ordered), 2), "p95": round(p95, 2)}


def machine_seconds(asked: Iterable[Figures]) -> float:
    """For how long at least one reply was being made: replies made side by side count once."""
    total, reached = 0.0, float("-inf")
    spans = sorted(
        (begun, begun + one.total_ms / 1000)
        for one in asked
        if one.total_ms
        for begun in [datetime.fromisoformat(one.at).timestamp()]
    )
    for begun, ended in spans:
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return round(total, 1)


def _most(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
