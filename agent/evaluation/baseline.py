"""The chain that anyone assembles in an afternoon, measured as Frontdesk is.

LangChain's recursive splitter, Chroma's similarity search with four passages, the prompt that
LangChain's own question-answering chain comes with, `ChatLlamaCpp`; the same model file, embedding
model and documents. Knows nothing of Frontdesk's search, prompts or checks. One question at a time,
for the chain's model can do one thing at a time.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from agent.errors import SetupError
from agent.evaluation.dataset import Item
from agent.evaluation.runner import Line, Progress, listed_texts
from agent.generation.embedding import LlamaEmbeddings
from agent.generation.llama import usable_threads
from agent.settings import Settings
from agent.weights.store import resolve
from knowledge_base.files import found_files

_PASSAGES: Final = 4
_CHARACTERS: Final = 1000
_OVERLAP: Final = 200
_CONTEXT: Final = 8192
_MAX_TOKENS: Final = 260  # as much as Frontdesk may write
_DECLINES: Final = re.compile(
    r"\b(?:don['’]t|do not|cannot|can['’]t) (?:know|answer)\b", re.IGNORECASE
)


async def langchain(
    settings: Settings, folder: Path, items: Sequence[Item], progress: Progress
) -> AsyncIterator[Line]:
    """A `record` of each item, and as the `result` what answered. Raise SetupError if LangChain's
    parts are not installed."""
    try:
        from langchain_chroma import Chroma
        from langchain_classic.chains.question_answering.stuff_prompt import PROMPT_SELECTOR
        from langchain_community.chat_models import ChatLlamaCpp
        from langchain_text_splitters import RecursiveCharacterTextSplitter
    except ImportError as error:
        raise SetupError(
            f"{error.name} is not installed: pip install 'frontdesk[bench]'."
        ) from error
    chat = resolve(settings.model, settings.weights_dir)
    embedding = resolve(None, settings.weights_dir, kind="embedding")
    splitter = RecursiveCharacterTextSplitter(chunk_size=_CHARACTERS, chunk_overlap=_OVERLAP)
    with closing(LlamaEmbeddings(embedding.path)) as embeddings:
        store = Chroma("baseline", embedding_function=embeddings)
        texts = list(_texts(folder))
        for done, (name, text) in enumerate(texts, 1):
            if pieces := splitter.split_text(text):
                documents = [{"source": name}] * len(pieces)
                await asyncio.to_thread(store.add_texts, pieces, documents)
            progress(done, len(texts))
        model = await asyncio.to_thread(
            ChatLlamaCpp,
            model_path=str(chat.path),
            n_ctx=_CONTEXT,
            n_batch=512,
            n_threads=usable_threads(),
            temperature=0.0,
            max_tokens=_MAX_TOKENS,
            verbose=False,
        )
        prompt = PROMPT_SELECTOR.get_prompt(model)
        for item in items:
            yield {"record": await asyncio.to_thread(_answered, store, prompt, model, item)}
    yield {"result": {"model": chat.name, "revision": "langchain"}}


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and raw text of each document, as LangChain's TextLoader reads them."""
    listed = listed_texts(folder)
    if listed is not None:
        for name, text, title in listed:
            yield name, f"{title}\n\n{text}" if title else text
        return
    for file in found_files([folder], None):
        yield file.key, file.read().decode("utf-8", "replace")


def _answered(store: Any, prompt: Any, model: Any, item: Item) -> dict[str, Any]:
    began = time.perf_counter()
    found = store.similarity_search(item.question, k=_PASSAGES)
    context = "\n\n".join(document.page_content for document in found)
    said = prompt.format_messages(context=context, question=item.question)
    text, first = "", 0.0
    for chunk in model.stream(said):
        if chunk.content and not first:
            first = time.perf_counter() - began
        text += str(chunk.content)
    names = [document.metadata["source"] for document in found]
    return {
        **item.asked(),
        "answer": text.strip(),
        "outcome": "refused" if _DECLINES.search(text) else "answered",
        "replaced": False,
        "confidence": None,
        # It cites nothing: all that it was given counts as its sources.
        "citations": [
            {"n": n, "document_id": name, "quote": "", "text": document.page_content}
            for n, (name, document) in enumerate(zip(names, found, strict=True), 1)
        ],
        "retrieved": list(dict.fromkeys(names)),
        "passages": [
            {"title": name, "section": None, "text": document.page_content}
            for name, document in zip(names, found, strict=True)
        ],
        "first_token_ms": round(first * 1000, 1),
        "total_ms": round((time.perf_counter() - began) * 1000, 1),
    }


Baseline = Callable[[Settings, Path, Sequence[Item], Progress], AsyncIterator[Line]]
BASELINES: Final[dict[str, Baseline]] = {"langchain": langchain}
