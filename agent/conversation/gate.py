"""The publish gate: a change is tried on real questions before customers see it.

Owns the order of runs and what may be published. Refuses to judge an answer. Invariant: one run at
a time, behind every customer; what a run tried is published as one generation, or not at all; and
nothing counts that was tried against other knowledge than what is published.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo

from agent.conversation.picking import DEFAULT_MOST, picked
from agent.conversation.turn import Answerer
from agent.conversation.twice import Twice
from agent.domain import new_id, now
from agent.errors import Conflict, FrontdeskError, InvalidRequest, NotFound, TooManyRuns
from agent.storage.gates import OPEN, Change, Item, Run
from agent.storage.records import Records
from knowledge_base.errors import KnowledgeError, KnowledgeMoved
from knowledge_base.library import Library

log = logging.getLogger(__name__)

Mode = Literal["off", "advise", "require"]
WAITING: Final = 4  # runs that may be open at once, the running one among them
AT_ONCE: Final = 50  # documents in one run
_STALE: Final = "Something else was published meanwhile: run it again."
_LOOK_AGAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it stands. `stale`: what it was tried against is not what is published."""

    run: Run
    done: int
    total: int
    counts: Mapping[str, int]
    stale: bool


class Gate:
    def __init__(
        self,
        *,
        records: Records,
        library: Library,
        answerer: Answerer,
        time_zone: str,
        mode: Mode = "advise",
        most: int = DEFAULT_MOST,
    ) -> None:
        self._gates = records.gates
        self._records = records
        self.library = library
        self._answerer = answerer
        self._zone = ZoneInfo(time_zone)
        self._most = most
        self.mode = mode
        self._running: tuple[str, asyncio.Task[None]] | None = None
        self._something = asyncio.Event()  # to do
        self._moved = asyncio.Condition()  # a run did

    # -- what admins do

    async def start(self, changes: Mapping[str, int | None], by: str) -> Run:
        """Raises InvalidRequest, DocumentNotFound, RevisionNotFound; TooManyRuns if many wait."""
        if not 1 <= len(changes) <= AT_ONCE:
            raise InvalidRequest(f"Name 1 to {AT_ONCE} documents to try.", field="changes")
        run = await asyncio.to_thread(self._new_run, changes, by)
        if await asyncio.to_thread(self._gates.waiting) >= WAITING:
            raise TooManyRuns(
                f"{WAITING} runs wait already: wait for one to end, or cancel it.", retry_after=30
            )
        await asyncio.to_thread(self._gates.add, run)
        self._something.set()
        return run

    async def cancel(self, run_id: str) -> Run:
        """What was answered so far stays. Nothing happens to a run that has ended."""
        run = await self._get(run_id)
        ended = await asyncio.to_thread(
            self._gates.change, run_id, only=OPEN, state="cancelled", ended_at=now()
        )
        if self._running is not None and self._running[0] == run_id:
            self._running[1].cancel()
        await self._tell()
        return ended or run

    async def publish(self, run_id: str, *, anyway: bool = False) -> Run:
        """Show just what was tried. Raises Conflict if the run does not count, unless `anyway`."""
        run = await self._get(run_id)
        if run.published_at is not None:
            raise Conflict("This is published already.")
        if not anyway and run.state != "done":
            raise Conflict("This run is not done: wait for it, run it again, or publish anyway.")
        try:
            since = None if anyway else run.generation
            await asyncio.to_thread(self.library.show, run.wanted, since=since)
        except KnowledgeMoved:
            raise Conflict(f"{_STALE[:-1]}, or publish anyway.") from None
        await self.cancel(run_id)
        published = await asyncio.to_thread(self._gates.change, run_id, published_at=now())
        await self._tell()
        return published or run

    async def allow(self, changes: Mapping[str, int | None]) -> None:
        """For whoever publishes past the gate. Raises Conflict where FRONTDESK_GATE=require and
        just these changes were not tried against what is published now."""
        if self.mode != "require":
            return
        document_id = next(iter(changes), None)
        runs = await asyncio.to_thread(self._gates.of, document_id, AT_ONCE)
        generation = await asyncio.to_thread(lambda: self.library.generation)
        if not any(
            run.state == "done" and run.generation == generation and run.wanted == dict(changes)
            for run in runs
        ):
            raise Conflict(
                "Try this change at the gate first: here nothing is published that was not tried."
            )

    # -- what they see

    async def run_of(self, run_id: str) -> tuple[Seen, list[Item]]:
        """Raises NotFound."""
        run = await self._get(run_id)
        (seen,) = await self._seen([run])
        return seen, await asyncio.to_thread(self._gates.items, run_id)

    async def runs(
        self, document_id: str | None, count: int, after: str | None = None
    ) -> list[Seen]:
        """Newest first."""
        return await self._seen(await asyncio.to_thread(self._gates.of, document_id, count, after))

    async def follow(self, run_id: str) -> AsyncGenerator[tuple[Seen, list[Item]]]:
        """The run now, and whenever it has moved, until it is over. Raises NotFound."""
        last: tuple[Seen, list[Item]] | None = None
        while True:
            async with self._moved:
                shown = await self.run_of(run_id)
                if shown == last:
                    # Another process may be at it: what it does is seen a little later.
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._moved.wait(), _LOOK_AGAIN_S)
                    continue
            yield shown
            last = shown
            if shown[0].run.state not in OPEN:
                return

    # -- the work

    async def run(self) -> None:
        """Until cancelled: one run after the other, and on with what a restart cut off."""
        while True:
            try:
                waiting = await asyncio.to_thread(self._gates.open_runs)
            except FrontdeskError as error:
                log.warning("The gate waits: %s", error)
                waiting = []
            if not waiting:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._something.wait(), 30.0)
                self._something.clear()
                continue
            task = asyncio.create_task(self._work(waiting[0]))
            self._running = (waiting[0].id, task)
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                self._running = None
            await self._tell()

    @asynccontextmanager
    async def working(self) -> AsyncIterator["Gate"]:
        """For a command: runs are worked on meanwhile."""
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _work(self, run: Run) -> None:
        try:
            begun = await asyncio.to_thread(self._gates.change, run.id, only=OPEN, state="running")
            if begun is not None:
                await self._tell()
                await self._ask_all(begun)
        except (FrontdeskError, KnowledgeError) as error:
            log.warning("A gate run ended early: %s", error)
            await self._end(run, "failed", str(error))
        except Exception:
            log.exception("A gate run failed")
            await self._end(run, "failed", "An unexpected error; the operator's log has the cause.")

    async def _ask_all(self, run: Run) -> None:
        day = date.fromisoformat(run.day) if run.day else None
        at = datetime.now(UTC) if day is None else datetime.combine(day, time(12), self._zone)
        when = None if day is None else at
        old = await asyncio.to_thread(self.library.view, at=when)
        new = await asyncio.to_thread(self.library.view, run.wanted, at=when)
        if await self._is_stale(run):
            await self._end(run, "failed", _STALE)
            return
        if not run.chosen:
            changed = list(run.wanted)
            questions = await picked(self._records, new, changed, self._most)
            await asyncio.to_thread(self._gates.choose, run.id, questions)
            await asyncio.to_thread(self._gates.change, run.id, chosen=True)
            await self._tell()
        twice = Twice(self._answerer, old, new, at)
        while (question := await asyncio.to_thread(self._gates.next_question, run.id)) is not None:
            result = await twice.ask(question)
            if await self._is_stale(run):
                await self._end(run, "failed", _STALE)
                return
            if (await self._get(run.id)).state != "running":
                return  # cancelled, through another process
            await asyncio.to_thread(self._gates.answer, run.id, question.n, result)
            await self._tell()
        await self._end(run, "done")

    async def _end(
        self, run: Run, state: Literal["done", "failed"], error: str | None = None
    ) -> None:
        await asyncio.to_thread(
            self._gates.change, run.id, only=OPEN, state=state, error=error, ended_at=now()
        )
        await self._tell()

    def _new_run(self, changes: Mapping[str, int | None], by: str) -> Run:
        generation = self.library.generation
        tried: list[Change] = []
        days: list[date] = []
        for document_id, revision in changes.items():
            one, title = self.library.document(document_id), None
            if revision is not None:
                written = self.library.revision(document_id, revision)
                title = written.title
                days += [written.effective_from] if written.effective_from else []
            before = one.revision if one.status == "published" else None
            tried.append(
                Change(
                    document_id=one.id, title=title or one.title, revision=revision, before=before
                )
            )
        today = datetime.now(self._zone).date()
        later = max((day for day in days if day > today), default=None)
        return Run(
            id=new_id("g"),
            created_at=now(),
            by=by,
            changes=tuple(tried),
            generation=generation,
            day=later and later.isoformat(),
        )

    async def _get(self, run_id: str) -> Run:
        run = await asyncio.to_thread(self._gates.find, run_id)
        if run is None:
            raise NotFound("There is no such gate run: start a new one.")
        return run

    async def _seen(self, runs: list[Run]) -> list[Seen]:
        generation = await asyncio.to_thread(lambda: self.library.generation)
        counts = await asyncio.to_thread(self._gates.counts, [run.id for run in runs])
        return [
            Seen(run, *counts[run.id], run.published_at is None and run.generation != generation)
            for run in runs
        ]

    async def _is_stale(self, run: Run) -> bool:
        return await asyncio.to_thread(lambda: self.library.generation) != run.generation

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()
