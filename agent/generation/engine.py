"""The chat model in this process, as an `Engine`: checks and renders requests, admits, streams.

Knows nothing of llama.cpp's functions and of scheduling. Invariant: a stream that is left in any
way, even one that is only forgotten, gives back its permit and its cells. It belongs to no event
loop: each stream lives on the loop that iterates it.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

from agent.errors import EngineBusy, EngineDead, InvalidRequest, PromptTooLong
from agent.generation.backend import Backend
from agent.generation.chat import ChatTemplate
from agent.generation.drafting import TYPICAL
from agent.generation.llama import LlamaBackend, LlamaModel, Tuning, schema_to_gbnf
from agent.generation.mailbox import Mailbox
from agent.generation.permits import PermitPool
from agent.generation.requests import (
    Delta,
    Finished,
    GenerationRequest,
    ModelCard,
    Permit,
    Priority,
    ToolSpec,
)
from agent.generation.runs import Task, state_key
from agent.generation.scheduler import Scheduler
from agent.generation.states import StateSizes, StateStore
from agent.generation.tool_calls import ToolGate, call_grammar
from agent.generation.transcript import Transcript
from agent.generation.worker import EngineStats, Job, Worker

# A step takes at most about two seconds on two cores, even with a batch full of prompt.
PING_TIMEOUT_S = 30.0
RETRY_AFTER_S = (1.0, 60.0)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`context_tokens` are the KV cells of all sequences together: 28.7 kB each with a 1.5B model
    in f16, so 8192 are 235 MB. `queue_limit` requests may wait beyond `max_sequences` that run.
    `step_costs` are the seconds of steps with `drafting.ROWS` rows on this machine; `guesses`:
    whether tokens are computed ahead where an answer seems to repeat its prompt.
    `cache_folder` None: policies' states are kept in memory only; `cache_disk_bytes` None: 4 GB or
    a tenth of what is free."""

    context_tokens: int = 8192
    max_sequences: int = 8
    queue_limit: int = 24
    batch_tokens: int = 512
    tuning: Tuning = field(default_factory=Tuning)
    step_costs: tuple[float, ...] = TYPICAL
    guesses: bool = True
    gpu_layers: int = -1
    shutdown_grace_s: float = 5.0
    cache_memory_bytes: int = 192 * 10**6
    session_memory_bytes: int = 64 * 10**6
    cache_folder: Path | None = None
    cache_disk_bytes: int | None = None


