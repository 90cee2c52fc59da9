"""Keeps the visits in SQL up to what happens in conversations.

Reads the feed behind everything else: no turn waits for it, and what happens while SQL or Redis is
away is read afterwards. Invariant: each event counts once, however often and by however many
processes it is read, for a visit is written only from where its log was read to.
"""

import asyncio
import logging
from typing import Final

from agent.errors import NotFound, StoreUnavailable
from agent.events.log import START, LogTrimmed, position
from agent.outcomes.visits import fold
from agent.storage.lists import verified_identifier
from agent.storage.records import Records
from agent.storage.redis import ConversationStore

log = logging.getLogger(__name__)

_GATHER_S: Final = 1.0  # a reply is many changes of one conversation
_PAUSE_S: Final = 5.0
_PAGE: Final = 100


class VisitFollower:
    def __init__(self, store: ConversationStore, records: Records) -> None:
        self._store = store
        self._records = records

    async def run(self) -> None:
        """Until cancelled."""
        reached: str | None = None
        while True:
            try:
                if reached is None:
                    reached = await self._begin()
                lines = await self._store.announcements(reached, _PAUSE_S)
                if not lines:
                    continue
                for conversation_id in dict.fromkeys(line.conversation_id for line in lines):
                    await self.catch_up(conversation_id)
                reached = lines[-1].position
                await asyncio.to_thread(self._records.visits.reached, reached)
                await asyncio.sleep(_GATHER_S)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE_S)
            except Exception:
                log.exception("Outcomes could not be followed; tried again soon")
                reached = None
                await asyncio.sleep(_PAUSE_S)

    async def _begin(self) -> str:
        """Where to read on; at first, and after a gap in the feed, everything is looked through."""
        known = await asyncio.to_thread(self._records.visits.position)
        oldest = await self._store.oldest_announcement()
        if known is not None and (known == START or position(known) >= position(oldest)):
            return known
        here = await self._store.feed_position()
        for conversation_id in await self._store.live_ids():
            await self.catch_up(conversation_id)
        first = 0
        while ids := await asyncio.to_thread(self._records.archived_ids, first, _PAGE):
            for conversation_id in ids:
                await self.catch_up(conversation_id)
            first += len(ids)
        await asyncio.to_thread(self._records.visits.reached, here)
        return here

    async def catch_up(self, conversation_id: str) -> None:
        """Read what happened in the conversation since it was read last."""
        known = await asyncio.to_thread(self._records.visits.last, conversation_id)
        visit, upto = known or (None, None)
        try:
            events = await self._store.events(conversation_id, upto or START)
        except LogTrimmed:  # thousands of events since: what is left of them has to do
            events = list((await self._store.transcript(conversation_id)).events)
        except NotFound:
            return  # erased
        header = await self._store.get(conversation_id)
        if header is None or not events:
            return
        customer = verified_identifier(header) or header.id
        found = fold(conversation_id, customer, visit, events)
        if found and (len(found) > 1 or found[0] != visit):
            await asyncio.to_thread(self._records.visits.keep, found, events[-1].id, upto)
