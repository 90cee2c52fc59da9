"""Live conversations in Redis or Valkey: headers, event logs, and what is running.

Knows neither HTTP nor what a conversation means. Invariant: a write to a conversation happens whole
or not at all, and once, even when its answer was lost and it was sent again; a writer that has lost
its turn, or whose header is not the newest, writes nothing.
"""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from secrets import token_hex
from typing import Final, Self

from agent.domain import Conversation, Event, EventDraft, Snapshot, now
from agent.errors import Conflict, StoreUnavailable
from agent.events.events import Audience
from agent.events.log import (
    START,
    Announcement,
    LogTrimmed,
    StaleTurn,
    VersionConflict,
    position,
)
from agent.storage import scripts
from agent.storage.connection import Command, RedisCalls
from agent.storage.indexes import Indexes, verified_identifier
from agent.storage.transcript import (
    Base,
    Transcript,
    entry_of,
    event_of,
    in_pairs,
    no_such_conversation,
)

__all__ = ["ConversationStore", "LogTrimmed", "StaleTurn", "VersionConflict"]

log = logging.getLogger(__name__)

LOG_LIMIT: Final = 10_000  # events of one conversation; beyond it the older half becomes its base
_TOMBSTONE_S: Final = 7 * 24 * 3600
_RELEASED_S: Final = 3600  # far longer than anybody holds a copy read from the archive