class LlamaEngine:
    def __init__(
        self, backend: Backend, *, name: str, sha256: str | None, settings: EngineSettings
    ):
        """Take over `backend`, which needs `Scheduler.sequences_for(max_sequences)` sequences."""
        self._backend = backend
        self._settings = settings
        self._template = ChatTemplate(backend.vocabulary.template)
        self._states = StateStore(
            f"{sha256 or name} {backend.fingerprint}",
            memory_bytes=settings.cache_memory_bytes,
            private_bytes=settings.session_memory_bytes,
            folder=settings.cache_folder,
            disk_bytes=settings.cache_disk_bytes,
        )
        scheduler = Scheduler(
            cells=backend.context_tokens,
            batch_tokens=backend.batch_tokens,
            max_sequences=settings.max_sequences,
            is_saved=self._states.has,
            costs=settings.step_costs,
            guesses=settings.guesses,
        )
        self._worker = Worker(backend, scheduler, self._states)
        self._permits = PermitPool(
            settings.max_sequences + settings.queue_limit,
            kept_for_customers=settings.queue_limit // 2,
            retry_after=self._retry_after,
        )
        build = hashlib.sha256(backend.fingerprint.encode()).hexdigest()[:16]
        self.model = ModelCard(name, sha256, backend.context_tokens, build)
        self._worker.start()

    @classmethod
    async def open(
        cls, path: Path, *, name: str, sha256: str | None, settings: EngineSettings | None = None
    ) -> Self:
        """Load a GGUF file, which takes seconds. Raise SetupError if it cannot serve."""
        return await asyncio.to_thread(
            cls._load, path, name=name, sha256=sha256, settings=settings or EngineSettings()
        )

    @classmethod
    def _load(cls, path: Path, *, name: str, sha256: str | None, settings: EngineSettings) -> Self:
        backend = LlamaBackend(
            LlamaModel(path, gpu_layers=settings.gpu_layers),
            context_tokens=settings.context_tokens,
            batch_tokens=settings.batch_tokens,
            sequences=Scheduler.sequences_for(settings.max_sequences),
            tuning=settings.tuning,
        )
        return cls(backend, name=name, sha256=sha256, settings=settings)

    @property
    def stats(self) -> EngineStats:
        return self._worker.stats

    @property
    def busy(self) -> bool:
        """Whether any request runs or waits."""
        return self._permits.out > 0

    def reserve(self, priority: Priority = Priority.CUSTOMER) -> Permit:
        if self._worker.dead is not None:
            raise EngineDead(str(self._worker.dead))
        return self._permits.take(priority)

    def generate(
        self, request: GenerationRequest, permit: Permit | None = None
    ) -> "GenerationStream":
        return GenerationStream(self, request, permit)

    async def warm(
        self, requests: Sequence[GenerationRequest], progress: Callable[[int, int], None]
    ) -> None:
        wanted = await asyncio.to_thread(self._beginnings, requests)
        progress(0, len(wanted))
        for done, beginning in enumerate(wanted, 1):
            if not self._states.wants(beginning.keys):
                progress(done, len(wanted))
                continue
            while True:
                try:
                    permit = self.reserve(Priority.BACKGROUND)
                    break
                except EngineBusy as busy:
                    await asyncio.sleep(busy.retry_after)
            await self._compute(beginning, permit)
            progress(done, len(wanted))

    def forget(self, session: str) -> None:
        self._worker.forget(session)

    @property
    def cache_sizes(self) -> StateSizes:
        return self._states.sizes

    async def count_tokens(self, text: str) -> int:
        vocabulary = self._backend.vocabulary
        return len(await asyncio.to_thread(vocabulary.tokenize, text, control=False))

    async def ping(self) -> None:
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await asyncio.wrap_future(self._worker.check())
        except TimeoutError:
            raise EngineDead(
                f"The model has not answered for {PING_TIMEOUT_S:.0f} s. Restart Frontdesk."
            ) from None

    async def close(self) -> None:
        """Let what runs finish for a few seconds, cancel the rest, free the model."""
        await asyncio.to_thread(self._worker.stop, self._settings.shutdown_grace_s)

    def _retry_after(self) -> float:
        least, most = RETRY_AFTER_S
        return min(max(self._worker.next_free_s, least), most)

    def _prepare(self, request: GenerationRequest, permit: Permit, mailbox: Mailbox) -> Job:
        """Everything that can be refused is refused here, before the model's thread sees it."""
        submitted = time.monotonic()
        _check(request)
        prompt = self._template.prompt(
            self._backend.vocabulary, request.messages, _tools(request), request.shared_pieces
        )
        length = len(prompt.tokens)
        if length + request.max_tokens > self.model.context_tokens:
            raise PromptTooLong(
                f"The prompt has {length} tokens and up to {request.max_tokens} were asked for,"
                f" but the model holds {self.model.context_tokens}. Shorten one of them."
            )
        return Job(
            task=Task(
                prompt.tokens,
                priority=request.priority,
                prompt_tokens=length,
                max_tokens=request.max_tokens,
                bounds=tuple(bound for bound in prompt.bounds if bound < length),
                session=request.session,
            ),
            sampler=self._backend.sampler(request.sampling, _grammar(request), request.max_tokens),
            transcript=Transcript(request.stop),
            mailbox=mailbox,
            permit=permit,
            deadline=submitted + request.deadline_s,
            logprobs=request.logprobs,
            submitted=submitted,
        )

    def _beginnings(self, requests: Sequence[GenerationRequest]) -> list["_Beginning"]:
        """What the requests share, without doubles, what was asked most first."""
        found: dict[tuple[int, ...], _Beginning] = {}
        for request in requests:
            prompt = self._template.prompt(
                self._backend.vocabulary, request.messages, (), request.shared_pieces
            )
            ends = (0, *prompt.bounds)
            tokens = prompt.tokens[: ends[-1]]
            if tokens and len(tokens) <= self.model.context_tokens:
                keys = [state_key(tokens[:end], start) for start, end in pairwise(ends)]
                found[tuple(tokens)] = _Beginning(tokens, prompt.bounds, tuple(keys))
        return sorted(
            found.values(), key=lambda one: self._states.popularity(one.keys[-1]), reverse=True
        )

    async def _compute(self, beginning: "_Beginning", permit: Permit) -> None:
        tokens = beginning.tokens
        job = Job(
            task=Task(
                list(tokens),
                priority=Priority.BACKGROUND,
                prompt_tokens=len(tokens),
                max_tokens=0,
                bounds=beginning.bounds,
            ),
            sampler=None,
            transcript=Transcript(()),
            mailbox=Mailbox(),
            permit=permit,
            deadline=math.inf,
        )
        try:
            self._worker.submit(job)
            await job.mailbox.take()
        finally:
            self._worker.cancel(job)
            permit.release()


