"""Opens and closes what answers: the library (documents and their search), and the engine on it.

Owns how the engine is set up on this machine. Refuses to know conversations and HTTP. Invariant:
what was opened is closed in reverse order, whatever happens in between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

from agent.conversation.gate import Gate
from agent.conversation.memory import AnswerMemory
from agent.conversation.reading import Thresholds
from agent.conversation.turn import Answerer
from agent.generation import tuned
from agent.generation.drafting import TYPICAL
from agent.generation.embedding import LlamaEmbeddings
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.llama import Tuning
from agent.generation.remote import RemoteEngine
from agent.generation.requests import Engine
from agent.prompting import Prompts
from agent.settings import Settings
from agent.storage.records import Records
from agent.storage.words import STYLE
from agent.weights.store import Weights, resolve
from knowledge_base.library import Library
from knowledge_base.model import Progress
from knowledge_base.settings import KnowledgeSettings

log = logging.getLogger(__name__)

SAMPLE_SOURCE = "sample"


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
    """With `records` answers that customers liked are given again, and admins' words are used."""
    prompts = Prompts(company=settings.company, overrides=settings.prompts_dir)
    if records is not None:
        await load_words(prompts, records)
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


async def load_words(prompts: Prompts, records: Records) -> None:
    words = await asyncio.to_thread(records.words.read)
    style = words.pop(STYLE, "")
    prompts.use(words, style)


def gate_of(settings: Settings, records: Records, answering: Answering) -> Gate:
    return Gate(
        records=records,
        library=answering.knowledge.library,
        answerer=answering.answerer,
        time_zone=settings.time_zone,
        mode=settings.gate,
        most=settings.gate_questions,
    )


def thresholds(settings: Settings) -> Thresholds:
    return Thresholds(
        sure_at=settings.sure_at,
        refuse_below=settings.refuse_below,
        clarify_at=settings.clarify_at,
        hand_off_below=settings.hand_off_below,
        hand_off_after=settings.hand_off_after,
    )


def seed_sample(library: Library, progress: Callable[[Progress], None] | None = None) -> bool:
    """The sample company's policies, if the catalogue is empty. True if it was."""
    if library.documents():
        return False
    with as_file(files("knowledge_base") / "content") as content:
        library.add_paths([Path(content)], source=SAMPLE_SOURCE, publish=True, progress=progress)
    return True


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
