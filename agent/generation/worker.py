"""The one thread that owns the chat context: takes commands, computes steps, hands out text.

Knows no chat template and no event loop beyond `mailbox`. Invariants: only this thread calls the
backend's context; commands wait in one queue under one condition, at most one submit and one
cancel for each permit that is out; whatever happens to a job, its mailbox gets exactly one end,
its permit comes back and its cells are freed.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from agent.errors import EngineDead, FrontdeskError, GenerationFailed
from agent.generation.backend import Backend, Chunk, Sampler
from agent.generation.mailbox import Mailbox
from agent.generation.requests import Finished, FinishReason, Permit, TokenLogprob, Usage
from agent.generation.runs import Copy, Cut, Drop, Load, Move, Row, Save, Task, upwards
from agent.generation.scheduler import Scheduler
from agent.generation.states import StateStore
from agent.generation.transcript import Transcript

log = logging.getLogger("frontdesk.engine")

DEAD = "The model's thread ended. Restart Frontdesk; its log says what happened."
CLOSING = "Frontdesk is shutting down; try again when it is back."
# Until they are measured: 1.5B Q4_K_M on two cores.
_FIRST_GUESS_PREFILL_S = 1 / 80
_FIRST_GUESS_DECODE_S = 0.06
_MEMORY = 0.9


@dataclass(slots=True, eq=False)
class Job:
    """One generation, ready to run. `deadline` is a `time.monotonic()`. Without a sampler nothing
    is generated: the task only wants its shared beginning to be computed."""

    task: Task
    sampler: Sampler | None
    transcript: Transcript
    mailbox: Mailbox
    permit: Permit
    deadline: float
    logprobs: int | None = None
    submitted: float = field(default_factory=time.monotonic)
    first_token: float = 0.0
    completed: int = 0
    alone: bool = True
    pending_logprobs: list[TokenLogprob] = field(default_factory=list)
    ended: bool = False


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since the start, and what is under way now."""

    running: int = 0
    waiting: int = 0
    cells: int = 0
    free_cells: int = 0
    kept: int = 0
    beginnings_resident: int = 0
    beginnings_loaded: int = 0
    beginnings_computed: int = 0
    sessions_resumed: int = 0
    prefill_tokens: int = 0
    decoded_tokens: int = 0
    guessed_tokens: int = 0
    accepted_tokens: int = 0
    steps: int = 0
    failed_steps: int = 0


