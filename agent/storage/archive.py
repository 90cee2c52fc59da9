"""The way of a conversation from Redis to SQL and back, and a store that reads from either.

Invariant: a conversation is copied before it is let go, and let go only if it did not change
meanwhile; so it is always in one of the two, and what is in Redis is the newer.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

from agent.domain import Conversation, Event, EventDraft
from agent.errors import NotFound
from agent.storage.records import Records
from agent.storage.redis import LOG_LIMIT, ConversationStore
from agent.storage.transcript import Base, Transcript, no_such_conversation


class ArchivedStore(ConversationStore):
    """A ConversationStore with the archive behind it.

    Reads fall back to the archive, a commit to an archived conversation brings it back to Redis
    first, and erasing reaches both.
    """

    _records: Records

    @classmethod
    async def open_over(
        cls, url: str, records: Records, *, prefix: str = "fd", log_limit: int = LOG_LIMIT
    ) -> Self:
        store = await cls.open(url, prefix=prefix, log_limit=log_limit)
        store._records = records  # noqa: SLF001  # it is one of us and just made
        return store

    async def get(self, conversation_id: str) -> Conversation | None:
        if (header := await self.live_header(conversation_id)) is not None:
            return header
        kept = await self._archived(conversation_id)
        return None if kept is None else kept.conversation

    async def commit(
        self,
        conversation: Conversation,
        drafts: Sequence[EventDraft],
        *,
        sent: tuple[str, str, int] | None = None,
    ) -> list[Event]:
        while True:  # another round means that an archiver took it away again in between
            try:
                return await super().commit(conversation, drafts, sent=sent)
            except NotFound:
                kept = await self._archived(conversation.id)
                if kept is None:
                    raise
                await self.restore(kept)

    async def sent(self, conversation_id: str, client_message_id: str) -> tuple[str, str] | None:
        found = await super().sent(conversation_id, client_message_id)
        if found is not None or await self.live_header(conversation_id) is not None:
            return found
        kept = await self._archived(conversation_id)
        return None if kept is None else kept.sent.get(client_message_id)

    async def transcript(self, conversation_id: str) -> Transcript:
        found = await self.live(conversation_id) or await self._archived(conversation_id)
        if found is None:
            raise no_such_conversation()
        return found

    async def conversations_of(self, identifier: str) -> list[str]:
        """Those in Redis first, then the archived ones, each newest first."""
        live = await super().conversations_of(identifier)
        kept = await asyncio.to_thread(self._records.archived_of, identifier)
        return list(dict.fromkeys((*live, *kept)))

    async def erase(self, conversation_id: str) -> None:
        # In this order: Redis' tombstone keeps it from being restored, then SQL's from being
        # archived by somebody who read it before.
        await super().erase(conversation_id)
        await asyncio.to_thread(self._records.erase, conversation_id)

    async def _read_log(
        self, conversation_id: str, after: str, limit: int | None
    ) -> tuple[Base, list[Event]]:
        try:
            return await super()._read_log(conversation_id, after, limit)
        except NotFound:
            kept = await self._archived(conversation_id)
            if kept is None:
                raise
            return kept.base, kept.events_after(after, limit)

    async def _archived(self, conversation_id: str) -> Transcript | None:
        return await asyncio.to_thread(self._records.archived, conversation_id)


async def archive_one(store: ConversationStore, records: Records, conversation_id: str) -> bool:
    """Moves a conversation to SQL; False if it is not in Redis, or runs, or changed meanwhile, or
    if a person has it: staff see and wake what is in Redis, and nobody may be forgotten there."""
    transcript = await store.live(conversation_id)
    if transcript is None or transcript.conversation.turn is not None:
        return False
    if transcript.conversation.status in {"open", "snoozed"}:
        return False
    await asyncio.to_thread(records.archive, transcript)
    return await store.release(transcript)


async def archive_idle(store: ConversationStore, records: Records, *, idle_days: float) -> int:
    """Moves every conversation that was idle for so long to SQL; returns how many it were."""
    before = datetime.now(UTC) - timedelta(days=idle_days)
    moved = 0
    for conversation_id in await store.idle_since(before):
        moved += await archive_one(store, records, conversation_id)
    return moved
