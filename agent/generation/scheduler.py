"""Which tokens are computed in the next step: continuous batching as a deterministic state machine.

Knows no clock, no thread, no model and no text: the same calls give the same moves and rows. What
of it stays in the context is `residence`'s. Invariants: every request ends, whatever else comes; a
step never has more tokens than the batch takes.

Whoever carries it out repeats: `moves` until there are none (answering each `Load` with `loaded`),
then one decode of the rows of `plan`, then `done` or `failed`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from agent.generation.drafting import TYPICAL, Guess, Trust, guess, worthwhile
from agent.generation.residence import Residence, kept_places
from agent.generation.runs import Cut, Load, Move, Row, Run, Task, upwards

# A step without anybody decoding. 128 tokens prefill at 98 % of the rate of 512 (154 against 157
# tokens/s with 1.5B Q4_K_M on two cores; 64 at 93 %); longer ones delay cancels and newcomers.
PREFILL_ALONE = 128
# Rows of a step while answers stream, theirs included: at most 0.3 s between two of their tokens.
# Kernels take 32 rows at a time: a step of 42 takes as long as one of 64 (493 ms against 320).
ROWS_WHILE_DECODING = 32
# Tokens guessed ahead of one answer, at most.
GUESS_LENGTH = 15
# Background work (priority 2 and above): short steps even when nobody else is there, for who comes
# in the middle of one waits it out; beside others, few tokens and only in every fourth step.
BACKGROUND = 2
BACKGROUND_ALONE = 64
BACKGROUND_BESIDE = 16
BACKGROUND_EVERY = 4


class Scheduler:
    def __init__(
        self,
        *,
        cells: int,
        batch_tokens: int,
        max_sequences: int,
        is_saved: Callable[[bytes], bool] = lambda _key: False,
        costs: Sequence[float] = TYPICAL,
        guesses: bool = True,
    ) -> None:
        """`is_saved` says whether a state of that key can be loaded; `costs` are the seconds of
        steps with `drafting.ROWS` rows; `guesses`: whether tokens are computed ahead where an
        answer seems to repeat its prompt."""
        self.residence = Residence(cells, max_sequences, is_saved)
        self.waiting: list[Task] = []
        self._batch_tokens = batch_tokens
        self._max_sequences = max_sequences
        self._costs = costs
        self._guesses = guesses
        self._trust = Trust()
        self._steps = 0

    @staticmethod
    def sequences_for(max_sequences: int) -> int:
        """How many sequences the context must have to run `max_sequences` requests at once."""
        return max_sequences + kept_places(max_sequences)

    @property
    def cells(self) -> int:
        return self.residence.cells

    @property
    def running(self) -> Sequence[Task]:
        return self.residence.tasks

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.running)

    @property
    def reserved_cells(self) -> int:
        return self.residence.reserved_cells

    def submit(self, task: Task) -> None:
        """`prompt_tokens` + `max_tokens` must fit into all `cells`, and the prompt go on behind
        its bounds if anything is to be generated."""
        if task.prompt_tokens + task.max_tokens > self.cells:
            raise ValueError("the task can never fit")
        longest = task.prompt_tokens - (task.max_tokens > 0)
        ends = (0, *task.bounds)
        if len(task.tokens) != task.prompt_tokens or ends[-1] > longest:
            raise ValueError("a task needs a prompt that goes on after its shared part")
        if any(start >= end for start, end in pairwise(ends)):
            raise ValueError("bounds are lengths, each longer than the one before")
        at = len(self.waiting)
        while at and self.waiting[at - 1].priority > task.priority:
            at -= 1
        self.waiting.insert(at, task)

    def remove(self, task: Task, *, park: bool = False) -> list[Move]:
        """Forget the task, whatever its state. With `park` its session may go on from it."""
        moves: list[Move] = []
        if task in self.waiting:
            self.waiting.remove(task)
        else:
            self.residence.release(task, moves, park=park)
        return moves

    def moves(self) -> list[Move]:
        """What comes before the next step: room, copies, states to save and to load."""
        moves: list[Move] = []
        while (
            self.waiting
            and len(self.running) < self._max_sequences
            and self.residence.admit(self.waiting[0], moves)
        ):
            self.waiting.pop(0)  # nobody overtakes one that has to wait for room
        self.residence.settle(moves)
        return moves

    def loaded(self, load: Load, ok: bool) -> None:
        self.residence.loaded(load, ok)

    def plan(self) -> list[Row]:
        """The rows of the next step; there are some whenever somebody runs who generates."""
        self._steps += 1
        writing = [task for task in self.running if task.decoding]
        if not writing:
            alone = BACKGROUND_ALONE if self._background_only else PREFILL_ALONE
            return list(self._prefill(min(alone, self._batch_tokens)))
        limit = min(ROWS_WHILE_DECODING, self._batch_tokens)
        read = list(self._prefill(limit - len(writing)))
        rows = len(writing) + sum(row.count for row in read)
        return self._decode(writing, rows, limit - rows) + read

    def done(self, rows: Sequence[Row]) -> None:
        """The rows were computed."""
        for row in rows:
            row.run.computed += row.count

    def came_true(self, row: Row, accepted: int) -> Cut | None:
        """The first `accepted` guessed tokens of the row were what the model chose itself."""
        task = row.run
        assert isinstance(task, Task), "only answers are guessed ahead"  # noqa: S101
        task.computed += accepted
        self._trust.saw(Guess(row.guessed, row.match), accepted)
        return None if accepted == len(row.guessed) else Cut(task.sequence, task.computed)

    def warmed(self) -> list[Task]:
        """The tasks that wanted no more than their beginning, and have it."""
        return [task for task in self.running if not task.max_tokens and task.source is task]

    def failed(self, rows: Sequence[Row]) -> tuple[list[Task], list[Move]]:
        """The step's decode failed: the tasks that it takes along, and what to drop."""
        broken = {id(row.run) for row in rows}
        for kept in self.residence.kept.values():  # parents stand before what stands on them
            if kept.parent is not None and id(kept.parent) in broken:
                broken.add(id(kept))
        lost = [
            task
            for task in self.running
            if id(task) in broken or any(id(kept) in broken for kept in upwards(task.base))
        ]
        moves = [move for task in lost for move in self.remove(task)]
        self.residence.lose(broken, moves)
        return lost, moves

    @property
    def _background_only(self) -> bool:
        return all(task.priority >= BACKGROUND for task in self.running)

    def _decode(self, tasks: Sequence[Task], rows: int, room: int) -> list[Row]:
        """A row each, and guesses as far as they pay in a step of `rows` rows without them, at most
        `room` tokens in all."""
        guesses = [self._guess(task) for task in tasks]
        offers = [self._trust.chances(guessed) for guessed in guesses]
        ahead = worthwhile(offers, rows, room, self._costs)
        found = []
        for task, guessed, count in zip(tasks, guesses, ahead, strict=True):
            if guessed.tokens and not count:
                self._trust.passed(guessed)
            found.append(Row(task, task.computed, 1, True, guessed.tokens[:count], guessed.match))
        return found

    def _guess(self, task: Task) -> Guess:
        room = task.prompt_tokens + task.max_tokens - len(task.tokens) - 1
        return guess(task.tokens, min(GUESS_LENGTH, room) if self._guesses else 0)

    def _prefill(self, budget: int) -> Iterator[Row]:
        """The most important class first; in it, half to whom waits longest, so that nobody
        starves, and the rest to the shortest, so that a short question is soon answered."""
        warm = self.warmed()
        waiting = [task for task in self.running if not task.decoding and task not in warm]
        if not waiting:
            return
        first = min(task.priority for task in waiting)
        oldest = next(task for task in waiting if task.priority == first)
        queue = sorted(waiting, key=lambda task: (task.priority, task.work))
        spare = budget
        if not self._background_only:
            spare = BACKGROUND_BESIDE if self._steps % BACKGROUND_EVERY == 0 else 0
        granted: dict[Run, int] = {}
        offers = [(oldest, budget - budget // 2)] + [(task, budget) for task in queue]
        for task, offer in offers:
            source = task.source
            so_far = granted.get(source, 0)
            count = min(offer, budget, source.left - so_far)
            if task.priority >= BACKGROUND:
                count = min(count, spare)
                spare -= max(count, 0)
            if count > 0:
                granted[source] = so_far + count
                budget -= count
        for run, count in granted.items():
            yield Row(run, run.computed, count, count == run.left)