@dataclass(frozen=True, slots=True)
class _Beginning:
    """`keys` name the states of the stretches that end at the `bounds`."""

    tokens: list[int]
    bounds: tuple[int, ...]
    keys: tuple[bytes, ...]


class GenerationStream:
    """One generation as an async iterator. Nothing happens before the first `anext`."""

    def __init__(
        self, engine: LlamaEngine, request: GenerationRequest, permit: Permit | None
    ) -> None:
        self._engine = engine
        self._request = request
        self._permit = permit
        self._mailbox: Mailbox | None = None
        self._job: Job | None = None
        self._gate = ToolGate(tools) if (tools := _tools(request)) else None
        self._shown: list[str] = []
        self._last: Finished | None = None
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta | Finished:
        try:
            return await self._next()
        except BaseException:
            self._leave()
            raise

    async def aclose(self) -> None:
        self._leave()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        self._over = True
        if self._job is not None:
            self._engine._worker.cancel(self._job)  # noqa: SLF001 - a part of the engine
        if self._permit is not None:
            self._permit.release()

    async def _next(self) -> Delta | Finished:
        if self._over:
            raise StopAsyncIteration
        if self._last is not None:
            self._over = True
            return self._last
        if self._mailbox is None:
            self._mailbox = await self._start()
        while True:
            item = await self._mailbox.take()
            if isinstance(item, Finished):
                return self._finish(item)
            if self._gate is None:
                return item
            text = self._gate.feed(item.text)
            if text:
                self._shown.append(text)
                return Delta(text, item.logprobs)

    async def _start(self) -> Mailbox:
        engine = self._engine
        self._permit = permit = self._permit or engine.reserve(self._request.priority)
        mailbox = Mailbox()
        self._job = await asyncio.to_thread(engine._prepare, self._request, permit, mailbox)  # noqa: SLF001
        engine._worker.submit(self._job)  # noqa: SLF001
        return mailbox

    def _finish(self, finished: Finished) -> Delta | Finished:
        """With tools, what the gate held back comes last: calls, or text that was none."""
        if self._gate is None:
            self._over = True
            return finished
        rest, calls = self._gate.close()
        self._last = replace(
            finished,
            text="".join([*self._shown, rest]),
            reason="tool_calls" if calls and finished.reason == "stop" else finished.reason,
            tool_calls=calls,
        )
        if rest:
            return Delta(rest)
        self._over = True
        return self._last


def _check(request: GenerationRequest) -> None:
    if not request.messages:
        raise InvalidRequest("There is no message to answer.", field="messages")
    if request.max_tokens < 1:
        raise InvalidRequest("max_tokens must be at least 1.", field="max_tokens")
    constraints = (
        request.grammar is not None,
        request.json_schema is not None,
        bool(request.tools) and request.tool_choice not in ("auto", "none"),
    )
    if sum(constraints) > 1:
        raise InvalidRequest(
            "Only one of a grammar, a JSON schema and a required tool can bind one reply.",
            field="grammar",
        )


def _tools(request: GenerationRequest) -> tuple[ToolSpec, ...]:
    return () if request.tool_choice == "none" else request.tools


def _grammar(request: GenerationRequest) -> str | None:
    if request.grammar is not None:
        return request.grammar
    if request.json_schema is not None:
        return schema_to_gbnf(request.json_schema)
    if request.tools and request.tool_choice not in ("auto", "none"):
        return call_grammar(request.tools, request.tool_choice, schema_to_gbnf)
    return None
