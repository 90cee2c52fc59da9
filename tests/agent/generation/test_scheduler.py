"""What the scheduler promises, whatever arrives."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.generation.scheduler import MIN_PREFIX_TOKENS, PREFILL_WHILE_DECODING, Scheduler, Task

CELLS, BATCH, SEQUENCES = 600, 64, 4
PREFIXES = [[kind] * length for kind, length in enumerate((16, 20, 40, 90, 120, 150, 200, 240))]


def a_task(prompt: list[int], *, shared: int = 0, max_tokens: int = 4, priority: int = 0) -> Task:
    return Task(
        list(prompt),
        prompt_tokens=len(prompt),
        max_tokens=max_tokens,
        shared=shared,
        priority=priority,
    )


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    prefix = draw(st.sampled_from([[], *PREFIXES]))
    own = draw(st.integers(1, 120))
    return a_task(
        [*prefix, *range(1000, 1000 + own)],
        shared=len(prefix),
        max_tokens=draw(st.integers(1, 60)),
        priority=draw(st.integers(0, 2)),
    )


class Machine:
    """Carries steps out as a worker would, and checks each one."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(cells=CELLS, batch_tokens=BATCH, max_sequences=SEQUENCES)
        self.filled: dict[int, int] = {}
        self.finished: list[Task] = []
        self.rows: list[tuple[object, int]] = []

    def drop(self, sequence: int | None) -> None:
        if sequence is not None:
            self.filled.pop(sequence, None)

    def step(self) -> None:
        step = self.scheduler.plan()
        for sequence in step.drops:
            self.drop(sequence)
        for source, target in step.copies:
            assert target not in self.filled
            self.filled[target] = self.filled[source]
        assert 0 < sum(row.count for row in step.rows) <= BATCH
        for row in step.rows:
            assert self.filled.get(row.run.sequence, 0) == row.start == row.run.computed
            self.filled[row.run.sequence] = row.start + row.count
        self.scheduler.done(step)
        assert self.cells_in_use() <= self.scheduler.reserved_cells <= CELLS
        assert len(self.scheduler.running) <= SEQUENCES
        self.rows = [(row.run, row.count) for row in step.rows]
        for row in step.rows:
            if row.complete and isinstance(row.run, Task):
                row.run.tokens.append(7)
                if len(row.run.tokens) == row.run.prompt_tokens + row.run.max_tokens:
                    self.finished.append(row.run)
                    self.drop(self.scheduler.remove(row.run))

    def cells_in_use(self) -> int:
        return sum(prefix.computed for prefix in self.scheduler.prefixes.values()) + sum(
            task.computed - (task.shared if task.prefix is not None and task.computed else 0)
            for task in self.scheduler.running
        )


@settings(deadline=None)
@given(st.lists(st.tuples(tasks(), st.integers(0, 5)), min_size=1, max_size=25))
def test_every_request_ends_and_nothing_is_overcommitted(arrivals: list[tuple[Task, int]]) -> None:
    machine = Machine()
    for task, steps_until_the_next in arrivals:
        machine.scheduler.submit(task)
        for _ in range(steps_until_the_next):
            if machine.scheduler.busy:
                machine.step()
    work = sum(task.prompt_tokens + task.max_tokens for task, _ in arrivals)
    for _ in range(work):
        if machine.scheduler.busy:
            machine.step()
    assert set(machine.finished) == {task for task, _ in arrivals}
    assert machine.scheduler.reserved_cells == sum(map(len, machine.scheduler.prefixes))


@settings(deadline=None)
@given(st.lists(st.tuples(tasks(), st.integers(0, 6), st.booleans()), min_size=1, max_size=20))
def test_cancelling_at_any_time_gives_everything_back(
    arrivals: list[tuple[Task, int, bool]],
) -> None:
    machine = Machine()
    for task, steps, cancelled in arrivals:
        machine.scheduler.submit(task)
        for _ in range(steps):
            if machine.scheduler.busy:
                machine.step()
        if cancelled and task not in machine.finished:
            machine.drop(machine.scheduler.remove(task))
    while machine.scheduler.busy:
        machine.step()
    assert machine.scheduler.reserved_cells == sum(map(len, machine.scheduler.prefixes))
    kept = {prefix.sequence for prefix in machine.scheduler.prefixes.values()}
    assert set(machine.filled) <= kept


