"""What stays in the context between requests, and the account of its cells and sequences.

Beginnings that many requests share form a tree: the system prompt, it with a policy passage, that
with a second one. What a session left behind stands on such a beginning and serves that session
only. Invariants: the cells that everything admitted can ever need fit into the context; a beginning
that something stands on is never dropped; a shared cell is never written again and never shifted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.generation.runs import (
    Copy,
    Cut,
    Drop,
    Kept,
    Load,
    Move,
    Save,
    Shelved,
    Task,
    common_length,
    upwards,
)

# Shorter beginnings cost more in bookkeeping and one more decode than they save.
MIN_KEPT_TOKENS = 16
# The cells that unused beginnings and parked sessions may hold: prefill is a third slower with
# 7,800 cells filled than with 300 (decode is not), and a saved passage is back in a millisecond.
IDLE_CELLS = 2048
# What one session leaves behind: the passages that were judged for its last question.
MAX_PARKED = 3
MAX_SHELVED = 256


def kept_places(max_sequences: int) -> int:
    """How much can be kept at once, each in a sequence of its own."""
    return 24 + 2 * max_sequences


@dataclass(slots=True)
class Counts:
    """Since the start: beginnings found in the context, loaded, computed; sessions gone on with."""

    resident: int = 0
    loaded: int = 0
    computed: int = 0
    resumed: int = 0


@dataclass(slots=True)
class _Place:
    """Where a task is to stand: on `base` and `missing` beginnings that are yet to be made, and
    what its session left that it can go on from, up to `common` tokens."""

    base: Kept | None
    missing: list[int]
    parked: Kept | None = None
    shelf: Shelved | None = None
    common: int = 0

    @property
    def base_length(self) -> int:
        return len(self.base.tokens) if self.base is not None else 0


@dataclass(slots=True)
class Residence:
    """`is_saved` says whether a state of that key can be loaded."""

    cells: int
    max_sequences: int
    is_saved: Callable[[bytes], bool] = lambda _key: False
    kept: dict[tuple[str | None, tuple[int, ...]], Kept] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    _free: list[int] = field(default_factory=list)
    _shelved: dict[bytes, tuple[str, Shelved]] = field(default_factory=dict)
    _clock: int = 0

    def __post_init__(self) -> None:
        sequences = self.max_sequences + kept_places(self.max_sequences)
        self._free = list(reversed(range(sequences)))

    @property
    def reserved_cells(self) -> int:
        kept = sum(kept.own_cells for kept in self.kept.values())
        return kept + sum(task.own_cells for task in self.tasks)

    def admit(self, task: Task, moves: list[Move]) -> bool:
        """Give the task cells and a sequence; False, and at most idle things dropped, if it has to
        wait for them."""
        place = self._place_for(task)
        need = task.prompt_tokens + task.max_tokens - place.base_length
        if place.parked is not None:
            need -= place.parked.own_cells
        keep = {id(kept) for kept in (*upwards(place.base), *upwards(place.parked))}
        if not self._make_room(need, len(place.missing), keep, moves):
            return False
        task.cached = _ready(place.base)
        for length in place.missing:
            place.base = self._new_beginning(task.tokens[:length], place.base)
        self.counts.resident += len(task.bounds) - len(place.missing)
        task.base = place.base
        if task.base is not None:
            task.base.users += 1
        for kept in upwards(task.base):
            kept.used_at = self._tick()
        if place.parked is not None:
            self._take_over(task, place.parked, place.common, moves)
        elif task.max_tokens:
            task.shelf = place.shelf
            task.sequence = self._free.pop()
        self.tasks.append(task)
        return True

    def settle(self, moves: list[Move]) -> None:
        """Save what is complete, begin what has its parent, let tasks stand on what is there."""
        for kept in self.kept.values():
            if not kept.left and not kept.saved and kept.owner is None:
                kept.saved = True
                moves.append(Save(kept.sequence, kept.start, kept.key, private=False))
        for kept in self.kept.values():
            if not kept.begun and (kept.parent is None or not kept.parent.left):
                self._begin(kept, moves)
        for task in self.tasks:
            base = task.base
            if base is not None and not base.left and not task.computed and task.sequence >= 0:
                self._stand(task, base, moves)

    def loaded(self, load: Load, ok: bool) -> None:
        """The load was carried out; what could not be loaded is computed."""
        run = load.run
        if isinstance(run, Kept):
            run.saved = ok
            self.counts.loaded += ok
            self.counts.computed += not ok
        else:
            self.counts.resumed += ok
        if ok:
            run.computed = load.keep
            for task in self.tasks:
                if task is run or any(kept is run for kept in upwards(task.base)):
                    task.cached = max(task.cached, load.keep)

    def release(self, task: Task, moves: list[Move], *, park: bool) -> None:
        """With `park`, the task's session may go on from what it computed."""
        self.tasks.remove(task)
        parked = park and task.session is not None and self._park(task, task.session, moves)
        if not parked:
            if task.sequence >= 0:
                moves.append(Drop(task.sequence))
                self._free.append(task.sequence)
            if task.base is not None:
                task.base.users -= 1
        while self._evictable(set()) > IDLE_CELLS and self._evict_oldest(set(), moves):
            pass

    def lose(self, broken: set[int], moves: list[Move]) -> None:
        """Drop beginnings whose cells are not to be trusted, by `id`; nobody stands on them."""
        for kept in [kept for kept in self.kept.values() if id(kept) in broken][::-1]:
            self._evict(kept, moves, shelve=False)

    def forget(self, session: str, moves: list[Move]) -> list[bytes]:
        """Drop what a session left behind; the keys of its states outside the context."""
        for kept in [kept for kept in self.kept.values() if kept.owner == session]:
            self._evict(kept, moves, shelve=False)
        keys = [key for key, (owner, _) in self._shelved.items() if owner == session]
        for key in keys:
            del self._shelved[key]
        return keys

    # -- where a task stands

    def _place_for(self, task: Task) -> _Place:
        place = _Place(None, [])
        for length in task.bounds:
            if length - (max(place.missing, default=place.base_length)) < MIN_KEPT_TOKENS:
                continue
            key = (None, tuple(task.tokens[:length]))
            if place.missing or key not in self.kept:
                place.missing.append(length)
            else:
                place.base = self.kept[key]
        needed = {id(kept) for kept in upwards(place.base)}
        unused = sum(not k.users and id(k) not in needed for k in self.kept.values())
        del place.missing[kept_places(self.max_sequences) - len(self.kept) + unused :]
        if task.session is not None:
            self._find_session(task, task.session, place)
        return place

    def _find_session(self, task: Task, session: str, place: _Place) -> None:
        """What the session left that the prompt goes on from, on the same beginning only."""
        start = max(place.missing, default=place.base_length)
        place.common = start + MIN_KEPT_TOKENS - 1
        limit = task.prompt_tokens - 1
        if not place.missing:
            for kept in self.kept.values():
                if kept.owner == session and kept.parent is place.base:
                    common = common_length(kept.tokens, task.tokens, limit)
                    if common > place.common:
                        place.parked, place.common = kept, common
        if place.parked is not None or not start:
            return
        for owner, shelved in self._shelved.values():
            if owner == session and shelved.start == start and self.is_saved(shelved.key):
                common = common_length(shelved.tokens, task.tokens, limit)
                if common > place.common:
                    place.shelf = Shelved(shelved.key, shelved.tokens, start, common)
                    place.common = common

    def _new_beginning(self, tokens: list[int], parent: Kept | None) -> Kept:
        if parent is not None:
            parent.users += 1
        kept = Kept(tokens, sequence=self._free.pop(), parent=parent)
        self.kept[None, tuple(tokens)] = kept
        return kept

    def _begin(self, kept: Kept, moves: list[Move]) -> None:
        kept.begun = True
        if kept.parent is not None:
            moves.append(Copy(kept.parent.sequence, kept.sequence))
            kept.computed = kept.start
        if self.is_saved(kept.key):
            moves.append(Load(kept, kept.key, len(kept.tokens)))
        else:
            self.counts.computed += 1

    def _stand(self, task: Task, base: Kept, moves: list[Move]) -> None:
        moves.append(Copy(base.sequence, task.sequence))
        task.computed = len(base.tokens)
        if task.shelf is not None:
            moves.append(Load(task, task.shelf.key, task.shelf.keep))
            task.shelf = None

    # -- sessions

    def _park(self, task: Task, session: str, moves: list[Move]) -> bool:
        tokens = task.tokens[: task.computed]
        key = (session, tuple(tokens))
        if (
            task.sequence < 0
            or len(tokens) - task.base_length < MIN_KEPT_TOKENS
            or key in self.kept
        ):
            return False
        left = [kept for kept in self.kept.values() if kept.owner == session]
        if len(left) >= MAX_PARKED:
            self._evict(min(left, key=lambda kept: kept.used_at), moves, shelve=False)
        if len(self.kept) >= kept_places(self.max_sequences) and not self._evict_oldest(
            {id(kept) for kept in upwards(task.base)}, moves
        ):
            return False
        kept = Kept(tokens, task.sequence, len(tokens), parent=task.base, owner=session)
        kept.begun, kept.used_at = True, self._tick()
        self.kept[key] = kept
        return True

    def _take_over(self, task: Task, parked: Kept, common: int, moves: list[Move]) -> None:
        del self.kept[parked.owner, tuple(parked.tokens)]
        if parked.parent is not None:
            parked.parent.users -= 1
        task.sequence = parked.sequence
        task.computed = task.cached = common
        moves.append(Cut(parked.sequence, common))
        self.counts.resumed += 1

    def _shelve(self, kept: Kept, owner: str, moves: list[Move]) -> None:
        while len(self._shelved) >= MAX_SHELVED:
            del self._shelved[next(iter(self._shelved))]
        self._shelved[kept.key] = (owner, Shelved(kept.key, tuple(kept.tokens), kept.start))
        moves.append(Save(kept.sequence, kept.start, kept.key, private=True))

    # -- room

    def _make_room(self, need: int, places: int, keep: set[int], moves: list[Move]) -> bool:
        """Drop what nobody stands on, longest unused first, if that makes enough room."""
        missing = need - (self.cells - self.reserved_cells)
        crowd = len(self.kept) + places - kept_places(self.max_sequences)
        if missing > self._evictable(keep):
            return False
        while missing > 0 or crowd > 0:
            evicted = self._evict_oldest(keep, moves)
            if evicted is None:
                return False
            missing -= evicted.own_cells
            crowd -= 1
        return True

    def _evictable(self, keep: set[int]) -> int:
        """Cells of everything that no task and nothing in `keep` stands on."""
        needed = set(keep)
        for task in self.tasks:
            needed.update(id(kept) for kept in upwards(task.base))
        return sum(kept.own_cells for kept in self.kept.values() if id(kept) not in needed)

    def _evict_oldest(self, keep: set[int], moves: list[Move]) -> Kept | None:
        unused = [k for k in self.kept.values() if not k.users and id(k) not in keep]
        oldest = min(unused, key=lambda kept: kept.used_at, default=None)
        if oldest is not None:
            self._evict(oldest, moves, shelve=True)
        return oldest

    def _evict(self, kept: Kept, moves: list[Move], *, shelve: bool) -> None:
        if shelve and kept.owner is not None:
            self._shelve(kept, kept.owner, moves)
        del self.kept[kept.owner, tuple(kept.tokens)]
        if kept.parent is not None:
            kept.parent.users -= 1
        moves.append(Drop(kept.sequence))
        self._free.append(kept.sequence)

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _ready(base: Kept | None) -> int:
    """Tokens that need not be computed for one more task on this beginning."""
    if base is None:
        return 0
    return len(base.tokens) if base.users else max(kept.computed for kept in upwards(base))
