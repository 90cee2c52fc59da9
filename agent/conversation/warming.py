"""Has the engine read what is published before anybody asks.

Runs behind everything else: publishing never waits for it, and the engine lets customers pass.
Invariant: after a publication what is no longer published is not read any further.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.conversation.reading import Reader
from agent.errors import FrontdeskError
from agent.generation.requests import Engine
from knowledge_base.errors import KnowledgeError
from knowledge_base.library import Library
from knowledge_base.model import Passage

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Warmth:
    """How many of the published passages the engine has been through."""

    done: int = 0
    total: int = 0


class Warmer:
    def __init__(self, *, engine: Engine, library: Library, reader: Reader) -> None:
        self._engine = engine
        self._library = library
        self._reader = reader
        self.progress = Warmth()
        self.read: int | None = None  # the generation that was read last, as far as there was room
        self._ended: int | None = None  # the generation that was read last, or could not be
        self._published = asyncio.Event()
        self._moved = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        library.when_shown(self.look)

    def look(self) -> None:
        """Something was published, as whatever thread that did so knows: begin now."""
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._published.set)

    async def follow(self, generation: int) -> AsyncGenerator[Warmth]:
        """How far it is, whenever it goes on, until this generation or a later one is done."""
        while self._ended is None or self._ended < generation:
            moved = self._moved
            yield self.progress
            await moved.wait()
        yield self.progress

    async def run(self) -> None:
        """Until cancelled: whenever something was published, by whatever process, read it."""
        seen: tuple[int | None, str] = (None, "")
        warming: asyncio.Task[None] | None = None
        try:
            while True:
                generation = await self._generation(seen[0])
                if (generation, self._reader.revision) != seen:
                    seen = (generation, self._reader.revision)
                    if warming is not None:
                        warming.cancel()
                    self._tell(Warmth())
                    warming = asyncio.create_task(self._warm(generation))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._published.wait(), _LOOK_EVERY_S)
                self._published.clear()
        finally:
            if warming is not None:
                warming.cancel()
                await asyncio.gather(warming, return_exceptions=True)

    async def _generation(self, seen: int | None) -> int | None:
        try:
            return await asyncio.to_thread(lambda: self._library.generation)
        except KnowledgeError as error:
            log.info("Whether policies changed cannot be seen now: %s", error)
            return seen

    async def _warm(self, generation: int | None) -> None:
        try:
            passages = await asyncio.to_thread(self._passages)
            prepared = [one for passage in passages for one in self._reader.preparations(passage)]
            await self._engine.warm(prepared, partial(self._show, len(passages)))
        except (FrontdeskError, KnowledgeError) as error:
            log.warning("Policies are read when they are asked for, not before: %s", error)
            self._ended = generation
            self._tell(self.progress)
            return
        self.read = self._ended = generation
        self._tell(self.progress)
        log.info("The engine has read %d passages.", self.progress.total)

    def _show(self, passages: int, done: int, total: int) -> None:
        self._tell(Warmth(done * passages // max(total, 1), passages))

    def _tell(self, progress: Warmth) -> None:
        self.progress = progress
        self._moved.set()
        self._moved = asyncio.Event()

    def _passages(self) -> list[Passage]:
        return [
            passage
            for document in self._library.documents()
            if document.status == "published" and document.revision is not None
            for passage in self._library.passages(document.id, document.revision)
        ]
