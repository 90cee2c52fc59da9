"""What one asks of an engine and what comes back: plain values, no model, no thread.

A prompt is a list of chat messages whose content may come in pieces. Pieces are tokenized one by
one, never across their borders, so that a leading run of pieces has the same tokens, and so the
same KV cells, whatever follows. `shared_pieces` says how many leading pieces of a prompt that
begins with a system message are the same for many requests (the system prompt, a policy passage,
the words before a customer's question): an engine may keep what it computed for them, on disk
too. Text of people and of documents never becomes a control token.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, Protocol, Self, runtime_checkable

ChatRole = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "cancelled"]


class Priority(IntEnum):
    """Lower goes first: a waiting customer before a staff draft before background work."""

    CUSTOMER = 0
    STAFF = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is a JSON object as text, as models write it and the OpenAI API carries it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """`parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`pieces` joined are the content."""

    role: ChatRole
    pieces: tuple[str, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @classmethod
    def of(cls, role: ChatRole, *pieces: str) -> Self:
        return cls(role, pieces)

    @property
    def content(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Sampling:
    """`temperature` 0 is greedy. Penalties and `logit_bias` (by token id) are OpenAI's;
    with `ignore_eos` a reply runs to its last token, as benchmarks want it."""

    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    top_k: int = 0
    seed: int = 0
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    ignore_eos: bool = False
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One generation. `grammar` is GBNF with a `root` rule; at most one of it and `json_schema`.

    `logprobs` None: none are computed; n: each token's own and the n most likely ones.
    `deadline_s` counts from submission; a request that is not done by then is cancelled.
    `session`: an engine may keep what it computed for this request, for later requests of the same
    session only, until it is told to `forget` it.
    """

    messages: tuple[ChatMessage, ...]
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "none", "required"] | str = "auto"
    grammar: str | None = None
    json_schema: Mapping[str, Any] | None = None
    logprobs: int | None = None
    shared_pieces: int = 1
    session: str | None = None
    priority: Priority = Priority.CUSTOMER
    deadline_s: float = 300.0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural logarithms. `top` has (text, logprob) of the most likely tokens, best first."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """`cached_tokens` of the prompt's tokens were not computed for this request."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that was generated since the last delta, always whole characters."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing a stream yields. `text` is everything; tool calls are parsed out of it.
    `alone`: no other request was computed in the same steps, so what is computed the same way again
    is the same to the last bit."""

    text: str
    reason: FinishReason
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    first_token_ms: float = 0.0
    total_ms: float = 0.0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model that serves: `sha256` of its file, `build` names the settings and
    libraries that compute it. A remote engine tells neither."""

    name: str
    sha256: str | None
    context_tokens: int
    build: str = ""


@runtime_checkable
class Permit(Protocol):
    """The right to one generation; `release` may be called more than once."""

    def release(self) -> None: ...


@runtime_checkable
class Engine(Protocol):
    """A chat model: in this process (`engine.LlamaEngine`) or behind a URL (`remote.RemoteEngine`).

    `reserve` raises EngineBusy when the queue is full and EngineDead when nothing serves. A permit
    passed to `generate` is released when its stream ends, however it ends; without one, `generate`
    reserves for itself. Leaving the iteration cancels the generation and frees its cells.
    """

    model: ModelCard

    def reserve(self, priority: Priority = Priority.CUSTOMER) -> Permit: ...

    def generate(
        self, request: GenerationRequest, permit: Permit | None = None
    ) -> AsyncIterator[Delta | Finished]: ...

    async def warm(
        self, requests: Sequence[GenerationRequest], progress: Callable[[int, int], None]
    ) -> None:
        """Compute and keep the requests' shared pieces in the background, what is asked most first,
        while there is room for it, so that whoever asks finds them. `progress` gets how many of how
        many are done."""

    def forget(self, session: str) -> None:
        """Drop all that was computed for the session."""

    async def count_tokens(self, text: str) -> int: ...

    async def ping(self) -> None:
        """Raise Unavailable, naming the remedy, if the engine cannot generate now."""

    async def close(self) -> None: ...
