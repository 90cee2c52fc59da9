"""What every side is asked: questions to the sample company, each with the passages found for it.

Invariant: all sides get the same questions, passages and texts; what differs is what they do.
"""

import json
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from langchain_core.embeddings import Embeddings

from knowledge_base.chunking import PassageSizes
from knowledge_base.library import Library
from knowledge_base.model import Hit, Passage
from knowledge_base.settings import KnowledgeSettings

PASSAGES: Final = 4
# Two sets over the same policies: one to measure with, one to warm every side with.
MEASURED: Final = (
    "What is the fee for bringing a dog?",
    "By what time do we have to leave on the last day?",
    "How long does a refund to my card take?",
    "Can I pay in instalments?",
    "How many times may I change the dates of a booking?",
    "What happens if the host cancels my stay?",
    "Is smoking allowed on the balcony?",
    "How do I get an invoice for my company?",
    "When is the tourist tax paid?",
    "What do I do if something is broken when we arrive?",
    "How much notice do I have to give to end a long stay?",
    "Do homes have a carbon monoxide alarm?",
)
WARMING: Final = (
    "Are two cats allowed, and what do they cost?",
    "May we leave the home later than usual?",
    "When do I see my money again after cancelling?",
    "Which ways of paying are there?",
    "Can I still move my booking to another week?",
    "The host has cancelled. What do I get?",
    "What is the fine for smoking inside?",
    "Where do I find the receipt of my trip?",
    "Who collects the city's tax?",
    "How soon must I report damage?",
    "What are the rules for stays of a month and more?",
    "Which safety devices must a home have?",
)


@dataclass(frozen=True, slots=True)
class Item:
    question: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Items:
    measured: tuple[Item, ...]
    warming: tuple[Item, ...]


def prepare(embeddings: Embeddings, *, characters: int) -> Items:
    """Search the sample's policies, cut into passages of up to so many characters."""
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as place:
        settings = KnowledgeSettings(
            data_dir=Path(place), passages=PassageSizes(target=characters, table=characters)
        )
        with (
            as_file(files("knowledge_base") / "content") as content,
            Library.open(settings, embeddings, "bench") as library,
        ):
            library.add_paths([Path(content)], source="sample", publish=True)
            return Items(_found(library, MEASURED), _found(library, WARMING))


def _found(library: Library, questions: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(Item(one, tuple(library.search(one, k=PASSAGES))) for one in questions)


def dumps(items: Items) -> str:
    return json.dumps(asdict(items), default=str)


def loads(text: str) -> Items:
    raw = json.loads(text)
    return Items(
        tuple(_item(one) for one in raw["measured"]), tuple(_item(one) for one in raw["warming"])
    )


def _item(raw: dict[str, Any]) -> Item:
    return Item(raw["question"], tuple(_hit(hit) for hit in raw["hits"]))


def _hit(raw: dict[str, Any]) -> Hit:
    passage = raw.pop("passage")
    for name in ("effective_from", "effective_to"):
        passage[name] = date.fromisoformat(passage[name]) if passage[name] else None
    return Hit(passage=Passage(**passage), **raw)
