"""What the engine's thread needs from a model, and the values they pass: implemented by
`llama` (the real one) and `scripted` (a strict simulation that knows what would abort a process).

Knows no request, no scheduling and no chat. `Vocabulary` and `Backend.sampler` may be used from
any thread; everything else of a `Backend` only from the one thread that owns it. Every length is
the caller's duty: a backend is free to end the process when a batch is larger than
`batch_tokens` or the cells of all sequences exceed `context_tokens`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.generation.requests import Sampling, TokenLogprob


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A chat template as the model's file carries it; `bos` and `eos` are tokens' names."""

    text: str
    bos: str
    eos: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """`tokens` stand from position `start` on in `sequence`; logits are kept for the last `logits`
    of them."""

    sequence: int
    start: int
    tokens: Sequence[int]
    logits: int


class Sampler(Protocol):
    """The state of one generation's choices; `close` may be called more than once."""

    def close(self) -> None: ...


class Vocabulary(Protocol):
    @property
    def template(self) -> TemplateSource: ...

    @property
    def size(self) -> int: ...

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """With `control`, names of control tokens in `text` become them; without, never."""

    def opening(self) -> list[int]:
        """What the model wants before any text; empty for most."""

    def piece(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


class Backend(Protocol):
    """Sequences are numbered from 0 to `sequences` - 1; cells are shared by copies."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def context_tokens(self) -> int: ...

    @property
    def batch_tokens(self) -> int: ...

    @property
    def sequences(self) -> int: ...

    def sampler(self, sampling: Sampling, grammar: str | None, max_tokens: int) -> Sampler:
        """Raise BadConstraint if `grammar` does not compile."""

    def decode(self, chunks: Sequence[Chunk]) -> bool:
        """Compute all chunks in one batch; False: it failed and their sequences are undefined."""

    def sample(self, sampler: Sampler, chunk: int, output: int = 0) -> int | None:
        """The token behind the `output`-th of the tokens with logits of chunk number `chunk` of the
        last decode; None if none is allowed."""

    def logprobs(self, chunk: int, output: int, token: int, top: int) -> TokenLogprob: ...

    def copy(self, source: int, target: int) -> None:
        """Let `target`, which is empty, share all cells of `source`."""

    def drop(self, sequence: int) -> None: ...

    def cut(self, sequence: int, start: int) -> None:
        """Forget the sequence's tokens from position `start` on; cells others share stay theirs."""

    def save(self, sequence: int, start: int) -> bytes:
        """What was computed of the sequence's tokens from position `start` on."""

    def load(self, sequence: int, state: bytes | memoryview) -> bool:
        """Let the sequence go on with what `save` gave; False, with nothing changed, if it does
        not fit. Only for a state of a backend with the same `fingerprint`."""

    @property
    def fingerprint(self) -> str:
        """Of everything but tokens and positions that a saved state depends on."""

    def close(self) -> None: ...
