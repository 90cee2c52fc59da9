"""How the time to the first words grows with the length of passages and the size of the library.

Only what is asked about is warm. The large libraries are of generated vectors and text, put into
the very stores that serve; the question's vector is the real model's.
"""

import asyncio
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from langchain_core.embeddings import Embeddings

from agent.benchmark import items
from agent.benchmark.items import MEASURED, Item, Items
from agent.benchmark.sides import FrontdeskSide, Subject
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings

LENGTHS: Final = {100: 400, 200: 800, 400: 1600}  # tokens: characters
SIZES: Final = (100, 1_000, 10_000, 100_000)
_DIMENSIONS: Final = 384
_ROUNDS: Final = 3
_QUESTIONS: Final = 16


class _Generated(Embeddings):
    """Vectors from a hash for documents, the real ones for questions."""

    def __init__(self, real: Embeddings) -> None:
        self._real = real

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [_vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._real.embed_query(text)


def _vector(text: str) -> list[float]:
    chance = random.Random(hashlib.blake2b(text.encode()).digest())  # noqa: S311 - not a secret
    raw = [chance.gauss(0, 1) for _ in range(_DIMENSIONS)]
    length = sum(value * value for value in raw) ** 0.5
    return [value / length for value in raw]


def growth(
    subject: Subject, embeddings: Embeddings, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Medians of the seconds to the first words, by tokens a passage and by passages."""
    return asyncio.run(_growth(subject, embeddings, tell))


async def _growth(
    subject: Subject, embeddings: Embeddings, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    side = FrontdeskSide(subject)
    await side.open()
    try:
        by_length = {}
        for tokens, characters in LENGTHS.items():
            tell(f"passages of {tokens} tokens")
            found = await asyncio.to_thread(items.prepare, embeddings, characters=characters)
            asked = found.measured[:_QUESTIONS]
            await side.publish(Items(asked, ()))
            by_length[str(tokens)] = await _first_words(side, asked)
        answers = await asyncio.to_thread(items.prepare, embeddings, characters=460)
        asked = answers.measured[:_QUESTIONS]
        await side.publish(Items(asked, ()))
        by_size = {}
        for size in SIZES:
            tell(f"a library of {size:,} passages")
            by_size[str(size)] = await _in_a_library(side, asked, embeddings, size)
    finally:
        await side.close()
    return [
        {"what": "tokens a passage", "first_p50_s": by_length},
        {"what": "passages in the library", "first_p50_s": by_size},
    ]


async def _first_words(side: FrontdeskSide, asked: Sequence[Item]) -> float:
    seconds = []
    for item in [*asked] * _ROUNDS:
        began = time.monotonic()
        await side.warm(item)
        seconds.append(time.monotonic() - began)
    return median(seconds)


async def _in_a_library(
    side: FrontdeskSide, asked: Sequence[Item], embeddings: Embeddings, size: int
) -> float:
    """Search in the filled library, then the first words from the item's own passages."""
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory:
        settings = KnowledgeSettings(data_dir=Path(directory))
        with Library.open(settings, _Generated(embeddings), "generated") as library:
            await asyncio.to_thread(_fill, library, size)
            await asyncio.to_thread(library.search, MEASURED[0])
            seconds = []
            for item in [*asked] * _ROUNDS:
                began = time.monotonic()
                await asyncio.to_thread(library.search, item.question, k=8)
                await side.warm(item)
                seconds.append(time.monotonic() - began)
    return median(seconds)


def _fill(library: Library, size: int) -> None:
    chance = random.Random(size)  # noqa: S311 - not a secret
    words = [f"{a}{b}{c}" for a in _STARTS for b in _MIDDLES for c in _ENDS]
    texts = [
        (str(number), " ".join(chance.choices(words, k=80)) + ".", f"Rule {number}")
        for number in range(size)
    ]
    library.add_texts(texts, source="generated", publish=True)


_STARTS = ("re", "in", "con", "pre", "sub", "over", "un", "de", "trans", "inter", "per", "dis")
_MIDDLES = ("fund", "stay", "pay", "book", "cover", "sign", "port", "form", "mand", "serv", "tract")
_ENDS = ("", "s", "ed", "ing", "able", "ment", "al", "ure", "ion", "er", "ance", "ive")
