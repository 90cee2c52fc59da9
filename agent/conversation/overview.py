"""How the staff's work stands: who waits, why, and what each person has.

Pure but for the headers it is given. Invariant: it counts what the list shows, nothing of its own.
"""

from collections import Counter
from collections.abc import AsyncIterable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from agent.conversation.listing import ServiceLevels, waits
from agent.domain import Conversation
from agent.storage.people import User


async def overview(
    headers: AsyncIterable[Conversation],
    people: Sequence[User],
    levels: ServiceLevels,
    now: datetime,
    zone: tzinfo,
) -> dict[str, Any]:
    """`answered_today`: the conversations in which a person wrote on the calendar day of `zone`."""
    today = now.astimezone(zone).date()
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    has: Counter[str] = Counter()
    has_waiting: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    waiting: list[Conversation] = []
    async for header in headers:
        statuses[header.status] += 1
        if header.status == "open":
            has[header.assignee or ""] += 1
        for user_id, moment in header.replied.items():
            answered[user_id] += datetime.fromisoformat(moment).astimezone(zone).date() == today
        if waits(header):
            waiting.append(header)
            reasons[header.reason or ""] += 1
            has_waiting[header.assignee or ""] += 1
    waiting.sort(key=lambda header: header.waiting_since or "")
    dues = [due["at"] for header in waiting if (due := levels.due(header))]
    return {
        "at": _moment(now),
        "waiting": len(waiting),
        "unassigned": has_waiting[""],
        "overdue": sum(at <= _moment(now) for at in dues),
        "oldest": {"id": waiting[0].id, "since": waiting[0].waiting_since} if waiting else None,
        "statuses": dict(statuses),
        "reasons": [{"reason": r or None, "waiting": n} for r, n in reasons.most_common()],
        "people": [
            {
                "id": one.id,
                "name": one.display_name,
                "open": has[one.id],
                "waiting": has_waiting[one.id],
                "answered_today": answered[one.id],
            }
            for one in people
        ],
    }


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
