"""Which lists across all conversations a header stands in, and at which place.

Pure: knows neither Redis nor who reads the lists. Invariant: where a header stands follows from the
header alone, so the lists can be made again from the headers at any time. Whoever changes a list or
its order raises LAYOUT: the next start then puts every conversation where it belongs.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from agent.domain import Conversation, Importance, Status

LAYOUT: Final = "1"

ACTIVE: Final = "active"  # every live conversation, by its last activity
RUNNING: Final = "running"  # those with a running turn, by its epoch
DUE: Final = "due"  # the snoozed, by the moment they come back
WAITING: Final = "waiting"  # those whose customer waits for a person, by since when

_ANY: Final = "*"
_NOBODY: Final = "-"
_STEP: Final = 2**43  # beyond every moment in ms, until the year 2248
_NOT_WAITING: Final = 8 * _STEP
_IMPORTANCE: Final[dict[Importance, int]] = {
    "urgent": 0,
    "high": 1,
    "medium": 2,
    "low": 3,
    "none": 3,  # nobody has said: no less than what somebody called low
}


def desk(status: Status | None = None, assignee: str | None = None) -> str:
    """What staff see of this status and assignee (None: any; "": nobody's): who waits for a person
    first, by priority, then the longest; then the others, the last active first."""
    who = _ANY if assignee is None else assignee or _NOBODY
    return f"desk:{status or _ANY}:{who}"


def answered_by(user_id: str) -> str:
    """Those in which this person wrote, by when they last did."""
    return f"answered:{user_id}"


def of_customer(identifier: str) -> str:
    """A verified customer's, by the time they began."""
    return f"customer:{hashlib.sha256(identifier.encode()).hexdigest()}"


def verified_identifier(header: Conversation) -> str | None:
    return header.identity.identifier if header.identity.level == "verified" else None


def places(header: Conversation) -> dict[str, int]:
    """List → place in it; lower is earlier."""
    return dict(_places(header))


def packed(header: Conversation) -> str:
    """The places as the scripts take them."""
    return " ".join(f"{name} {place}" for name, place in places(header).items())


def milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _places(header: Conversation) -> Iterator[tuple[str, int]]:
    yield ACTIVE, milliseconds(header.active_at)
    if header.turn is not None:
        yield RUNNING, header.turn.epoch
    if header.status == "snoozed" and header.snoozed_until is not None:
        yield DUE, milliseconds(header.snoozed_until)
    if (identifier := verified_identifier(header)) is not None:
        yield of_customer(identifier), milliseconds(header.created_at)
    for user_id, moment in header.replied.items():
        yield answered_by(user_id), milliseconds(moment)
    if header.status == "open" and header.waiting_since is not None:
        yield WAITING, milliseconds(header.waiting_since)
    urgency = _urgency(header)
    for status in (None, header.status):
        for assignee in (None, header.assignee or ""):
            yield desk(status, assignee), urgency


def _urgency(header: Conversation) -> int:
    if header.status == "open" and header.waiting_since is not None:
        return _IMPORTANCE[header.priority] * _STEP + milliseconds(header.waiting_since)
    return _NOT_WAITING - milliseconds(header.active_at)