class ConversationStore:
    def __init__(self, calls: RedisCalls, *, prefix: str, log_limit: int) -> None:
        self._calls = calls
        self._prefix = prefix
        self._log_limit = log_limit
        self._indexes = Indexes(calls, prefix)

    @classmethod
    async def open(cls, url: str, *, prefix: str = "fd", log_limit: int = LOG_LIMIT) -> Self:
        """Raises StoreUnavailable if nobody answers there, SetupError if it is no Redis URL."""
        store = cls(RedisCalls(url), prefix=prefix, log_limit=log_limit)
        try:
            await store.announce_missed()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        await self._calls.close()

    async def ping(self) -> None:
        await self._calls.one("PING")

    # -- the header

    async def create(self, conversation: Conversation) -> None:
        """Raises Conflict if the id is taken."""
        keys = self._keys(conversation.id)
        await self._calls.together(*self._indexes.entries_of(conversation))
        answer = await self._calls.script(
            scripts.CREATE, (keys["header"], keys["erased"]), _header_arguments(conversation)
        )
        if answer == "erased":
            raise no_such_conversation()
        if answer == "exists":
            raise Conflict("A conversation with this id exists already.")

    async def get(self, conversation_id: str) -> Conversation | None:
        return await self.live_header(conversation_id)

    async def live_header(self, conversation_id: str) -> Conversation | None:
        """The header if it is in Redis, wherever else it may be kept."""
        stored = await self._calls.one("HGET", self._keys(conversation_id)["header"], "json")
        return None if stored is None else Conversation.model_validate_json(stored)

    async def commit(
        self,
        conversation: Conversation,
        drafts: Sequence[EventDraft],
        *,
        sent: tuple[str, str, int] | None = None,
    ) -> list[Event]:
        """Writes the next header and its events, all or nothing.

        `sent` is (client_message_id, message_id, index of the draft whose event id is remembered).
        Raises VersionConflict, with nothing written, if the stored header is not the version before
        `conversation`'s, or if that client_message_id is known; NotFound if there is none.
        """
        keys = self._keys(conversation.id)
        at = now()
        version, epoch, header = _header_arguments(conversation)
        client_id, message_id, index = sent or ("", "", 0)
        owe = [self._indexes.owe(conversation)] if drafts else []
        await self._calls.together(*self._indexes.entries_of(conversation), *owe)
        answer = await self._calls.script(
            scripts.COMMIT,
            (keys["header"], keys["log"], keys["sent"]),
            (
                *(token_hex(8), conversation.version - 1, version, epoch, header),
                *(client_id, message_id, index + 1),
                *_log_arguments(drafts, at),
            ),
        )
        if answer[0] == "missing":
            raise no_such_conversation()
        if answer[0] == "conflict":
            raise VersionConflict("The conversation has changed meanwhile: read it again.")
        events = _events_of(conversation.id, answer[1], drafts, at)
        await self._committed(conversation, events, ended_epoch=answer[2])
        if int(answer[3]) > self._log_limit:
            await self._trim(conversation.id, keep=self._log_limit // 2)
        return events

    async def append(
        self, conversation_id: str, epoch: int, drafts: Sequence[EventDraft]
    ) -> list[Event]:
        """Adds events while the turn of `epoch` runs; raises StaleTurn, writing nothing, after."""
        keys = self._keys(conversation_id)
        at = now()
        answer = await self._calls.script(
            scripts.APPEND,
            (keys["header"], keys["log"]),
            (token_hex(8), epoch, *_log_arguments(drafts, at)),
        )
        if answer[0] == "stale":
            raise StaleTurn("This turn is over: another one or a person has taken its place.")
        events = _events_of(conversation_id, answer[1], drafts, at)
        if events:
            await self._afterwards(self._indexes.announcement(conversation_id, events))
        return events

    async def sent(self, conversation_id: str, client_message_id: str) -> tuple[str, str] | None:
        """(message id, event id) of the message that was posted under this client id."""
        key = self._keys(conversation_id)["sent"]
        stored = await self._calls.one("HGET", key, client_message_id)
        return None if stored is None else _pair(stored)

    async def _committed(
        self, conversation: Conversation, events: Sequence[Event], *, ended_epoch: str
    ) -> None:
        afterwards: list[Command] = []
        if events:
            afterwards.append(self._indexes.announcement(conversation.id, events))
            afterwards.append(self._indexes.paid(conversation))
        running = str(conversation.turn.epoch) if conversation.turn else ""
        if ended_epoch not in ("", running):
            afterwards.append(self._indexes.not_running(ended_epoch, conversation.id))
        await self._afterwards(*afterwards)

    async def _afterwards(self, *commands: Command) -> None:
        """What is stored must not look failed because its announcement was."""
        try:
            await self._calls.together(*commands)
        except StoreUnavailable:
            log.warning("A change is stored; its announcement has to wait until Redis is back")

    # -- the log

    async def events(
        self, conversation_id: str, after: str = START, limit: int | None = None
    ) -> list[Event]:
        """Raises NotFound if there is no conversation, LogTrimmed if the log begins after
        `after`, InvalidRequest if that is no event id."""
        position(after)
        base, events = await self._read_log(conversation_id, after, limit)
        base.require_reach(after)
        return events

    async def oldest_event_id(self, conversation_id: str) -> str | None:
        _, events = await self._read_log(conversation_id, START, 1)
        return events[0].id if events else None

    async def snapshot(self, conversation_id: str, audience: Audience = "customer") -> Snapshot:
        """What the log amounts to for this audience. Raises NotFound."""
        return (await self.transcript(conversation_id)).snapshot(audience)

    async def transcript(self, conversation_id: str) -> Transcript:
        """The whole conversation as of one moment. Raises NotFound."""
        if (transcript := await self.live(conversation_id)) is None:
            raise no_such_conversation()
        return transcript

    async def live(self, conversation_id: str) -> Transcript | None:
        """The whole conversation as it is in Redis, if it is there."""
        keys = self._keys(conversation_id)
        header, entries, sent = await self._calls.script(
            scripts.READ_ALL, (keys["header"], keys["log"], keys["sent"]), ()
        )
        if header[0] is None:
            return None
        return Transcript(
            conversation=Conversation.model_validate_json(header[0]),
            base=_base_of(conversation_id, header[1]),
            events=tuple(event_of(conversation_id, *entry) for entry in entries),
            sent={client_id: _pair(stored) for client_id, stored in in_pairs(sent)},
        )

    async def _read_log(
        self, conversation_id: str, after: str, limit: int | None
    ) -> tuple[Base, list[Event]]:
        keys = self._keys(conversation_id)
        count = "" if limit is None else limit
        header, entries = await self._calls.script(
            scripts.READ_LOG, (keys["header"], keys["log"]), (f"({after}", count)
        )
        if header[0] is None:
            raise no_such_conversation()
        events = [event_of(conversation_id, *entry) for entry in entries]
        return _base_of(conversation_id, header[1]), events

    async def _trim(self, conversation_id: str, *, keep: int) -> None:
        """Folds all but the newest `keep` events into the base."""
        keys = self._keys(conversation_id)
        base, events = await self._read_log(conversation_id, START, None)
        if len(events) <= keep:
            return
        following = base.with_events(events[:-keep]).model_dump_json()
        await self._calls.script(
            scripts.TRIM,
            (keys["header"], keys["log"]),
            (base.upto, following, events[-keep - 1].id, events[-keep].id),
        )

    # -- what is running, idle, somebody's; the feed

    async def running_turns(self) -> list[str]:
        """Ids of the conversations whose header has a running turn; forgets those that have not."""
        found = []
        for epoch, conversation_id in await self._indexes.running():
            header = await self.live_header(conversation_id)
            if header is not None and header.turn and header.turn.epoch == epoch:
                found.append(conversation_id)
            elif header is None or header.last_epoch >= epoch:
                await self._calls.together(self._indexes.not_running(epoch, conversation_id))
        return found

    async def idle_since(self, before: datetime) -> list[str]:
        """Ids of the conversations in Redis without activity since `before`, longest first."""
        return await self._indexes.idle_since(before)

    async def forget_idle(self, conversation_id: str, before: datetime) -> None:
        """Takes an id from the idle list unless it has been active since `before`."""
        await self._indexes.forget_idle(conversation_id, before)

    async def conversations_of(self, identifier: str) -> list[str]:
        """Ids of the verified customer's conversations, newest first."""
        ids = await self._indexes.of_customer(identifier)
        headers = [await self.live_header(conversation_id) for conversation_id in ids]
        return [h.id for h in headers if h and verified_identifier(h) == identifier]

    async def feed_position(self) -> str:
        return await self._indexes.feed_position()

    async def oldest_announcement(self) -> str:
        return await self._indexes.oldest_announcement()

    async def active(self, first: int, count: int) -> list[Conversation]:
        """Headers of the conversations in Redis, those that were active last first."""
        ids = await self._indexes.active(first, count)
        asked = [("HGET", self._keys(one)["header"], "json") for one in ids]
        stored = await self._calls.together(*asked) if asked else ()
        return [Conversation.model_validate_json(one) for one in stored if one is not None]

    async def between(self, conversation_id: str, first: str, last: str) -> list[Event]:
        log_key = self._keys(conversation_id)["log"]
        entries = await self._calls.one("XRANGE", log_key, first, last)
        return [
            Event(
                id=event_id,
                type=fields["type"],
                conversation_id=conversation_id,
                at=fields["at"],
                data=json.loads(fields["data"]),
            )
            for event_id, fields in entries
        ]

    async def announcements(self, after: str, wait_s: float) -> list[Announcement]:
        """What the feed got after `after`, oldest first; empty after `wait_s` (< 5) of silence."""
        return await self._indexes.announcements(after, wait_s)

    async def announce_missed(self) -> int:
        """Announces commits whose writer died or lost Redis before it could; returns how many."""
        announced = 0
        for version, conversation_id in await self._indexes.owed():
            header = await self.live_header(conversation_id)
            if header is not None and header.version < version:
                continue  # its commit is on its way, or it failed and another will get the number
            if header is not None:
                await self._calls.together(self._indexes.announcement(conversation_id))
                announced += 1
            await self._calls.together(self._indexes.paid_for(version, conversation_id))
        return announced

    # -- to the archive and back, and away

    async def release(self, transcript: Transcript) -> bool:
        """Lets go of a conversation that is kept elsewhere; False if it has changed or runs."""
        conversation = transcript.conversation
        keys = self._keys(conversation.id)
        released = await self._calls.script(
            scripts.RELEASE,
            (keys["header"], keys["log"], keys["sent"], keys["released"]),
            (conversation.version, _RELEASED_S),
        )
        if released:
            await self._calls.together(*self._indexes.not_of_customer(conversation))
        return bool(released)

    async def restore(self, transcript: Transcript) -> None:
        """Brings a released conversation back, with its ids.

        Raises NotFound if it was erased, VersionConflict if a newer state was released meanwhile.
        """
        conversation = transcript.conversation
        keys = self._keys(conversation.id)
        await self._calls.together(*self._indexes.entries_of(conversation))
        version, _, header = _header_arguments(conversation)
        sent = [(client_id, " ".join(pair)) for client_id, pair in transcript.sent.items()]
        entries = [(e.id, *entry_of(e.type, e.at, e.data)) for e in transcript.events]
        answer = await self._calls.script(
            scripts.RESTORE,
            (keys["header"], keys["log"], keys["sent"], keys["erased"], keys["released"]),
            (
                *(version, header, transcript.base.model_dump_json(), transcript.base.upto),
                len(sent),
                *chain.from_iterable(sent),
                *chain.from_iterable(entries),
            ),
        )
        if answer == "erased":
            raise no_such_conversation()
        if answer == "older":
            raise VersionConflict("The conversation has changed meanwhile: read it again.")

    async def erase(self, conversation_id: str) -> None:
        """Takes all of it away; for a week a bare tombstone of its id refuses late writers."""
        header = await self.live_header(conversation_id)
        keys = self._keys(conversation_id)
        await self._calls.script(
            scripts.ERASE,
            (keys["header"], keys["log"], keys["sent"], keys["erased"], keys["released"]),
            (_TOMBSTONE_S,),
        )
        await self._calls.together(*self._indexes.without(conversation_id, header))
        await self._afterwards(self._indexes.announcement(conversation_id))

    def _keys(self, conversation_id: str) -> dict[str, str]:
        tag = f"{self._prefix}:{{{conversation_id}}}"
        return {name: f"{tag}:{name}" for name in ("header", "log", "sent", "erased", "released")}


def _header_arguments(conversation: Conversation) -> tuple[int, str, str]:
    epoch = str(conversation.turn.epoch) if conversation.turn else ""
    return conversation.version, epoch, conversation.model_dump_json()


def _log_arguments(drafts: Sequence[EventDraft], at: str) -> list[str]:
    return list(chain.from_iterable(entry_of(draft.type, at, draft.data) for draft in drafts))


def _events_of(
    conversation_id: str, ids: str, drafts: Sequence[EventDraft], at: str
) -> list[Event]:
    return [
        Event(id=id_, type=draft.type, conversation_id=conversation_id, at=at, data=draft.data)
        for id_, draft in zip(ids.split(), drafts, strict=True)
    ]


def _base_of(conversation_id: str, stored: str | None) -> Base:
    return Base.model_validate_json(stored) if stored else Base.empty(conversation_id)


def _pair(stored: str) -> tuple[str, str]:
    message_id, _, event_id = stored.partition(" ")
    return message_id, event_id
