"""Live conversations in Redis or Valkey: headers, event logs, the lists they stand in, the feed.

Knows neither HTTP nor what a conversation means. Invariant: a write to a conversation happens whole
or not at all, its places in the lists and its line of the feed included, and once, even when its
answer was lost and it was sent again; a writer that has lost its turn, or whose header is not the
newest, writes nothing.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from secrets import token_hex
from typing import Final, Self, get_args

from agent.domain import Conversation, Event, EventDraft, Snapshot, Status, now
from agent.errors import Conflict
from agent.events.events import Audience
from agent.events.log import (
    START,
    Announcement,
    LogTrimmed,
    StaleTurn,
    VersionConflict,
    position,
)
from agent.storage import layout, lists, scripts
from agent.storage.connection import RedisCalls
from agent.storage.indexes import Indexes
from agent.storage.transcript import (
    Base,
    Transcript,
    entry_of,
    event_of,
    in_pairs,
    no_such_conversation,
)

__all__ = ["ConversationStore", "LogTrimmed", "StaleTurn", "VersionConflict"]

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
            await layout.carry_over(store._calls, prefix)
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
        answer = await self._calls.script(
            scripts.CREATE,
            (keys["header"], keys["erased"]),
            (*self._places(conversation), *_header_arguments(conversation)),
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
        client_id, message_id, index = sent or ("", "", 0)
        answer = await self._calls.script(
            scripts.COMMIT,
            (keys["header"], keys["log"], keys["sent"], self._indexes.feed),
            (
                *self._places(conversation),
                *_header_arguments(conversation),
                *(token_hex(8), conversation.version - 1),
                *(client_id, message_id, index + 1),
                *_log_arguments(drafts, at),
            ),
        )
        if answer[0] == "missing":
            raise no_such_conversation()
        if answer[0] == "conflict":
            raise VersionConflict("The conversation has changed meanwhile: read it again.")
        events = _events_of(conversation.id, answer[1], drafts, at)
        if int(answer[2]) > self._log_limit:
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
            (keys["header"], keys["log"], self._indexes.feed),
            (conversation_id, token_hex(8), epoch, *_log_arguments(drafts, at)),
        )
        if answer[0] == "stale":
            raise StaleTurn("This turn is over: another one or a person has taken its place.")
        return _events_of(conversation_id, answer[1], drafts, at)

    async def sent(self, conversation_id: str, client_message_id: str) -> tuple[str, str] | None:
        """(message id, event id) of the message that was posted under this client id."""
        key = self._keys(conversation_id)["sent"]
        stored = await self._calls.one("HGET", key, client_message_id)
        return None if stored is None else _pair(stored)

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

    # -- what there is, across conversations; the feed

    async def listed(
        self, status: Status | None, assignee: str | None, first: int, count: int
    ) -> list[Conversation]:
        """Headers of the live conversations of this status and assignee (None: any; "": nobody's),
        from the place `first` on: who waits for a person first, by priority, then the longest;
        the others by their last activity. All as of one moment."""
        return await self._indexes.headers(lists.desk(status, assignee), first, count)

    async def statuses(self) -> dict[Status, int]:
        """How many live conversations there are of each status, all as of one moment."""
        every: tuple[Status, ...] = get_args(Status)
        sizes = await self._indexes.sizes([lists.desk(status) for status in every])
        return dict(zip(every, sizes, strict=True))

    async def waiting(self) -> int:
        """How many customers wait for a person."""
        return (await self._indexes.sizes([lists.WAITING]))[0]

    async def answered_since(self, moment: datetime, people: Sequence[str]) -> dict[str, int]:
        """In how many live conversations each of these people wrote then or later."""
        names = [lists.answered_by(one) for one in people]
        sizes = await self._indexes.sizes(names, since=int(moment.timestamp() * 1000))
        return dict(zip(people, sizes, strict=True))

    async def due(self, moment: str, most: int) -> list[str]:
        """Ids of the snoozed conversations that come back at `moment` or came before, no more than
        `most`, the first due first."""
        end = lists.milliseconds(moment) + 1
        return await self._indexes.ids(lists.DUE, below=end, most=most)

    async def running_turns(self) -> list[str]:
        """Ids of the conversations whose header has a running turn."""
        return await self._indexes.ids(lists.RUNNING)

    async def idle_since(self, before: datetime) -> list[str]:
        """Ids of the conversations in Redis without activity since `before`, longest first."""
        end = int(before.timestamp() * 1000)
        return await self._indexes.ids(lists.ACTIVE, below=end)

    async def live_ids(self) -> list[str]:
        """Ids of the conversations in Redis, the longest idle first."""
        return await self._indexes.ids(lists.ACTIVE)

    async def conversations_of(self, identifier: str) -> list[str]:
        """Ids of the verified customer's conversations, newest first."""
        return await self._indexes.newest_first(lists.of_customer(identifier))

    async def feed_position(self) -> str:
        return await self._indexes.feed_position()

    async def oldest_announcement(self) -> str:
        return await self._indexes.oldest_announcement()

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

    # -- to the archive and back, and away

    async def release(self, transcript: Transcript) -> bool:
        """Lets go of a conversation that is kept elsewhere; False if it has changed or runs."""
        conversation = transcript.conversation
        keys = self._keys(conversation.id)
        released = await self._calls.script(
            scripts.RELEASE,
            (keys["header"], keys["log"], keys["sent"], keys["released"]),
            (self._indexes.lists, conversation.id, conversation.version, _RELEASED_S),
        )
        return bool(released)

    async def restore(self, transcript: Transcript) -> None:
        """Brings a released conversation back, with its ids.

        Raises NotFound if it was erased, VersionConflict if a newer state was released meanwhile.
        """
        conversation = transcript.conversation
        keys = self._keys(conversation.id)
        version, _, header = _header_arguments(conversation)
        sent = [(client_id, " ".join(pair)) for client_id, pair in transcript.sent.items()]
        entries = [(e.id, *entry_of(e.type, e.at, e.data)) for e in transcript.events]
        answer = await self._calls.script(
            scripts.RESTORE,
            (keys["header"], keys["log"], keys["sent"], keys["erased"], keys["released"]),
            (
                *self._places(conversation),
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
        keys = self._keys(conversation_id)
        names = ("header", "log", "sent", "erased", "released")
        await self._calls.script(
            scripts.ERASE,
            (*(keys[name] for name in names), self._indexes.feed),
            (self._indexes.lists, conversation_id, _TOMBSTONE_S),
        )

    def _places(self, conversation: Conversation) -> tuple[str, str, str]:
        return self._indexes.lists, conversation.id, lists.packed(conversation)

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
