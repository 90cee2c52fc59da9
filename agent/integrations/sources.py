"""Folders that the server keeps its documents in step with by itself.

Owns when each folder is looked at and what came of it last. Refuses to know how a folder becomes
documents. Invariant: a folder that cannot be read changes nothing and stops nothing: it is logged
once, shown, and tried again.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Final

from knowledge_base.errors import KnowledgeError
from knowledge_base.library import Library
from knowledge_base.model import Added, Progress

log = logging.getLogger(__name__)
_REFUSED_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class SourceState:
    name: str
    folder: str
    looked_at: datetime | None = None  # UTC
    documents: int = 0
    changed: int = 0  # new, changed or retired at the last look that found any
    changed_at: datetime | None = None
    error: str | None = None
    refused: tuple[tuple[str, str], ...] = ()  # file and reason


class _StoppedError(Exception):
    """The server stops: the rest waits for its next start."""


class Sources:
    def __init__(
        self, library: Library, folders: Mapping[str, Path], *, publish: bool, every_s: float
    ) -> None:
        self._library = library
        self._publish = publish
        self._every_s = every_s
        self._stopping = Event()
        self.states = {name: SourceState(name, str(path)) for name, path in folders.items()}

    async def run(self) -> None:
        while self.states:
            for name in self.states:
                look = asyncio.create_task(asyncio.to_thread(self._look, name))
                try:
                    await asyncio.shield(look)
                except asyncio.CancelledError:
                    self._stopping.set()
                    await look  # the stores are closed after this
                    raise
            await asyncio.sleep(self._every_s)

    def _look(self, name: str) -> None:
        before = self.states[name]
        now = datetime.now(UTC)
        try:
            done = self._library.sync(
                before.folder, source=name, publish=self._publish, progress=self._goes_on
            )
        except _StoppedError:
            return
        except (KnowledgeError, OSError) as error:
            if before.error != str(error):
                log.warning("The source %s was not read: %s", name, error)
            self.states[name] = replace(before, looked_at=now, error=str(error))
            return
        self.states[name] = after = _state(before, done, now)
        for key, reason in after.refused:
            if (key, reason) not in before.refused:
                log.warning("The source %s leaves out %s: %s", name, key, reason)

    def _goes_on(self, _: Progress) -> None:
        if self._stopping.is_set():
            raise _StoppedError


def _state(before: SourceState, done: list[Added], now: datetime) -> SourceState:
    refused = tuple((one.key, one.error) for one in done if one.error)[:_REFUSED_SHOWN]
    changed = sum(not one.unchanged and not one.error for one in done)
    state = replace(
        before,
        looked_at=now,
        documents=sum(not one.error and not one.retired for one in done),
        error=None,
        refused=refused,
    )
    if not changed:
        return state
    log.info("The source %s: %d documents are new, changed or gone.", before.name, changed)
    return replace(state, changed=changed, changed_at=now)
