"""Opens and closes everything the product is made of: with `answering`, the only composition root.

Owns the whole service: answering, sessions, records, and what runs behind them. Refuses to know
HTTP. Invariant: what was opened is closed in reverse order, whatever happens in between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agent.answering import Answering, gate_of, load_words, open_answering
from agent.conversation.abandoned import Abandoned
from agent.conversation.attendance import Attendance
from agent.conversation.desk import Desk
from agent.conversation.gaps import Gaps
from agent.conversation.gate import Gate
from agent.conversation.listing import Listing, ServiceLevels
from agent.conversation.presence import Presence
from agent.conversation.recalling import Recalls
from agent.conversation.reception import Reception
from agent.conversation.reviewing import Reviews
from agent.conversation.service import ConversationService
from agent.conversation.turn import Answerer
from agent.conversation.warming import Warmer
from agent.errors import SetupError, Unavailable
from agent.events.broadcast import Broadcaster
from agent.generation.embedding import LlamaEmbeddings
from agent.generation.requests import Engine
from agent.integrations.chatwoot import Chatwoot
from agent.integrations.configured import chatwoot_of, given_secrets, webhooks_of
from agent.integrations.outbox import Outbox, Receiver
from agent.integrations.sources import Sources
from agent.outcomes.outcomes import Outcomes
from agent.policy.hours import working_hours
from agent.prompting import Prompts
from agent.settings import Settings
from agent.storage.archive import ArchivedStore, archive_idle
from agent.storage.attendance import AttendanceStore
from agent.storage.presence import PresenceStore
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from knowledge_base.errors import KnowledgeUnavailable
from knowledge_base.library import Library

log = logging.getLogger(__name__)

_ARCHIVE_EVERY_S = 3600.0
_LOOK_FOR_WORDS_EVERY_S = 30.0


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
    gaps: Gaps
    recalls: Recalls
    presence: Presence
    attendance: Attendance
    chatwoot: Chatwoot | None
    warmer: Warmer
    outcomes: Outcomes
    gate: Gate
    sources: Sources

    async def use_words(self) -> None:
        """Say and write from now on as the admins word it."""
        await load_words(self.prompts, self.records)

    async def ping(self) -> None:
        """Raise Unavailable naming the part that is missing and what to do about it."""
        await self.store.ping()
        await self.engine.ping()
        try:
            await asyncio.to_thread(self.library.ping)
        except KnowledgeUnavailable as error:
            raise Unavailable(str(error)) from error


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """The whole product. `settings.redis_url` has to be set: whoever runs us starts the server."""
    redis_url = _redis_url(settings)
    async with (
        _open_records(settings) as records,
        open_answering(settings, records) as answering,
        _open_presence(redis_url) as presence,
        _open_attendance(redis_url) as attendance,
        _open_store(redis_url, records) as (store, broadcaster),
    ):
        webhooks, chatwoot = webhooks_of(settings), chatwoot_of(settings, records.chatwoot)
        receivers: list[Receiver] = [webhooks, *([] if chatwoot is None else [chatwoot])]
        conversations = await _conversations(
            settings, records, answering, store, broadcaster, attendance
        )
        desk = _desk(settings, records, store, broadcaster, conversations, answering.answerer)
        warmer = _warmer(answering)
        gaps = Gaps(records, store, answering.knowledge.embeddings, answering.answerer)
        outcomes = _outcomes(settings, answering, store, records)
        gate = gate_of(settings, records, answering)
        sources = _sources(settings, answering)
        work = [
            gate.run(),
            _archive_now_and_then(store, records, settings),
            desk.wake_snoozed(),
            _words_of_others(answering.prompts, records),
            Outbox(receivers, store, records.webhooks).run(),
            Abandoned(attendance, desk.listing, conversations).run(),
            outcomes.run(),
            sources.run(),
            *([warmer.run()] if settings.warm else []),
            *([gaps.run()] if settings.gaps else []),
        ]
        async with AsyncExitStack() as closing:
            closing.push_async_callback(conversations.close)
            await closing.enter_async_context(_running(work))
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
                gaps=gaps,
                recalls=Recalls(records, desk, answering.answerer),
                presence=presence,
                attendance=attendance,
                chatwoot=chatwoot,
                warmer=warmer,
                outcomes=outcomes,
                gate=gate,
                sources=sources,
            )


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise SetupError(
            "Set FRONTDESK_REDIS_URL, or start with `frontdesk run`, which brings a server."
        )
    return settings.redis_url


def _sources(settings: Settings, answering: Answering) -> Sources:
    return Sources(
        answering.knowledge.library,
        settings.source_folders,
        publish=settings.sources_publish,
        every_s=settings.sources_seconds,
    )


@asynccontextmanager
async def _open_store(
    redis_url: str, records: Records
) -> AsyncIterator[tuple[ConversationStore, Broadcaster]]:
    store = await ArchivedStore.open_over(redis_url, records)
    broadcaster = Broadcaster(store)
    try:
        await broadcaster.start()
        yield store, broadcaster
    finally:
        await broadcaster.close()
        await store.close()


@asynccontextmanager
async def _running(work: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """What goes on behind everything else, until the end."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        await _end(tasks)


async def _words_of_others(prompts: Prompts, records: Records) -> None:
    """Another server on the same database may have been given other words."""
    while True:
        await asyncio.sleep(_LOOK_FOR_WORDS_EVERY_S)
        try:
            await load_words(prompts, records)
        except Unavailable as error:
            log.warning("Whether other words are wanted cannot be seen now: %s", error)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def service_levels(settings: Settings) -> ServiceLevels:
    return ServiceLevels(
        first_answer=timedelta(minutes=settings.sla_first_answer_minutes),
        next_answer=timedelta(minutes=settings.sla_next_answer_minutes),
    )


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


def _warmer(answering: Answering) -> Warmer:
    return Warmer(
        engine=answering.engine,
        library=answering.knowledge.library,
        reader=answering.answerer.reader,
    )


def _outcomes(
    settings: Settings, answering: Answering, store: ConversationStore, records: Records
) -> Outcomes:
    return Outcomes.of(
        settings,
        store=store,
        records=records,
        library=answering.knowledge.library,
        engine=answering.engine,
        prompts=answering.prompts,
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
