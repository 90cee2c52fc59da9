"""Asks every question of an evaluation file and writes down what happened.

Invariant: an item that fails is a record with outcome "failed", never a missing one.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from agent.conversation.turn import Answerer, Question, ReplyDone
from agent.errors import FrontdeskError
from agent.evaluation.dataset import Item
from agent.evaluation.scoring import Record, summarize
from agent.services import open_answering
from agent.settings import Settings
from knowledge_base.library import Library
from knowledge_base.model import Progress as KnowledgeProgress

Progress = Callable[[int, int], None]
AT_ONCE: Final = 4


async def evaluate_apart(
    settings: Settings, folder: Path, items: Sequence[Item], progress: Progress | None = None
) -> dict[str, Any]:
    """Evaluate on a knowledge base of the folder's own, in a temporary place.

    `folder` has documents, or a `docs.jsonl` of `{id, title?, text}`; live stores are not touched.
    """
    with tempfile.TemporaryDirectory(prefix="frontdesk-eval-") as place:
        apart = settings.model_copy(
            update={"data_dir": Path(place), "database_url": None, "chroma_url": None}
        )
        async with open_answering(apart) as answering:
            library = answering.knowledge.library
            await asyncio.to_thread(_take_in, library, folder, progress)
            return await evaluate(answering.answerer, items, progress)


def _take_in(library: Library, folder: Path, progress: Progress | None) -> None:
    def show(at: KnowledgeProgress) -> None:
        if progress:
            progress(at.done, at.total)

    listed = folder / "docs.jsonl" if folder.is_dir() else folder
    if not listed.is_file():
        library.add_paths([folder], source="evaluation", publish=True, progress=show)
        return
    texts = []
    for line in listed.read_text(encoding="utf-8").splitlines():
        if line.strip():
            document = json.loads(line)
            texts.append((document["id"], document["text"], document.get("title")))
    library.add_texts(texts, source="evaluation", publish=True, progress=show)


async def evaluate(
    answerer: Answerer,
    items: Sequence[Item],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The report of the contract. Document ids are the documents' keys (paths)."""
    documents = await asyncio.to_thread(answerer.library.documents)
    keys = {document.id: document.key for document in documents}
    gate = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(item: Item) -> Record:
        nonlocal done
        async with gate:
            record = await _ask(answerer, item, keys)
        done += 1
        if progress:
            progress(done, len(items))
        return record

    records = await asyncio.gather(*(one(item) for item in items))
    return {
        **summarize(items, records),
        "model": answerer.model.name,
        "revision": answerer.revision,
        "per_item": records,
    }


async def _ask(answerer: Answerer, item: Item, keys: dict[str, str]) -> Record:
    question = Question(item.question, item.history())
    done: ReplyDone | None = None
    try:
        async for part in answerer.answer(question, message_id=item.id):
            if isinstance(part, ReplyDone):
                done = part
    except FrontdeskError as error:
        return _failed(item, str(error))
    if done is None or done.message.timings is None:
        return _failed(item, "The answer did not end.")
    message, timings = done.message, done.message.timings
    texts = {
        (hit.passage.document_id, hit.passage.section, hit.passage.revision): hit.passage.text
        for hit in reversed(done.hits)
    }
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.answer,
        "gold_docs": item.gold,
        "answer": message.content,
        "outcome": message.outcome,
        "replaced": done.replaced,
        "confidence": message.confidence,
        "citations": [
            {
                **citation.model_dump(mode="json"),
                "document_id": keys.get(citation.document_id, citation.document_id),
                "text": texts[citation.document_id, citation.section, citation.revision],
            }
            for citation in message.citations or ()
        ],
        "retrieved": list(
            dict.fromkeys(keys.get(h.passage.document_id, h.passage.document_id) for h in done.hits)
        ),
        "first_token_ms": timings.first_token_ms,
        "total_ms": timings.total_ms,
    }


def _failed(item: Item, reason: str) -> Record:
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.answer,
        "gold_docs": item.gold,
        "answer": "",
        "outcome": "failed",
        "error": reason,
        "confidence": None,
        "citations": [],
        "retrieved": [],
        "first_token_ms": 0.0,
        "total_ms": 0.0,
    }
