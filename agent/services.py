"""Opens and closes everything the product is made of: the only composition root.

Three sizes, each standing on the one before: the library (documents and their search), answering
(library and model), and the whole service (answering, sessions, records). Invariant: what was
opened is closed in reverse order, whatever happens in between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path

from agent.conversation.abandoned import Abandoned
from agent.conversation.attendance import Attendance
from agent.conversation.desk import Desk
from agent.conversation.listing import Listing, ServiceLevels
from agent.conversation.memory import AnswerMemory
from agent.conversation.presence import Presence
from agent.conversation.reading import Thresholds
from agent.conversation.reception import Reception
from agent.conversation.reviewing import Reviews
from agent.conversation.service import ConversationService
from agent.conversation.turn import Answerer
from agent.conversation.warming import Warmer
from agent.errors import SetupError, Unavailable
from agent.events.broadcast import Broadcaster
from agent.generation import tuned
from agent.generation.drafting import TYPICAL
from agent.generation.embedding import LlamaEmbeddings
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.llama import Tuning
from agent.generation.remote import RemoteEngine
from agent.generation.requests import Engine
from agent.integrations.chatwoot import Chatwoot
from agent.integrations.configured import chatwoot_of, given_secrets, webhooks_of
from agent.integrations.outbox import Outbox, Receiver
from agent.policy.hours import working_hours
from agent.prompting import Prompts
from agent.settings import Settings
from agent.storage.archive import ArchivedStore, archive_idle
from agent.storage.attendance import AttendanceStore
from agent.storage.presence import PresenceStore
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from agent.weights.store import Weights, resolve
from knowledge_base.errors import KnowledgeUnavailable
from knowledge_base.library import Library
from knowledge_base.model import Progress
from knowledge_base.settings import KnowledgeSettings

log = logging.getLogger(__name__)

SAMPLE_SOURCE = "sample"
_ARCHIVE_EVERY_S = 3600.0


@dataclass(frozen=True)
class Knowledge:
    library: Library
    embeddings: LlamaEmbeddings


@dataclass(frozen=True)
class Answering:
    knowledge: Knowledge
    engine: Engine
    prompts: Prompts
    answerer: Answerer


@dataclass(frozen=True)
class Services:
    settings: Settings
    engine: Engine
    embeddings: LlamaEmbeddings
    library: Library
    store: ConversationStore
    records: Records
    prompts: Prompts
    answerer: Answerer
    conversations: ConversationService
    desk: Desk
    reviews: Reviews
    presence: Presence
    attendance: Attendance
    chatwoot: Chatwoot | None
    warmer: Warmer

    async def ping(self) -> None:
        """Raise Unavailable naming the part that is missing and what to do about it."""
        await self.store.ping()
        await self.engine.ping()
        try:
            await asyncio.to_thread(self.library.ping)
        except KnowledgeUnavailable as error:
            raise Unavailable(str(error)) from error


@asynccontextmanager
async def open_knowledge(settings: Settings) -> AsyncIterator[Knowledge]:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    weights = await asyncio.to_thread(resolve, None, settings.weights_dir, kind="embedding")
    embeddings = await asyncio.to_thread(LlamaEmbeddings, weights.path)
    try:
        library = await asyncio.to_thread(
            Library.open,
            KnowledgeSettings(
                data_dir=settings.data_dir / "knowledge",
                database_url=settings.sql_url,
                chroma_url=settings.chroma_url,
                time_zone=settings.time_zone,
            ),
            embeddings,
            weights.name,
        )
        try:
            yield Knowledge(library, embeddings)
        finally:
            await asyncio.to_thread(library.close)
    finally:
        await asyncio.to_thread(embeddings.close)


@asynccontextmanager
async def open_answering(
    settings: Settings, records: Records | None = None
) -> AsyncIterator[Answering]:
    """With `records` answers that customers liked are given again."""
    prompts = Prompts(company=settings.company, overrides=settings.prompts_dir)
    async with open_knowledge(settings) as knowledge:
        engine = await _open_engine(settings)
        knowledge.embeddings.give_way_to(lambda: engine.busy)
        try:
            memory = None
            if records is not None and settings.answer_memory:
                memory = AnswerMemory(records, knowledge.embeddings, settings.answer_memory)
                await memory.load()
            answerer = Answerer(
                engine=engine,
                library=knowledge.library,
                prompts=prompts,
                time_zone=settings.time_zone,
                thresholds=thresholds(settings),
                memory=memory,
            )
            yield Answering(knowledge, engine, prompts, answerer)
        finally:
            await engine.close()


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """The whole product. `settings.redis_url` has to be set: whoever runs us starts the server."""
    if settings.redis_url is None:
        raise SetupError(
            "Set FRONTDESK_REDIS_URL, or start with `frontdesk run`, which brings a server."
        )
    async with (
        _open_records(settings) as records,
        open_answering(settings, records) as answering,
        _open_presence(settings.redis_url) as presence,
        _open_attendance(settings.redis_url) as attendance,
    ):
        store = await ArchivedStore.open_over(settings.redis_url, records)
        webhooks, chatwoot = webhooks_of(settings), chatwoot_of(settings, records.chatwoot)
        receivers: list[Receiver] = [webhooks] if chatwoot is None else [webhooks, chatwoot]
        broadcaster = Broadcaster(store)
        await broadcaster.start()
        conversations = await _conversations(
            settings, records, answering, store, broadcaster, attendance
        )
        desk = _desk(settings, records, store, broadcaster, conversations, answering.answerer)
        warmer = Warmer(
            engine=answering.engine,
            library=answering.knowledge.library,
            reader=answering.answerer.reader,
        )
        behind = [
            asyncio.create_task(_archive_now_and_then(store, records, settings)),
            asyncio.create_task(desk.wake_snoozed()),
            asyncio.create_task(Outbox(receivers, store, records.webhooks).run()),
            asyncio.create_task(Abandoned(attendance, desk.listing, conversations).run()),
            *([asyncio.create_task(warmer.run())] if settings.warm else []),
        ]
        try:
            await conversations.recover()
            yield Services(
                settings=settings,
                engine=answering.engine,
                embeddings=answering.knowledge.embeddings,
                library=answering.knowledge.library,
                store=store,
                records=records,
                prompts=answering.prompts,
                answerer=answering.answerer,
                conversations=conversations,
                desk=desk,
                reviews=Reviews(store, records, conversations, answering.answerer.memory),
                presence=presence,
                attendance=attendance,
                chatwoot=chatwoot,
                warmer=warmer,
            )
        finally:
            await _end(behind)
            await conversations.close()
            await broadcaster.close()
            await store.close()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def thresholds(settings: Settings) -> Thresholds:
    return Thresholds(
        sure_at=settings.sure_at,
        refuse_below=settings.refuse_below,
        clarify_at=settings.clarify_at,
        hand_off_below=settings.hand_off_below,
        hand_off_after=settings.hand_off_after,
    )


def service_levels(settings: Settings) -> ServiceLevels:
    return ServiceLevels(
        first_answer=timedelta(minutes=settings.sla_first_answer_minutes),
        next_answer=timedelta(minutes=settings.sla_next_answer_minutes),
    )


def seed_sample(library: Library, progress: Callable[[Progress], None] | None = None) -> bool:
    """The sample company's policies, if the catalogue is empty. True if it was."""
    if library.documents():
        return False
    with as_file(files("knowledge_base") / "content") as content:
        library.add_paths([Path(content)], source=SAMPLE_SOURCE, publish=True, progress=progress)
    return True


