"""The event log as its readers need it, and what can go wrong with it.

Knows no Redis. Invariant: ids are `<ms>-<n>`, rise within one conversation, and are compared by
`position`, never as text.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from agent.domain import Event
from agent.errors import Conflict, InvalidRequest

START: Final = "0-0"
_LARGEST: Final = 2**64


class VersionConflict(Conflict):
    """The header changed since it was read: read it again (and `sent`) and try again."""

    code = "version_conflict"


class StaleTurn(Conflict):
    """The turn that this writer wrote for is over: nothing was written."""

    code = "stale_turn"


class LogTrimmed(Conflict):
    """The log does not reach back to this id: take a new snapshot and follow from there."""

    code = "log_trimmed"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A line of the feed: the conversation got the events from `first` to `last`; both are START
    if anything may have happened to it. `position` is the line's own id."""

    position: str
    conversation_id: str
    first: str = START
    last: str = START


class EventLog(Protocol):
    async def events(
        self, conversation_id: str, after: str = START, limit: int | None = None
    ) -> list[Event]:
        """Raises NotFound for a conversation that is not there, LogTrimmed for an `after` that is
        older than the log."""
        ...

    async def between(self, conversation_id: str, first: str, last: str) -> list[Event]:
        """The events from `first` to `last`, both included; none if they are gone."""
        ...

    async def oldest_announcement(self) -> str:
        """Where the feed begins that is still kept."""
        ...

    async def feed_position(self) -> str:
        """Where the feed ends now."""
        ...

    async def announcements(self, after: str, wait_s: float) -> list[Announcement]:
        """What came into the feed after `after`; empty if nothing came for `wait_s`."""
        ...


def position(event_id: str) -> tuple[int, int]:
    """The id in a form that can be compared. Raises InvalidRequest for what is no id."""
    ms, dash, number = event_id.partition("-")
    if dash and _is_count(ms) and _is_count(number):
        return int(ms), int(number)
    raise InvalidRequest(
        "This is not an event id: use the id of an event or a snapshot's last_event_id.",
        field="after",
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < _LARGEST
