"""Which conversations there are, as staff see them in a list.

Reads headers from the store and the archive and writes nothing. Invariant: whoever waits for a
person comes first, by priority, then the longest; a conversation is listed once, wherever it is.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from agent.domain import Conversation, HandoffReason, Importance, Message, Status
from agent.errors import NotFound
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from agent.storage.transcript import Transcript

_PAGE: Final = 100  # headers read at once
_SEARCHED: Final = 500  # conversations whose words a search looks through, here and in the archive
_UNPACKED: Final = 50  # archived conversations unpacked at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations to list; `assignee` None: anybody's or nobody's, "": nobody's."""

    status: Status | None = None
    assignee: str | None = None
    words: str = ""
    priority: Importance | None = None
    reason: HandoffReason | None = None
    label: str | None = None

    def fits(self, header: Conversation) -> bool:
        return (
            self.status in (None, header.status)
            and self.assignee in (None, header.assignee or "")
            and self.priority in (None, header.priority)
            and self.reason in (None, header.reason)
            and (self.label is None or self.label in header.labels)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """`more`: there is another page; `waiting`: customers who wait for a person, wanted or not."""

    items: tuple[dict[str, Any], ...]
    more: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """In which time a person is to answer."""

    first_answer: timedelta
    next_answer: timedelta

    def due(self, header: Conversation) -> dict[str, Any] | None:
        """Which answer a waiting customer is owed, since when, and by when."""
        if not waits(header) or header.waiting_since is None:
            return None
        first = header.answered_at is None
        within = self.first_answer if first else self.next_answer
        moment = datetime.fromisoformat(header.waiting_since) + within
        return {
            "answer": "first" if first else "next",
            "since": header.waiting_since,
            "at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


class Listing:
    def __init__(
        self, store: ConversationStore, records: Records, service_levels: ServiceLevels
    ) -> None:
        self._store = store
        self._records = records
        self._levels = service_levels

    async def page(self, wanted: Wanted, *, page: int, size: int) -> Page:
        """What was archived comes last, and only for a search or among what is resolved."""
        words = wanted.words.casefold().split()
        first, last = (page - 1) * size, page * size
        found = await self._live(wanted, words, last + 1)
        if len(found) <= last and (words or wanted.status == "resolved"):
            found += await self._archived(wanted, words, last + 1 - len(found))
        items = tuple(self.summary(header) for header in found[first:last])
        return Page(items, more=len(found) > last, waiting=await self._store.waiting())

    async def earlier(self, header: Conversation) -> list[dict[str, Any]]:
        """The other conversations of the same verified customer, newest first."""
        identity = header.identity
        if identity.level != "verified" or identity.identifier is None:
            return []
        ids = await self._store.conversations_of(identity.identifier)
        headers = [await self._store.get(one) for one in ids[:_UNPACKED] if one != header.id]
        found = sorted((h for h in headers if h), key=lambda h: h.active_at, reverse=True)
        return [self.summary(one) for one in found]

    async def headers(
        self, status: Status | None = None, assignee: str | None = None
    ) -> AsyncGenerator[Conversation]:
        """The live ones of this status and assignee, as `Wanted` has them, in their order."""
        told: set[str] = set()
        first = 0
        while page := await self._store.listed(status, assignee, first, _PAGE):
            for header in page:
                if header.id not in told:  # it may have moved behind what was read
                    told.add(header.id)
                    yield header
            first += _PAGE

    def summary(self, header: Conversation) -> dict[str, Any]:
        return {
            "id": header.id,
            "status": header.status,
            "assignee": header.assignee,
            "customer": {
                "level": header.identity.level,
                "identifier": header.identity.identifier,
                "name": _known(header, "name"),
                "email": _known(header, "email"),
            },
            "labels": list(header.labels),
            "priority": header.priority,
            "reason": header.reason,
            "waiting_since": header.waiting_since,
            "due": self._levels.due(header),
            "snoozed_until": header.snoozed_until,
            "newest": header.newest.model_dump() if header.newest else None,
            "locale": header.locale,
            "created_at": header.created_at,
            "active_at": header.active_at,
        }

    async def _live(self, wanted: Wanted, words: Sequence[str], enough: int) -> list[Conversation]:
        found: list[Conversation] = []
        left = _SEARCHED
        async with aclosing(self.headers(wanted.status, wanted.assignee)) as headers:
            async for header in headers:
                if len(found) >= enough or (words and left == 0):
                    break
                if wanted.fits(header):
                    left -= 1
                    if not words or await self._has(header, words):
                        found.append(header)
        return found

    async def _has(self, header: Conversation, words: Sequence[str]) -> bool:
        try:
            messages = (await self._store.snapshot(header.id, "staff")).messages
        except NotFound:
            return False
        return _says(header, messages, words)

    async def _archived(
        self, wanted: Wanted, words: Sequence[str], enough: int
    ) -> list[Conversation]:
        found: list[Conversation] = []
        for first in range(0, _SEARCHED, _UNPACKED):
            page = await asyncio.to_thread(self._fitting, wanted, words, first)
            live = [await self._store.live_header(header.id) for header in page or ()]
            found += [h for h, kept in zip(page or (), live, strict=True) if kept is None]
            if page is None or len(found) >= enough:
                break
        return found

    def _fitting(
        self, wanted: Wanted, words: Sequence[str], first: int
    ) -> list[Conversation] | None:
        """Those of one page of the archive; None behind its end."""
        page: list[Transcript] = self._records.archived_page(first, _UNPACKED)
        if not page:
            return None
        return [
            one.conversation
            for one in page
            if wanted.fits(one.conversation)
            and (not words or _says(one.conversation, one.snapshot("staff").messages, words))
        ]


def waits(header: Conversation) -> bool:
    """Whether the customer waits for a person."""
    return header.status == "open" and header.waiting_since is not None


def _known(header: Conversation, name: str) -> str | None:
    """What a signed token says of the customer, else what they said themselves."""
    told = (header.identity.claims.get(name), header.identity.stated.get(name))
    return next((value for value in told if isinstance(value, str) and value), None)


def _says(header: Conversation, messages: Sequence[Message], words: Sequence[str]) -> bool:
    who = " ".join(map(str, (header.identity.identifier, *header.identity.stated.values())))
    said = " ".join((header.id, who, *header.labels, *(m.content for m in messages))).casefold()
    return all(word in said for word in words)