@asynccontextmanager
async def _open_records(settings: Settings) -> AsyncIterator[Records]:
    records = await asyncio.to_thread(Records.open, settings.sql_url)
    try:
        yield records
    finally:
        await asyncio.to_thread(records.close)


async def _conversations(
    settings: Settings,
    records: Records,
    answering: Answering,
    store: ConversationStore,
    broadcaster: Broadcaster,
    attendance: Attendance,
) -> ConversationService:
    return ConversationService(
        store=store,
        records=records,
        broadcaster=broadcaster,
        engine=answering.engine,
        answerer=answering.answerer,
        prompts=answering.prompts,
        reception=_reception(settings, attendance, answering.prompts),
        widget_secrets=await _secrets(records, settings, "widget_secret"),
        jwt_secrets=await _secrets(records, settings, "jwt_secret"),
    )


def _desk(
    settings: Settings,
    records: Records,
    store: ConversationStore,
    broadcaster: Broadcaster,
    conversations: ConversationService,
    answerer: Answerer,
) -> Desk:
    return Desk(
        store=store,
        broadcaster=broadcaster,
        service=conversations,
        answerer=answerer,
        people=records.people,
        listing=Listing(store, records, service_levels(settings)),
    )


@asynccontextmanager
async def _open_presence(redis_url: str) -> AsyncIterator[Presence]:
    presence = Presence(PresenceStore(redis_url))
    presence.start()
    try:
        yield presence
    finally:
        await presence.close()


