"""What a document would become, before anything is kept.

Owns the sentences that warn of what is likely not meant. Refuses to store. Invariant: the passages
are those that the same document has once it is taken in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from knowledge_base.chunking import cut, page_of
from knowledge_base.parsing import Parsed
from knowledge_base.sizes import PassageSizes

_SHORT: Final = 40
_LONG: Final = 2000  # characters without a heading between them


@dataclass(frozen=True, slots=True)
class PassageSeen:
    section: str | None
    page: int | None  # where it begins, in a document that has pages
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    parsed: Parsed
    passages: tuple[PassageSeen, ...]
    warnings: tuple[str, ...]


def preview(parsed: Parsed, sizes: PassageSizes, today: date) -> Preview:
    pieces = cut(parsed.text, parsed.title, sizes)
    passages = tuple(
        PassageSeen(piece.section, page_of(piece.section), parsed.text[piece.start : piece.end])
        for piece in pieces
    )
    return Preview(parsed, passages, (*parsed.warnings, *_warnings(parsed, passages, today)))


def _warnings(parsed: Parsed, passages: tuple[PassageSeen, ...], today: date) -> Iterator[str]:
    if len(parsed.text) < _SHORT:
        yield "There is very little text: check that nothing of it is in pictures."
    if len(parsed.text) > _LONG and not any(one.section for one in passages):
        yield "It has no headings: with some, passages are found and cited more exactly."
    if parsed.effective_to is not None and parsed.effective_to <= today:
        yield f"It ended on {parsed.effective_to}: customers are not answered from it."
    elif parsed.effective_from is not None and parsed.effective_from > today:
        yield f"It begins on {parsed.effective_from}: until then customers do not see it."
    if parsed.audience == "staff":
        yield "It is for staff only: customers are never answered from it."
