"""How the staff's work stands: who waits, why, and what each person has.

Pure. Invariant: it counts what the list shows, nothing of its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.conversation.listing import ServiceLevels, waits
from agent.domain import Conversation, Status
from agent.storage.people import User


def overview(
    opened: Sequence[Conversation],
    statuses: Mapping[Status, int],
    answered: Mapping[str, int],
    people: Sequence[User],
    levels: ServiceLevels,
    now: datetime,
) -> dict[str, Any]:
    """From the open conversations, how many there are of each status, and in how many each person
    wrote today."""
    reasons: Counter[str] = Counter()
    has: Counter[str] = Counter()
    has_waiting: Counter[str] = Counter()
    waiting: list[Conversation] = []
    for header in opened:
        has[header.assignee or ""] += 1
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
        "statuses": {status: size for status, size in statuses.items() if size},
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
