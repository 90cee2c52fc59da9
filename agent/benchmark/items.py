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

from knowledge_base.library import Library
from knowledge_base.model import Hit, Passage
from knowledge_base.settings import KnowledgeSettings
from knowledge_base.sizes import PassageSizes

PASSAGES: Final = 4
# Two sets over the same policies: one to measure with, each question asked once, so that nobody is
# helped by having read the very prompt before; one to warm every side with.
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
    "From what time can we get into the house?",
    "How long has a host to answer my request?",
    "How late may I write a review?",
    "How long do you keep things that we forgot?",
    "Is there a surcharge for paying in another currency?",
    "What does a baby cot cost?",
    "How high can the deposit be?",
    "May a guide dog come along for free?",
    "How old do I have to be to book?",
    "What share do I get back under the Firm policy?",
    "Can I cancel within a day of booking?",
    "How quickly must a host repair the heating?",
    "What is the service fee for guests?",
    "How do I report a lost key?",
    "Can we bring more guests than we booked?",
    "Are parties allowed?",
    "What do I get if the internet does not work?",
    "How do I change my password?",
    "How do I delete my account?",
    "Do you store my card number?",
    "How does two-step sign-in work?",
    "What does insurance cover if I break something?",
    "Who pays for damage that my dog does?",
    "How do I become a host?",
    "When are hosts paid?",
    "What commission does a host pay?",
    "What happens if a guest does not show up?",
    "Can I leave my bags before check-in?",
    "Is early check-in possible?",
    "How do I use a voucher?",
    "What if the home does not look like the photos?",
    "Is there parking at the house?",
    "How do I check that a home is accessible with a wheelchair?",
    "Can I rebook when my flight is cancelled?",
    "What do I do in an emergency?",
    "How do I split the bill with friends?",
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
    return Hit(passage=Passage(**passage), **(raw | {"parts": tuple(raw["parts"])}))
