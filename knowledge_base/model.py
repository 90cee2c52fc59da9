"""The nouns of the knowledge base: what was written, what is searched, what was found.

Owns frozen values only. Refuses to know where they are kept and how they are searched.
Invariant: `Passage.text` is a verbatim slice of its `Revision.text`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

Audience = Literal["public", "staff"]
Status = Literal["draft", "published", "retired"]
Format = Literal["markdown", "html", "text", "csv", "pdf", "docx", "xlsx"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a revision that is found and cited on its own."""

    id: str
    document_id: str
    revision: int
    title: str
    section: str | None  # the heading path, "Refunds > Late cancellation"
    text: str
    position: int  # from 0 within the revision
    audience: Audience
    url: str | None
    effective_from: date | None  # inclusive
    effective_to: date | None  # exclusive
    revised_on: date | None = None  # when the revision was made

    def in_force(self, on: date) -> bool:
        started = self.effective_from is None or self.effective_from <= on
        return started and (self.effective_to is None or on < self.effective_to)

    def open_to(self, audience: Audience) -> bool:
        return audience == "staff" or self.audience == "public"


@dataclass(frozen=True, slots=True)
class Hit:
    """A found passage. `score` is the fused one, from 0 to 1, higher is better. A rank (from 1) is
    None where that half of the search had enough better ones. `parts`: what nearness, words and the
    conversation's subject add to the score."""

    passage: Passage
    score: float
    dense_similarity: float  # cosine
    dense_rank: int | None
    lexical_rank: int | None
    lexical_score: float  # BM25; 0 when no word is shared
    subject: float = 0.0  # how much it belongs to what the conversation is about, from 0 to 1
    parts: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    id: str
    title: str
    source: str
    key: str
    revision: int | None  # the published one, else the latest
    status: Status
    audience: Audience
    latest: int  # the newest revision's number: above `revision` while there is a draft
    passages: int  # of `revision`
    changed_at: datetime  # when the newest revision was made, UTC
    changed_by: str | None
    effective_from: date | None
    effective_to: date | None


@dataclass(frozen=True, slots=True)
class Change:
    """Who made a revision, and why."""

    author: str | None = None
    note: str | None = None


UNSIGNED: Final = Change()


@dataclass(frozen=True, slots=True)
class Revision:
    document_id: str
    number: int  # from 1
    title: str
    text: str  # cleaned Markdown
    audience: Audience
    effective_from: date | None
    effective_to: date | None
    created_at: datetime  # UTC
    status: Status
    url: str | None
    author: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Showing:
    """A time in which a revision was what is published; `since` is None where a catalogue did not
    keep the time yet, `until` where it still is."""

    revision: int
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one file or text; `error` says why nothing was added."""

    source: str
    key: str
    document_id: str | None
    revision: int | None
    title: str | None
    passages: int = 0
    unchanged: bool = False
    published: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()  # sentences about what was left out of it
    retired: bool = False  # with its file


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long call has come: `done` of `total` files or passages."""

    stage: Literal["reading", "embedding"]
    done: int
    total: int