@asynccontextmanager
async def _open_attendance(redis_url: str) -> AsyncIterator[Attendance]:
    attendance = Attendance(AttendanceStore(redis_url))
    reporting = asyncio.create_task(attendance.run())
    try:
        yield attendance
    finally:
        await _end([reporting])
        await attendance.close()


def _reception(settings: Settings, attendance: Attendance, prompts: Prompts) -> Reception:
    hours = working_hours(settings.working_hours, settings.time_zone)
    return Reception(hours, attendance, prompts)


async def _open_engine(settings: Settings) -> LlamaEngine | RemoteEngine:
    if settings.engine_url is not None:
        key = settings.engine_key.get_secret_value() if settings.engine_key else None
        return await RemoteEngine.open(settings.engine_url, key=key, model=settings.engine_model)
    weights = await asyncio.to_thread(resolve, settings.model, settings.weights_dir)
    tuning, step_costs = await asyncio.to_thread(_tuning, settings, weights)
    limits = EngineSettings(
        context_tokens=settings.context_tokens,
        max_sequences=settings.sequences,
        queue_limit=settings.queue,
        tuning=tuning,
        step_costs=step_costs,
        gpu_layers=-1 if settings.gpu_layers is None else settings.gpu_layers,
        cache_memory_bytes=settings.cache_memory_mb * 10**6,
        cache_folder=settings.data_dir / "policy_cache",
        cache_disk_bytes=(
            None if settings.cache_disk_gb is None else int(settings.cache_disk_gb * 10**9)
        ),
    )
    return await LlamaEngine.open(
        weights.path, name=weights.name, sha256=weights.sha256, settings=limits
    )


def _tuning(settings: Settings, weights: Weights) -> tuple[Tuning, tuple[float, ...]]:
    folder, sha256 = settings.weights_dir, weights.sha256
    found = tuned.recall(folder, sha256)
    if found is None and settings.tune:
        found = tuned.measured(folder, weights.path, sha256, log.info)
    tuning = found.tuning if found is not None else Tuning()
    if settings.threads is not None:
        tuning = replace(tuning, threads=settings.threads)
    return tuning, found.speed.steps if found is not None else TYPICAL


async def _secrets(records: Records, settings: Settings, name: str) -> tuple[bytes, ...]:
    return given_secrets(settings, name) or await asyncio.to_thread(records.secret, name)


async def _archive_now_and_then(
    store: ConversationStore, records: Records, settings: Settings
) -> None:
    while True:
        await asyncio.sleep(_ARCHIVE_EVERY_S)
        try:
            await archive_idle(store, records, idle_days=settings.archive_days)
            await asyncio.to_thread(records.audit.forget_older_than, settings.audit_days)
        except Unavailable as error:
            log.warning("Idle conversations were not archived this time: %s", error)
