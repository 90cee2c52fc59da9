"""Asks every question of an evaluation file and says what happened.

Invariant: an item that fails is a record with outcome "failed", never a missing one.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from agent.answering import open_answering
from agent.conversation.turn import Answerer, Question, ReplyDone
from agent.errors import FrontdeskError
from agent.evaluation.dataset import Item
from agent.evaluation.scoring import Record
from agent.settings import Settings
from knowledge_base.library import Library
from knowledge_base.model import Progress as KnowledgeProgress

Line = dict[str, Any]
Progress = Callable[[int, int], None]
AT_ONCE: Final = 4
_SHOWN: Final = 4  # passages that a report shows


async def answers_apart(
    settings: Settings,
    folder: Path,
    items: Sequence[Item],
    progress: Progress,
    at_once: int = AT_ONCE,
) -> AsyncIterator[Line]:
    """Answer from a knowledge base of the folder's own, in a temporary place.

    `folder` has documents, or a `docs.jsonl` of `{id, title?, text}`; live stores are not touched.
    `progress` is of the documents.
    """
    with tempfile.TemporaryDirectory(prefix="frontdesk-eval-") as place:
        apart = settings.model_copy(
            update={"data_dir": Path(place), "database_url": None, "chroma_url": None}
        )
        async with open_answering(apart) as answering:
            library = answering.knowledge.library
            await asyncio.to_thread(_take_in, library, folder, progress)
            async for line in answers(answering.answerer, items, at_once):
                yield line


def listed_texts(folder: Path) -> list[tuple[str, str, str | None]] | None:
    """Id, text and title of each document of a `docs.jsonl`; None if the folder has none."""
    listed = folder / "docs.jsonl" if folder.is_dir() else folder
    if not listed.is_file():
        return None
    documents = [
        json.loads(line) for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    return [(one["id"], one["text"], one.get("title")) for one in documents]


def _take_in(library: Library, folder: Path, progress: Progress) -> None:
    def show(at: KnowledgeProgress) -> None:
        progress(at.done, at.total)

    texts = listed_texts(folder)
    if texts is None:
        library.add_paths([folder], source="evaluation", publish=True, progress=show)
    else:
        library.add_texts(texts, source="evaluation", publish=True, progress=show)


async def answers(
    answerer: Answerer, items: Sequence[Item], at_once: int = AT_ONCE
) -> AsyncIterator[Line]:
    """A `record` of each item as it is done, and as the `result` what answered. Document ids are
    the documents' keys (paths). One at once is slower and gives the same words every time; beside
    others two tokens that are nearly as likely may change places."""
    documents = await asyncio.to_thread(answerer.library.documents)
    keys = {document.id: document.key for document in documents}
    gate = asyncio.Semaphore(at_once)

    async def one(item: Item) -> Record:
        async with gate:
            return await _ask(answerer, item, keys)

    asked = [asyncio.create_task(one(item)) for item in items]
    try:
        for record in asyncio.as_completed(asked):
            yield {"record": await record}
    finally:
        for task in asked:
            task.cancel()
    yield {"result": {"model": answerer.model.name, "revision": answerer.revision}}


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
    passages = [hit.passage for hit in done.hits]
    texts = {(p.document_id, p.section, p.revision): p.text for p in reversed(passages)}
    return {
        **item.asked(),
        "answer": message.content,
        "outcome": message.outcome,
        "replaced": done.replaced,
        "written": "".join(done.record.tokens) if done.record else None,
        "confidence": message.confidence,
        "evidence": done.evidence and asdict(done.evidence),
        "citations": [
            {
                **citation.model_dump(mode="json"),
                "document_id": keys.get(citation.document_id, citation.document_id),
                "text": texts[citation.document_id, citation.section, citation.revision],
            }
            for citation in message.citations or ()
        ],
        "retrieved": list(dict.fromkeys(keys.get(p.document_id, p.document_id) for p in passages)),
        "passages": [
            {"title": p.title, "section": p.section, "text": p.text} for p in passages[:_SHOWN]
        ],
        "first_token_ms": timings.first_token_ms,
        "total_ms": timings.total_ms,
    }


def _failed(item: Item, reason: str) -> Record:
    return {
        **item.asked(),
        "answer": "",
        "outcome": "failed",
        "error": reason,
        "confidence": None,
        "citations": [],
        "retrieved": [],
        "passages": [],
        "first_token_ms": 0.0,
        "total_ms": 0.0,
    }
