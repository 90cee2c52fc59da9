"""Gives a conversation back to everybody when its person closed the console and stays away.

Knows no HTTP. Invariant: only a conversation whose customer waits for an answer is taken from
somebody.
"""

import asyncio
import logging
from typing import Final

from agent.conversation import transitions
from agent.conversation.attendance import Attendance
from agent.conversation.listing import Listing, waits
from agent.conversation.service import ConversationService
from agent.conversation.transitions import Change
from agent.domain import Conversation
from agent.errors import Conflict, NotFound, StoreUnavailable

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 10.0


class Abandoned:
    def __init__(
        self, attendance: Attendance, listing: Listing, service: ConversationService
    ) -> None:
        self._attendance = attendance
        self._listing = listing
        self._service = service

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.free()
            except StoreUnavailable:
                continue  # the next round is soon
            except Exception:
                log.exception("Abandoned conversations could not be freed; tried again soon")

    async def free(self) -> None:
        absent = await self._attendance.absent()
        if not absent:
            return
        found = [
            header
            for one in absent
            async for header in self._listing.headers("open", one)
            if waits(header)
        ]
        for header in found:
            try:
                await self._service.change(header.id, lambda now: _freed(now, absent))
            except (Conflict, NotFound):
                continue  # somebody was faster


def _freed(header: Conversation, absent: frozenset[str]) -> Change:
    if header.assignee not in absent or not waits(header):
        raise Conflict("Somebody has this conversation.")
    return transitions.abandon(header)
