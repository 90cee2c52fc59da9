"""One whole conversation as a value: what goes from Redis to the archive and back.

Knows neither Redis nor SQL. Invariant: `base` and `events` together are the whole history; the
log's older part is in `base` as what it amounted to.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from agent.domain import Conversation, Event, Noun, Snapshot
from agent.errors import NotFound
from agent.events.events import Audience, fold_onto, seen_by
from agent.events.log import LogTrimmed, position


class Base(Noun):
    """What the trimmed part of a log amounted to, as each audience saw it."""

    customer: Snapshot
    staff: Snapshot

    @property
    def upto(self) -> str:
        """The last event that was trimmed: staff see every event, so theirs ends there."""
        return self.staff.last_event_id

    @classmethod
    def empty(cls, conversation_id: str) -> "Base":
        nothing = Snapshot(id=conversation_id, status="pending")
        return cls(customer=nothing, staff=nothing)

    def with_events(self, events: list[Event]) -> "Base":
        return Base(
            customer=fold_onto(self.customer, seen_by("customer", events)),
            staff=fold_onto(self.staff, events),
        )

    def require_reach(self, after: str) -> None:
        if position(after) < position(self.upto):
            raise LogTrimmed("This event id is older than the log: take a new snapshot.")


class Transcript(Noun):
    """`sent` is client_message_id → (message id, event id)."""

    conversation: Conversation
    base: Base
    events: tuple[Event, ...]
    sent: dict[str, tuple[str, str]]

    def snapshot(self, audience: Audience) -> Snapshot:
        base = self.base.customer if audience == "customer" else self.base.staff
        return fold_onto(base, seen_by(audience, self.events))

    def events_after(self, after: str, limit: int | None) -> list[Event]:
        self.base.require_reach(after)
        start = position(after)
        found = [event for event in self.events if position(event.id) > start]
        return found if limit is None else found[:limit]

    def packed(self) -> bytes:
        return zlib.compress(self.model_dump_json().encode())

    @classmethod
    def unpacked(cls, packed: bytes) -> "Transcript":
        return cls.model_validate_json(zlib.decompress(packed))


def no_such_conversation() -> NotFound:
    return NotFound("There is no such conversation: it was erased or never begun.")


def entry_of(type_: str, at: str, data: dict[str, Any]) -> tuple[str, str, str]:
    """Type, time and content of an event as text, in the order the scripts take them."""
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return type_, at, content


def event_of(conversation_id: str, event_id: str, fields: Sequence[str]) -> Event:
    """`fields` are the names and values of a stream entry in a row."""
    entry = dict(in_pairs(fields))
    return Event(
        id=event_id,
        type=entry["type"],
        conversation_id=conversation_id,
        at=entry["at"],
        data=json.loads(entry["data"]),
    )


def in_pairs(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(texts[::2], texts[1::2], strict=True)