class Worker:
    def __init__(self, backend: Backend, scheduler: Scheduler, states: StateStore) -> None:
        self._backend = backend
        self._scheduler = scheduler
        self._states = states
        self._jobs: dict[Task, Job] = {}
        self._changed = threading.Condition()
        self._commands: deque[Callable[[], None]] = deque()
        self._stop_at: float | None = None
        self._prefill_s = _FIRST_GUESS_PREFILL_S
        self._decode_s = _FIRST_GUESS_DECODE_S
        self._prefill_tokens = self._decoded_tokens = self._steps = self._failed_steps = 0
        self._guessed_tokens = self._accepted_tokens = 0
        self.dead: EngineDead | None = None
        self.stats = EngineStats(cells=scheduler.cells, free_cells=scheduler.cells)
        self.next_free_s = 0.0
        self._thread = threading.Thread(target=self._run, name="frontdesk-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Raise EngineDead when nothing runs it any more; the permit is then still the caller's."""
        self._command(lambda: self._accept(job))

    def cancel(self, job: Job) -> None:
        """Free what the job holds at the next step. Does nothing for a job that has ended."""
        if not job.ended and self.dead is None:
            try:
                self._command(lambda: self._finish(job, "cancelled"), while_closing=True)
            except EngineDead:
                return

    def forget(self, session: str) -> None:
        """Drop what was computed for the session, in the context and outside."""

        def drop() -> None:
            if self.dead is None:
                moves: list[Move] = []
                for key in self._scheduler.residence.forget(session, moves):
                    self._states.drop(key)
                self._carry_out(moves)

        with suppress(EngineDead):
            self._command(drop, while_closing=True)

    def check(self) -> "Future[None]":
        """A future that is done when everything commanded before is done and in `stats`."""
        done: Future[None] = Future()

        def answer() -> None:
            self._publish()
            if done.set_running_or_notify_cancel():
                done.set_result(None)

        self._command(answer, while_closing=True)
        return done

    def stop(self, grace_s: float) -> None:
        """Refuse new jobs, let the others run for `grace_s`, cancel the rest, close the backend."""
        with self._changed:
            if self._stop_at is None:
                self._stop_at = time.monotonic() + grace_s
            self._changed.notify()
        self._thread.join()

    def _command(self, command: Callable[[], None], *, while_closing: bool = False) -> None:
        with self._changed:
            if self.dead is not None:
                raise EngineDead(str(self.dead))
            if self._stop_at is not None and not while_closing:
                raise EngineDead(CLOSING)
            self._commands.append(command)
            self._changed.notify()

    def _run(self) -> None:
        ended = EngineDead(CLOSING)
        try:
            while self._take_commands():
                if self._scheduler.busy:
                    self._step()
                self._publish()
            for job in list(self._jobs.values()):
                self._finish(job, "cancelled")
        except BaseException:
            log.exception("the engine's thread died")
            ended = EngineDead(DEAD)
        finally:
            self._die(ended)
            self._states.close()
            self._backend.close()

    def _die(self, reason: EngineDead) -> None:
        with self._changed:
            self.dead = reason
            commands, self._commands = self._commands, deque()
        for job in list(self._jobs.values()):
            self._end(job, EngineDead(str(reason)))
        for command in commands:
            command()

    def _take_commands(self) -> bool:
        """Wait while there is nothing to do; False when it is time to end."""
        with self._changed:
            while not self._commands and not self._scheduler.busy and self._stop_at is None:
                self._changed.wait()
            commands, self._commands = self._commands, deque()
            stop_at = self._stop_at
        for command in commands:
            command()
        if stop_at is None:
            return True
        return self._scheduler.busy and time.monotonic() < stop_at

    def _accept(self, job: Job) -> None:
        if self.dead is not None:
            self._end(job, EngineDead(str(self.dead)))
            return
        self._jobs[job.task] = job
        self._scheduler.submit(job.task)

    def _step(self) -> None:
        now = time.monotonic()
        for job in [job for job in self._jobs.values() if job.deadline < now]:
            self._finish(job, "cancelled")
        if not self._scheduler.busy:
            return
        while moves := self._scheduler.moves():
            self._carry_out(moves)
        for task in self._scheduler.warmed():
            self._finish(self._jobs[task], "stop")
        rows = self._scheduler.plan()
        if not rows:
            return
        begun = time.monotonic()
        if not self._backend.decode([_chunk(row) for row in rows]):
            self._failed_steps += 1
            tasks, moves = self._scheduler.failed(rows)
            self._carry_out(moves)
            for task in tasks:
                self._end(
                    self._jobs[task],
                    GenerationFailed("The model failed to compute this reply; try again."),
                )
            return
        self._note_company(rows)
        self._scheduler.done(rows)
        self._measure(rows, time.monotonic() - begun)
        for chunk, row in enumerate(rows):
            if row.complete and isinstance(row.run, Task):
                self._advance(self._jobs[row.run], row, chunk)

    def _note_company(self, rows: Sequence[Row]) -> None:
        computed = {id(row.run) for row in rows}
        for job in self._jobs.values():
            own = {id(job.task), *(id(kept) for kept in upwards(job.task.base))}
            job.alone &= computed <= own or not computed & own

    def _carry_out(self, moves: Sequence[Move]) -> None:
        backend = self._backend
        for move in moves:
            match move:
                case Drop(sequence):
                    backend.drop(sequence)
                case Copy(source, target):
                    backend.copy(source, target)
                case Cut(sequence, start):
                    backend.cut(sequence, start)
                case Save(sequence, start, key, private):
                    self._states.put(key, backend.save(sequence, start), private=private)
                case Load(run, key, keep):
                    state = self._states.get(key)
                    ok = state is not None and backend.load(run.sequence, state)
                    if ok:
                        backend.cut(run.sequence, keep)
                    self._scheduler.loaded(move, ok)

    def _advance(self, job: Job, row: Row, chunk: int) -> None:
        """Choose the job's next token, and more as far as what was guessed is what is chosen."""
        assert job.sampler is not None, "only what generates has rows of its own"  # noqa: S101
        chosen: list[tuple[int, TokenLogprob | None]] = []
        for output in range(1 + len(row.guessed)):
            token = self._backend.sample(job.sampler, chunk, output)
            if token is None:
                self._fail(job, "The grammar leaves the model no next token; loosen it.")
                return
            asked = job.logprobs
            says = None if asked is None else self._backend.logprobs(chunk, output, token, asked)
            chosen.append((token, says))
            if row.guessed[output : output + 1] != (token,):
                break
        if row.guessed:
            self._guessed_tokens += len(row.guessed)
            self._accepted_tokens += len(chosen) - 1
            cut = self._scheduler.came_true(row, len(chosen) - 1)
            self._carry_out([cut] if cut is not None else [])
        for token, says in chosen:
            self._take(job, token, says)
            if job.ended:
                return

    def _take(self, job: Job, token: int, says: TokenLogprob | None) -> None:
        """Hand out the text that one more token makes certain."""
        if job.first_token == 0:
            job.first_token = time.monotonic()
        job.completed += 1
        vocabulary = self._backend.vocabulary
        if vocabulary.ends(token):
            self._finish(job, "stop")
            return
        if says is not None:
            job.pending_logprobs.append(says)
        text = job.transcript.feed(vocabulary.piece(token))
        if text and not self._put(job, text):
            self._finish(job, "cancelled")
        elif job.transcript.stopped:
            self._finish(job, "stop")
        elif job.completed >= job.task.max_tokens:
            self._finish(job, "length")
        else:
            job.task.tokens.append(token)

    def _put(self, job: Job, text: str) -> bool:
        logprobs, job.pending_logprobs = job.pending_logprobs, []
        return job.mailbox.put(text, logprobs)

    def _finish(self, job: Job, reason: FinishReason) -> None:
        if job.ended:
            return
        rest = job.transcript.close()
        if rest:
            self._put(job, rest)
        now = time.monotonic()
        usage = Usage(job.task.prompt_tokens, job.task.cached, job.completed)
        first = (job.first_token or now) - job.submitted
        self._free(job, park=True)
        self._end(
            job,
            Finished(
                job.transcript.text,
                reason,
                usage,
                first_token_ms=first * 1000,
                total_ms=(now - job.submitted) * 1000,
                alone=job.alone,
            ),
        )

    def _fail(self, job: Job, message: str) -> None:
        self._free(job)
        self._end(job, GenerationFailed(message))

    def _free(self, job: Job, *, park: bool = False) -> None:
        task = job.task
        if task not in self._jobs:
            return
        if park and task.max_tokens and task.computed:
            for kept in upwards(task.base):
                self._states.asked(kept.key)
        if task.computed > len(task.tokens):  # it ended before what was guessed ahead
            task.computed = len(task.tokens)
            self._backend.cut(task.sequence, task.computed)
        self._carry_out(self._scheduler.remove(task, park=park))

    def _end(self, job: Job, outcome: Finished | FrontdeskError) -> None:
        job.ended = True
        self._jobs.pop(job.task, None)
        if job.sampler is not None:
            job.sampler.close()
        job.permit.release()
        job.mailbox.end(outcome)

    def _measure(self, rows: list[Row], seconds: float) -> None:
        decoding = sum(1 for row in rows if isinstance(row.run, Task) and row.run.decoding)
        prefill = sum(row.count for row in rows) - decoding
        self._steps += 1
        self._decoded_tokens += decoding
        self._prefill_tokens += prefill
        if not prefill:
            self._decode_s = _MEMORY * self._decode_s + (1 - _MEMORY) * seconds
        else:
            each = max(seconds - (self._decode_s if decoding else 0), 0) / prefill
            self._prefill_s = _MEMORY * self._prefill_s + (1 - _MEMORY) * each

    def _publish(self) -> None:
        scheduler = self._scheduler
        counts = scheduler.residence.counts
        self.stats = EngineStats(
            running=len(scheduler.running),
            waiting=len(scheduler.waiting),
            cells=scheduler.cells,
            free_cells=scheduler.cells - scheduler.reserved_cells,
            kept=len(scheduler.residence.kept),
            beginnings_resident=counts.resident,
            beginnings_loaded=counts.loaded,
            beginnings_computed=counts.computed,
            sessions_resumed=counts.resumed,
            prefill_tokens=self._prefill_tokens,
            decoded_tokens=self._decoded_tokens + self._accepted_tokens,
            guessed_tokens=self._guessed_tokens,
            accepted_tokens=self._accepted_tokens,
            steps=self._steps,
            failed_steps=self._failed_steps,
        )
        self.next_free_s = min(
            (
                task.work * self._prefill_s
                + (task.prompt_tokens + task.max_tokens - len(task.tokens)) * self._decode_s
                for task in scheduler.running
            ),
            default=math.inf if scheduler.waiting else 0.0,
        )


def _chunk(row: Row) -> Chunk:
    run = row.run
    tokens = [*run.tokens[row.start : row.start + row.count], *row.guessed]
    wanted = 1 + len(row.guessed) if row.complete and isinstance(run, Task) else 0
    return Chunk(run.sequence, row.start, tokens, wanted)
