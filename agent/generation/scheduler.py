"""Which tokens are computed in the next step: continuous batching as a deterministic state machine.

Knows no clock, no thread, no model and no text: the same calls give the same steps. It owns the
numbers of the sequences and the account of KV cells. Invariants: the cells that everything
admitted can ever need fit into the context, so nothing fails half-way for want of room; a step
never has more tokens than the batch takes.

A request's leading `shared` tokens are computed once, in a sequence of their own (`Prefix`), and
its cells are shared by every request that begins with the same token ids. Shared cells are never
written again and never shifted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

# A step without anybody decoding. 128 tokens prefill at 98 % of the rate of 512 (154 against 157
# tokens/s with 1.5B Q4_K_M on two cores; 64 at 93 %); longer ones delay cancels and newcomers.
PREFILL_ALONE = 128
# A step while answers stream: about 0.3 s of prefill between two of their tokens.
PREFILL_WHILE_DECODING = 32
# Shorter prefixes cost more in bookkeeping and one more decode than they save.
MIN_PREFIX_TOKENS = 16
# The system prompt, and it with each of the passages that were asked about last.
MAX_PREFIXES = 16


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
class Prefix(Run):
    """A shared beginning. `users` are the admitted tasks that stand on its cells; `parent` is a
    shorter prefix of the same tokens, whose cells it takes over in the step that admits it."""

    users: int = 0
    used_at: int = 0
    parent: "Prefix | None" = None


@dataclass(slots=True, eq=False)
class Task(Run):
    """One request: `tokens` is its prompt, and grows by what is generated."""

    id: int = 0
    priority: int = 0
    prompt_tokens: int = 0
    max_tokens: int = 1
    shared: int = 0
    prefix: Prefix | None = None
    cached: int = 0

    @property
    def decoding(self) -> bool:
        return len(self.tokens) > self.prompt_tokens

    @property
    def source(self) -> Run:
        """What has to be computed next for this task: the prefix it waits for, or itself."""
        return self.prefix if self.prefix is not None and self.prefix.left else self

    @property
    def work(self) -> int:
        """How many tokens have to be computed before the first of the answer."""
        if self.prefix is None or self.computed:
            return self.left
        return self.prefix.left + self.left - self.shared

    @property
    def own_cells(self) -> int:
        shared = self.shared if self.prefix is not None else 0
        return self.prompt_tokens - shared + self.max_tokens


@dataclass(frozen=True, slots=True)
class Row:
    """`count` tokens of `run` from `start` on; `complete` when they are its last ones."""

    run: Run
    start: int
    count: int
    complete: bool


@dataclass(slots=True)
class Step:
    """To be done in this order: `drops`, `copies` (source, target), then one decode of `rows`."""

    drops: list[int] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


class Scheduler:
    def __init__(self, *, cells: int, batch_tokens: int, max_sequences: int) -> None:
        self.cells = cells
        self.waiting: list[Task] = []
        self.running: list[Task] = []
        self.prefixes: dict[tuple[int, ...], Prefix] = {}
        self.prefix_hits = 0
        self.prefix_misses = 0
        self._batch_tokens = batch_tokens
        self._max_sequences = max_sequences
        self._free = list(reversed(range(max_sequences + MAX_PREFIXES)))
        self._admissions = 0

    @staticmethod
    def sequences_for(max_sequences: int) -> int:
        """How many sequences the context must have to run `max_sequences` requests at once."""
        return max_sequences + MAX_PREFIXES

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.running)

    @property
    def reserved_cells(self) -> int:
        return sum(len(prefix.tokens) for prefix in self.prefixes.values()) + sum(
            task.own_cells for task in self.running
        )

    def submit(self, task: Task) -> None:
        """`task.prompt_tokens` + `max_tokens` must fit into all `cells`, and `shared` be less
        than the prompt."""
        if task.prompt_tokens + task.max_tokens > self.cells:
            raise ValueError("the task can never fit")
        if not 0 <= task.shared < task.prompt_tokens == len(task.tokens):
            raise ValueError("a task needs a prompt that goes on after its shared part")
        at = len(self.waiting)
        while at and self.waiting[at - 1].priority > task.priority:
            at -= 1
        self.waiting.insert(at, task)

    def remove(self, task: Task) -> int | None:
        """Forget the task, whatever its state; the sequence to drop, if it had one."""
        if task in self.waiting:
            self.waiting.remove(task)
            return None
        self.running.remove(task)
        if task.prefix is not None:
            task.prefix.users -= 1
        self._free.append(task.sequence)
        return task.sequence

    def plan(self) -> Step:
        """The next step. It has rows whenever there is work."""
        step = Step()
        while self.waiting and self._admit(self.waiting[0], step):
            self.running.append(self.waiting.pop(0))
        decoding = 0
        for task in self.running:
            prefix = task.prefix
            if prefix is not None and prefix.parent is not None:
                step.copies.append((prefix.parent.sequence, prefix.sequence))
                prefix.computed = len(prefix.parent.tokens)
                prefix.parent.users -= 1
                prefix.parent = None
            if prefix is not None and not prefix.left and not task.computed:
                step.copies.append((prefix.sequence, task.sequence))
                task.computed = task.shared
            if task.decoding:
                decoding += 1
                step.rows.append(Row(task, task.computed, 1, True))
        limit = PREFILL_WHILE_DECODING if decoding else PREFILL_ALONE
        step.rows.extend(self._prefill(min(limit, self._batch_tokens - decoding)))
        return step

    def done(self, step: Step) -> None:
        """The step's rows were computed."""
        for row in step.rows:
            row.run.computed += row.count

    def failed(self, step: Step) -> tuple[list[Task], list[int]]:
        """The step's decode failed: the tasks that it takes along and the sequences to drop."""
        broken = {id(row.run) for row in step.rows}
        lost = [t for t in self.running if id(t) in broken or id(t.source) in broken]
        drops = [sequence for task in lost if (sequence := self.remove(task)) is not None]
        for key, prefix in list(self.prefixes.items()):
            if id(prefix) in broken:
                drops.append(self._forget(key))
        return lost, drops

    def _prefill(self, budget: int) -> Iterator[Row]:
        """The most important class first; in it, half to whom waits longest, so that nobody
        starves, and the rest to the shortest, so that a short question is soon answered."""
        waiting = [task for task in self.running if not task.decoding]
        if not waiting:
            return
        first = min(task.priority for task in waiting)
        oldest = next(task for task in waiting if task.priority == first)
        queue = sorted(waiting, key=lambda task: (task.priority, task.work))
        granted: dict[Run, int] = {}
        offers = [(oldest, budget - budget // 2)] + [(task, budget) for task in queue]
        for task, offer in offers:
            source = task.source
            so_far = granted.get(source, 0)
            count = min(offer, budget, source.left - so_far)
            if count > 0:
                granted[source] = so_far + count
                budget -= count
        for run, count in granted.items():
            yield Row(run, run.computed, count, count == run.left)

    def _admit(self, task: Task, step: Step) -> bool:
        """Give the task a sequence and cells. Nobody overtakes a task that has to wait for them."""
        if len(self.running) >= self._max_sequences:
            return False
        key = tuple(task.tokens[: task.shared]) if task.shared >= MIN_PREFIX_TOKENS else ()
        prefix = self.prefixes.get(key) if key else None
        full = prefix is None and len(self.prefixes) == MAX_PREFIXES
        if key and full and not any(p.users == 0 for p in self.prefixes.values()):
            key, full = (), False
        need = task.prompt_tokens + task.max_tokens - (task.shared if prefix is not None else 0)
        if not self._make_room(need, keep=prefix, one_prefix_less=bool(key) and full, step=step):
            return False
        if key:
            self._stand_on_prefix(task, key, prefix)
        task.sequence = self._free.pop()
        return True

    def _stand_on_prefix(self, task: Task, key: tuple[int, ...], prefix: Prefix | None) -> None:
        if prefix is None:
            self.prefix_misses += 1
            prefix = Prefix(list(key), sequence=self._free.pop(), parent=self._beginning_of(key))
            self.prefixes[key] = prefix
            if prefix.parent is not None:
                prefix.parent.users += 1
                prefix.parent.used_at = self._admissions + 1
                task.cached = len(prefix.parent.tokens)
        else:
            self.prefix_hits += 1
            task.cached = task.shared if prefix.users else prefix.computed
        task.prefix = prefix
        prefix.users += 1
        self._admissions += 1
        prefix.used_at = self._admissions

    def _beginning_of(self, key: tuple[int, ...]) -> Prefix | None:
        """The longest computed prefix that `key` begins with: its cells need not be computed."""
        known = [
            prefix
            for tokens, prefix in self.prefixes.items()
            if not prefix.left and len(tokens) < len(key) and key[: len(tokens)] == tokens
        ]
        return max(known, key=lambda prefix: len(prefix.tokens), default=None)

    def _make_room(
        self, need: int, *, keep: Prefix | None, one_prefix_less: bool, step: Step
    ) -> bool:
        """Drop prefixes nobody stands on, longest unused first, if that makes enough room."""
        missing = need - (self.cells - self.reserved_cells)
        unused = [key for key, p in self.prefixes.items() if p.users == 0 and p is not keep]
        if missing > sum(map(len, unused)):
            return False
        unused.sort(key=lambda key: self.prefixes[key].used_at)
        for key in unused:
            if missing <= 0 and not one_prefix_less:
                break
            step.drops.append(self._forget(key))
            missing -= len(key)
            one_prefix_less = False
        return True

    def _forget(self, key: tuple[int, ...]) -> int:
        sequence = self.prefixes.pop(key).sequence
        self._free.append(sequence)
        return sequence