@given(st.lists(st.integers(0, 2), min_size=2, max_size=12))
def test_the_most_important_go_first_and_equals_in_their_order(priorities: list[int]) -> None:
    scheduler = Scheduler(cells=CELLS, batch_tokens=BATCH, max_sequences=SEQUENCES)
    submitted = [a_task([1] * 10, priority=priority) for priority in priorities]
    for task in submitted:
        scheduler.submit(task)
    assert scheduler.waiting == sorted(submitted, key=lambda task: task.priority)


def test_a_small_request_does_not_overtake_one_that_waits_for_room() -> None:
    machine = Machine()
    first, large, small = a_task([1] * 300), a_task([1] * 400), a_task([1] * 5)
    for task in (first, large, small):
        machine.scheduler.submit(task)
    machine.step()
    assert machine.scheduler.running == [first]
    assert machine.scheduler.waiting == [large, small]


def test_answers_keep_flowing_while_a_long_prompt_is_read() -> None:
    machine = Machine()
    talking, newcomer = a_task([1] * 4, max_tokens=50), a_task([1] * 200)
    machine.scheduler.submit(talking)
    machine.step()
    machine.scheduler.submit(newcomer)
    while not newcomer.decoding:
        machine.step()
        assert (talking, 1) in machine.rows
        assert sum(count for run, count in machine.rows if run is newcomer) <= (
            PREFILL_WHILE_DECODING
        )


def test_a_short_question_is_not_stuck_behind_a_long_one() -> None:
    machine = Machine()
    long, short = a_task([1] * 400), a_task([1] * 20)
    machine.scheduler.submit(long)
    machine.step()
    machine.scheduler.submit(short)
    machine.step()
    assert short.decoding
    assert 0 < long.computed < 400


def test_a_shared_beginning_is_computed_once() -> None:
    machine = Machine()
    shared = [9] * 40
    both = [a_task([*shared, *own], shared=40) for own in ([1] * 5, [2] * 6)]
    for task in both:
        machine.scheduler.submit(task)
    computed = 0
    while machine.scheduler.busy:
        machine.step()
        computed += sum(count for _, count in machine.rows if count > 1)
    assert computed == 40 + 5 + 6
    assert (machine.scheduler.prefix_misses, machine.scheduler.prefix_hits) == (1, 1)
    assert [task.cached for task in both] == [0, 40]


def test_unused_prefixes_make_room_and_used_ones_stay() -> None:
    machine = Machine()
    for kind in (1, 2):
        machine.scheduler.submit(a_task([kind] * 200 + [0], shared=200, max_tokens=1))
        while machine.scheduler.busy:
            machine.step()
    machine.scheduler.submit(a_task([2] * 200 + [0] * 30, shared=200, max_tokens=10))
    machine.step()
    large = a_task([5] * 250, max_tokens=50)
    machine.scheduler.submit(large)
    machine.step()
    assert large in machine.scheduler.running
    assert [key[0] for key in machine.scheduler.prefixes] == [2]


def test_a_failed_step_takes_along_only_who_was_in_it() -> None:
    machine = Machine()
    hit = [a_task([3] * 30 + [1] * own, shared=30) for own in (4, 5)]
    for task in hit:
        machine.scheduler.submit(task)
    step = machine.scheduler.plan()
    bystander = a_task([1] * 5)
    machine.scheduler.submit(bystander)
    lost, drops = machine.scheduler.failed(step)
    assert lost == hit
    assert len(set(drops)) == 3
    assert machine.scheduler.waiting == [bystander]
    assert not machine.scheduler.prefixes


def test_very_short_beginnings_are_not_shared() -> None:
    machine = Machine()
    machine.scheduler.submit(a_task([1] * 30, shared=MIN_PREFIX_TOKENS - 1))
    machine.step()
    assert not machine.scheduler.prefixes
