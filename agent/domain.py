"""The nouns of a conversation, as they are stored and as they go over the wire.

Knows no storage, no HTTP and no model. Everything here is frozen: a change is a new value.
Times are RFC 3339 in UTC with `Z`.
"""

from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["customer", "ai_agent", "human_agent", "system"]
Status = Literal["pending", "open", "snoozed", "resolved"]
Outcome = Literal["answered", "clarify", "refused", "handed_off"]
Importance = Literal["none", "low", "medium", "high", "urgent"]  # a conversation's priority
# What became of an answer when other things are published.
Verdict = Literal["same", "changed", "better", "worse", "lost_support"]
Notice = Literal["returned", "away", "email_kept"]
HandoffReason = Literal[
    "customer_request",
    "missing_knowledge",
    "low_confidence",
    "policy_restriction",
    "unsupported_request",
    "tool_failure",
    "approval_denied",
    "agent_error",
    "usage_limit",
]


def new_id(prefix: str) -> str:
    """An opaque, URL-safe id with 128 random bits; the prefix only helps people who read logs."""
    return f"{prefix}_{token_urlsafe(16)}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(Noun):
    """`n` is the number of the `[n]` marker in the reply; `quote` is verbatim from the revision.

    The dates are of the document: from when it is in force, if it says so, and when this revision
    of it was made.
    """

    n: int
    document_id: str
    revision: int
    title: str
    section: str | None = None
    quote: str
    url: str | None = None
    effective_from: str | None = None
    revised_on: str | None = None


class Timings(Noun):
    retrieval_ms: float
    first_token_ms: float
    total_ms: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Message(Noun):
    """`pending` marks a reply that is still being written, `interrupted` one that was cut off.
    `notice`: what a system's message tells, for programs; `returned` ends a human stretch,
    `away` says that nobody is there, `email_kept` that an address was noted."""

    id: str
    role: Role
    content: str
    created_at: str
    author: str | None = None
    citations: tuple[Citation, ...] | None = None
    confidence: float | None = None
    outcome: Outcome | None = None
    timings: Timings | None = None
    pending: bool | None = None
    interrupted: bool | None = None
    notice: Notice | None = None

    def wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class Piece(Noun):
    """One message of a prompt, in the pieces that a cache may share."""

    role: str
    pieces: tuple[str, ...]


class AnswerRecord(Noun):
    """What an answer was made from and with: enough to make it again. `tokens` are the model's own
    words, before they were cited and checked; `alone`: no other request was computed beside it."""

    message_id: str
    model: str
    sha256: str | None
    build: str
    prompts: str
    passages: tuple[tuple[str, int], ...]  # document id, revision
    prompt: tuple[Piece, ...]
    shared_pieces: int
    max_tokens: int
    temperature: float
    seed: int
    alone: bool
    tokens: tuple[str, ...]


class HandoffCard(Noun):
    """What staff see first when a conversation reaches them."""

    reason: HandoffReason
    summary: str
    intent: str
    open_questions: tuple[str, ...]
    sentiment: Literal["positive", "neutral", "negative"]
    tried: tuple[str, ...]
    citations: tuple[Citation, ...]
    suggested_reply: str


class Identity(Noun):
    """Who the customer is. Only `identifier` and `claims` of a verified identity are facts."""

    level: Literal["anonymous", "verified"] = "anonymous"
    method: Literal["hmac", "jwt"] | None = None
    identifier: str | None = None
    claims: dict[str, Any] = {}
    stated: dict[str, Any] = {}


class Turn(Noun):
    """The reply being written now. `epoch` fences writers: a stale one's appends are refused."""

    epoch: int
    message_id: str
    in_reply_to: str
    attempts: int = 1


class Preview(Noun):
    """The newest message, as a list shows it."""

    role: Role
    content: str
    at: str


class Conversation(Noun):
    """The header of a conversation; its messages are in the event log.

    `reason` is why it is with a person, `waiting_since` when the customer began to wait for one;
    what was said before `fresh_since` was resolved and is no context of the AI any more.
    `answered_at` is a person's first answer since it is with people; `replied`, by user id, when
    each of them last wrote.
    `returned`: a person gave it back to the AI and nobody has answered since; `bounces` counts how
    often such a one came back to a person unanswered.
    `email_asked`: the customer was asked for an address where people can answer.
    `version` rises by one with every change of the header (optimistic concurrency);
    `last_epoch` never falls, so that no two turns ever share an epoch.
    """

    id: str
    token_hash: str
    created_at: str
    active_at: str
    status: Status = "pending"
    assignee: str | None = None
    locale: str | None = None
    page_url: str | None = None
    identity: Identity = Identity()
    labels: tuple[str, ...] = ()
    priority: Importance = "none"
    reason: HandoffReason | None = None
    waiting_since: str | None = None
    answered_at: str | None = None
    replied: dict[str, str] = {}
    snoozed_until: str | None = None
    newest: Preview | None = None
    fresh_since: str | None = None
    returned: bool = False
    bounces: int = 0
    email_asked: bool = False
    turn: Turn | None = None
    last_epoch: int = 0
    version: int = 0


class Event(Noun):
    """One entry of a conversation's log. `id` is its Redis stream id: opaque, ordered, URL-safe."""

    id: str
    type: str
    conversation_id: str
    at: str
    data: dict[str, Any]


class EventDraft(Noun):
    """An event before the log gave it its id."""

    type: str
    data: dict[str, Any]


class Snapshot(Noun):
    """A conversation as its readers see it: what the events up to `last_event_id` amount to."""

    id: str
    status: Status
    assignee: str | None = None
    messages: tuple[Message, ...] = ()
    last_event_id: str = "0-0"

    def wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "assignee": self.assignee,
            "messages": [message.wire() for message in self.messages],
            "last_event_id": self.last_event_id,
        }
