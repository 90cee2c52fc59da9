"""What a context computes, and what is done with its cells: nouns of scheduling, nothing decided.

A `Run` is tokens with cells in one sequence. Requests are `Task`s; what outlives them is `Kept`.
"""

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


def state_key(tokens: Sequence[int], start: int, owner: str | None = None) -> bytes:
    """Names what is computed of `tokens[start:]` behind `tokens[:start]`."""
    digest = hashlib.blake2b(array("i", tokens).tobytes(), digest_size=20)
    digest.update(f"{start} {owner or ''}".encode())
    return digest.digest()


@dataclass(slots=True, eq=False)
class Run:
    """Tokens from position 0 on, of which the first `computed` have cells in `sequence`."""

    tokens: list[int]
    sequence: int = -1
    computed: int = 0

    @property
    def left(self) -> int:
        return len(self.tokens) - self.computed


@dataclass(slots=True, eq=False)
class Kept(Run):
    """Cells that outlive a request. Without an `owner` a beginning that many requests share (the
    system prompt; it and a policy passage), else what that session left when its answer ended.

    `parent` is the shorter beginning on whose cells it stands; `users` are the tasks and longer
    beginnings that stand on this one. It is `begun` when it has its parent's cells.
    """

    parent: "Kept | None" = None
    owner: str | None = None
    users: int = 0
    used_at: int = 0
    begun: bool = False
    saved: bool = False

    @property
    def start(self) -> int:
        return len(self.parent.tokens) if self.parent is not None else 0

    @property
    def own_cells(self) -> int:
        return len(self.tokens) - self.start

    @property
    def key(self) -> bytes:
        return state_key(self.tokens, self.start, self.owner)


@dataclass(slots=True, eq=False)
class Task(Run):
    """One request: `tokens` is its prompt, and grows by what is generated. With `max_tokens` 0 it
    only wants its shared beginning to be there. `bounds` are the lengths of the beginnings that it
    shares with others, shortest first."""

    id: int = 0
    priority: int = 0
    prompt_tokens: int = 0
    max_tokens: int = 1
    bounds: tuple[int, ...] = ()
    session: str | None = None
    base: Kept | None = None
    cached: int = 0
    shelf: "Shelved | None" = None

    @property
    def decoding(self) -> bool:
        return len(self.tokens) > self.prompt_tokens

    @property
    def base_length(self) -> int:
        return len(self.base.tokens) if self.base is not None else 0

    @property
    def source(self) -> Run:
        """What has to be computed next for this task: a beginning it waits for, or itself."""
        missing = [kept for kept in upwards(self.base) if kept.left]
        return missing[-1] if missing else self

    @property
    def work(self) -> int:
        """How many tokens have to be computed before the first of the answer."""
        above = sum(kept.own_cells - max(kept.computed - kept.start, 0) for kept in self._missing)
        return above + len(self.tokens) - max(self.computed, self.base_length)

    @property
    def _missing(self) -> list[Kept]:
        return [kept for kept in upwards(self.base) if kept.left]

    @property
    def own_cells(self) -> int:
        return self.prompt_tokens - self.base_length + self.max_tokens


@dataclass(frozen=True, slots=True)
class Shelved:
    """What of a session was saved outside the context: `tokens[start:]`, standing on the rest."""

    key: bytes
    tokens: tuple[int, ...]
    start: int
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    sequence: int


@dataclass(frozen=True, slots=True)
class Copy:
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Forget what the sequence has from position `start` on."""

    sequence: int
    start: int


@dataclass(frozen=True, slots=True)
class Save:
    """Keep what was computed from position `start` on; `private` states never reach a disk."""

    sequence: int
    start: int
    key: bytes
    private: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Add the saved state to what the run has, then cut it to `keep` tokens."""

    run: Run
    key: bytes
    keep: int


Move = Drop | Copy | Cut | Save | Load


@dataclass(frozen=True, slots=True)
class Row:
    """`count` tokens of `run` from `start` on; `complete` when they are its last ones. `guessed`
    tokens are computed behind them, and what of them does not come true is to be cut again; they
    agreed with `match` tokens before."""

    run: Run
    start: int
    count: int
    complete: bool
    guessed: tuple[int, ...] = ()
    match: int = 0


def upwards(kept: Kept | None) -> Iterator[Kept]:
    """It and what it stands on, the longest first."""
    while kept is not None:
        yield kept
        kept = kept.parent


def common_length(left: Sequence[int], right: Sequence[int], limit: int) -> int:
    """The length of their common beginning, at most `limit`."""
    pairs = zip(left[:limit], right[:limit], strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(left), limit))
