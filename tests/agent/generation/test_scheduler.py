"""What the scheduler promises, whatever arrives."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.generation import residence
from agent.generation.residence import IDLE_CELLS, MIN_KEPT_TOKENS
from agent.generation.runs import Copy, Cut, Drop, Load, Move, Row, Save, Task
from agent.generation.scheduler import (
    BACKGROUND_ALONE,
    BACKGROUND_BESIDE,
    ROWS_WHILE_DECODING,
    Scheduler,
)

CELLS, BATCH, SEQUENCES = 600, 64, 4
PREFIXES = [[kind] * length for kind, length in enumerate((16, 20, 40, 90, 120, 150, 200, 240))]
SESSIONS = (None, None, "anna", "bert")


def a_task(
    prompt: list[int],
    *,
    bounds: tuple[int, ...] = (),
    max_tokens: int = 4,
    priority: int = 0,
    session: str | None = None,
) -> Task:
    return Task(
        list(prompt),
        prompt_tokens=len(prompt),
        max_tokens=max_tokens,
        bounds=bounds,
        priority=priority,
        session=session,
    )


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Some with one or two shared beginnings, some of sessions, some that only warm."""
    prefix = draw(st.sampled_from([[], *PREFIXES]))
    passage = draw(st.sampled_from([[], [50] * 30, [51] * 60])) if prefix else []
    beginning = [*prefix, *passage]
    bounds = sorted({len(prefix), len(beginning)} - {0})
    if bounds and draw(st.integers(0, 5)) == 0:
        return a_task(beginning, bounds=tuple(bounds), max_tokens=0, priority=2)
    session = draw(st.sampled_from(SESSIONS))
    own = draw(st.integers(1, 120))
    words = draw(st.sampled_from([1000, 3000]))
    return a_task(
        [*beginning, *range(words, words + own)],
        bounds=tuple(bounds),
        max_tokens=draw(st.integers(1, 60)),
        priority=draw(st.integers(0, 2)),
        session=session,
    )


Cell = tuple[int, str | None]  # a token and the session it was computed for, if for one


class Machine:
    """Carries moves and steps out as a worker would, on cells it can look into, and checks each.

    With `forgetful`, states get lost at random between being saved and being loaded.
    """

    def __init__(self, *, cells: int = CELLS, forgetful: int | None = None) -> None:
        self.states: dict[bytes, tuple[int, list[Cell]]] = {}
        self.private: set[bytes] = set()
        self.scheduler = Scheduler(
            cells=cells,
            batch_tokens=BATCH,
            max_sequences=SEQUENCES,
            is_saved=self.states.__contains__,
        )
        self.sequences: dict[int, list[Cell]] = {}
        self.finished: list[Task] = []
        self.rows: list[Row] = []
        self.chance = random.Random(forgetful) if forgetful is not None else None

    def do(self, moves: list[Move]) -> None:
        for move in moves:
            match move:
                case Drop(sequence):
                    self.sequences.pop(sequence, None)
                case Copy(source, target):
                    assert target not in self.sequences
                    self.sequences[target] = list(self.sequences[source])
                case Cut(sequence, start):
                    del self.sequences[sequence][start:]
                case Save(sequence, start, key, private):
                    self.states[key] = (start, self.sequences[sequence][start:])
                    if private:
                        self.private.add(key)
                    else:
                        assert all(owner is None for _, owner in self.states[key][1])
                case Load(run, key, keep):
                    self.scheduler.loaded(move, self.load(run.sequence, key, keep))

    def load(self, sequence: int, key: bytes, keep: int) -> bool:
        if self.chance and self.chance.random() < 0.3:
            self.states.pop(key, None)
            return False
        start, cells = self.states[key]
        here = self.sequences.setdefault(sequence, [])
        assert len(here) == start
        here += cells
        del here[keep:]
        return True

    def settle(self) -> None:
        while moves := self.scheduler.moves():
            self.do(moves)
        for task in self.scheduler.warmed():
            self.finish(task)

    def finish(self, task: Task) -> None:
        self.finished.append(task)
        self.do(self.scheduler.remove(task, park=True))

    def step(self) -> None:
        self.settle()
        self.rows = self.scheduler.plan()
        if not self.rows:
            assert not self.scheduler.running
            return
        assert sum(row.count + len(row.guessed) for row in self.rows) <= BATCH
        for row in self.rows:
            self.compute(row)
        self.scheduler.done(self.rows)
        assert self.cells_in_use() <= self.scheduler.reserved_cells <= self.scheduler.cells
        assert len(self.scheduler.running) <= SEQUENCES
        for row in self.rows:
            if row.complete and isinstance(row.run, Task):
                self.choose(row, row.run)
                if len(row.run.tokens) == row.run.prompt_tokens + row.run.max_tokens:
                    self.finish(row.run)

    def compute(self, row: Row) -> None:
        run = row.run
        cells = self.sequences.setdefault(run.sequence, [])
        assert [token for token, _ in cells] == run.tokens[: row.start]
        session = run.session if isinstance(run, Task) else None
        assert {owner for _, owner in cells} <= {None, session or "nobody"}
        computed = run.tokens[row.start : row.start + row.count]
        owner = (session or "nobody") if isinstance(run, Task) else None
        cells += [(token, owner) for token in (*computed, *row.guessed)]

    def choose(self, row: Row, task: Task) -> None:
        """Some of what was guessed comes true, and one more token."""
        accepted = (task.computed * 7) % (len(row.guessed) + 1)
        if row.guessed:
            cut = self.scheduler.came_true(row, accepted)
            self.do([cut] if cut else [])
        task.tokens += [*row.guessed[:accepted], 7]

    def run_dry(self) -> None:
        while self.scheduler.busy:
            self.step()

    def computed(self, task: Task) -> int:
        """How many tokens are computed to finish this one task."""
        self.scheduler.submit(task)
        count = 0
        while self.scheduler.busy:
            self.step()
            count += sum(row.count for row in self.rows)
        return count

    def cells_in_use(self) -> int:
        kept = self.scheduler.residence.kept.values()
        return sum(max(k.computed - k.start, 0) for k in kept) + sum(
            max(task.computed - task.base_length, 0) for task in self.scheduler.running
        )


@settings(deadline=None)
@given(
    st.lists(st.tuples(tasks(), st.integers(0, 5)), min_size=1, max_size=25),
    st.none() | st.integers(0, 99),
)
def test_every_request_ends_and_nothing_is_overcommitted(
    arrivals: list[tuple[Task, int]], forgetful: int | None
) -> None:
    machine = Machine(forgetful=forgetful)
    for task, steps_until_the_next in arrivals:
        machine.scheduler.submit(task)
        for _ in range(steps_until_the_next):
            if machine.scheduler.busy:
                machine.step()
    work = sum(task.prompt_tokens + task.max_tokens for task, _ in arrivals)
    for _ in range(4 * work):
        if machine.scheduler.busy:
            machine.step()
    assert set(machine.finished) == {task for task, _ in arrivals}
    nothing_stands_on_what_is_kept_but_what_is_kept(machine)


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
            machine.do(machine.scheduler.remove(task, park=steps % 2 == 0))
    machine.run_dry()
    nothing_stands_on_what_is_kept_but_what_is_kept(machine)


@settings(deadline=None)
@given(
    st.lists(st.tuples(tasks(), st.integers(0, 6), st.booleans()), min_size=1, max_size=20),
    st.integers(0, 99),
)
def test_failed_steps_end_who_was_in_them_and_nobody_else(
    arrivals: list[tuple[Task, int, bool]], forgetful: int
) -> None:
    machine = Machine(forgetful=forgetful)
    lost: list[Task] = []
    for task, steps, fails in arrivals:
        machine.scheduler.submit(task)
        for _ in range(steps):
            if machine.scheduler.busy:
                machine.step()
        if fails and machine.scheduler.busy:
            machine.settle()
            gone, moves = machine.scheduler.failed(machine.scheduler.plan())
            lost += gone
            machine.do(moves)
    machine.run_dry()
    assert {*machine.finished, *lost} == {task for task, _, _ in arrivals}
    assert not {*machine.finished} & {*lost}
    nothing_stands_on_what_is_kept_but_what_is_kept(machine)


def nothing_stands_on_what_is_kept_but_what_is_kept(machine: Machine) -> None:
    kept = machine.scheduler.residence.kept.values()
    assert set(machine.sequences) <= {k.sequence for k in kept}
    assert machine.scheduler.reserved_cells == sum(k.own_cells for k in kept) <= IDLE_CELLS
    assert all(k.users == sum(other.parent is k for other in kept) for k in kept)


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


def granted(machine: Machine, task: Task) -> int:
    return sum(row.count for row in machine.rows if row.run in (task, task.base))


def test_answers_keep_flowing_while_a_long_prompt_is_read() -> None:
    machine = Machine()
    talking, newcomer = a_task([1] * 4, max_tokens=50), a_task([1] * 200)
    machine.scheduler.submit(talking)
    machine.step()
    machine.scheduler.submit(newcomer)
    while not newcomer.decoding:
        machine.step()
        assert granted(machine, talking) == 1
        assert granted(machine, newcomer) < ROWS_WHILE_DECODING


def test_a_short_question_is_not_stuck_behind_a_long_one() -> None:
    machine = Machine()
    long, short = a_task([1] * 400), a_task([1] * 20)
    machine.scheduler.submit(long)
    machine.step()
    machine.scheduler.submit(short)
    machine.step()
    assert short.decoding
    assert 0 < long.computed < 400


def test_background_work_takes_small_steps_beside_customers_and_longer_ones_alone() -> None:
    machine = Machine()
    passage = a_task([1] * 300, bounds=(300,), max_tokens=0, priority=2)
    machine.scheduler.submit(passage)
    machine.step()
    assert granted(machine, passage) == BACKGROUND_ALONE
    customer = a_task([2] * 10, max_tokens=40)
    machine.scheduler.submit(customer)
    shares = []
    while customer not in machine.finished:
        machine.step()
        shares.append(granted(machine, passage))
    assert max(shares) == BACKGROUND_BESIDE
    assert sum(shares) <= len(shares) / 3 * BACKGROUND_BESIDE


def test_a_shared_beginning_is_computed_once() -> None:
    machine = Machine()
    shared = [9] * 40
    both = [a_task([*shared, *own], bounds=(40,)) for own in ([1] * 5, [2] * 6)]
    for task in both:
        machine.scheduler.submit(task)
    computed = 0
    while machine.scheduler.busy:
        machine.step()
        computed += sum(row.count for row in machine.rows if row.count > 1)
    assert computed == 40 + 5 + 6
    assert [task.cached for task in both] == [0, 40]


def test_a_passage_stands_on_the_system_prompt_and_a_second_one_on_the_first() -> None:
    machine = Machine()
    system, first, second, question = [9] * 40, [8] * 30, [7] * 20, [1] * 5
    assert machine.computed(a_task([*system, *question], bounds=(40,), max_tokens=1)) == 45
    one = a_task([*system, *first, *question], bounds=(40, 70), max_tokens=1)
    assert machine.computed(one) == 35
    assert one.cached == 40
    both = a_task([*system, *first, *second, *question], bounds=(40, 70, 90), max_tokens=1)
    assert machine.computed(both) == 25
    again = a_task([*system, *first, *question], bounds=(40, 70), max_tokens=1)
    assert machine.computed(again) == 5


def test_what_left_the_context_is_loaded_not_computed() -> None:
    machine = Machine(cells=200)
    system, question = [9] * 40, [1] * 5
    for passage in (1, 2, 3, 4):
        machine.computed(a_task([*system, *[passage] * 60, *question], bounds=(40, 100)))
    back = a_task([*system, *[1] * 60, *question], bounds=(40, 100), max_tokens=1)
    assert machine.computed(back) == len(question)
    assert back.cached == 100
    assert machine.scheduler.residence.counts.loaded >= 1


def test_a_state_that_cannot_be_loaded_is_computed_and_saved_anew() -> None:
    machine = Machine(cells=200)
    prompt = [*[9] * 40, *[1] * 60, *[5] * 5]
    machine.computed(a_task(prompt, bounds=(40, 100), max_tokens=1))
    saved = dict(machine.states)
    other = Machine(cells=200, forgetful=0)
    other.chance = type("Always", (), {"random": staticmethod(lambda: 0.0)})()
    other.states.update(saved)
    assert other.computed(a_task(prompt, bounds=(40, 100), max_tokens=1)) == 105
    assert other.states.keys() == saved.keys()


def test_warming_computes_a_beginning_and_no_more() -> None:
    machine = Machine()
    assert machine.computed(a_task([9] * 100, bounds=(40, 100), max_tokens=0, priority=2)) == 100
    assert len(machine.states) == 2
    question = a_task([*[9] * 100, *[1] * 5], bounds=(40, 100), max_tokens=1)
    assert machine.computed(question) == 5


def follow_up(session: str, *, turns: int, passage: int = 1) -> Task:
    """The session's prompt after so many turns, as a conversation grows."""
    own = [token for turn in range(turns) for token in range(100 * turn, 100 * turn + 20)]
    said = [*[9] * 40, *[passage] * 60, *own]
    return a_task(said, bounds=(40, 100), session=session, max_tokens=1)


def test_a_follow_up_on_the_resident_passage_computes_only_its_own_tokens() -> None:
    machine = Machine()
    assert machine.computed(follow_up("anna", turns=1)) == 120
    assert machine.computed(follow_up("anna", turns=2)) == 20
    assert machine.computed(follow_up("anna", turns=3, passage=2)) == 60 + 60


def test_a_session_goes_on_from_where_its_words_begin_to_differ() -> None:
    machine = Machine()
    machine.computed(follow_up("anna", turns=2))
    changed = follow_up("anna", turns=2)
    changed.tokens[-5:] = [3000] * 5
    assert machine.computed(changed) == 5


def test_nobody_goes_on_from_anothers_session() -> None:
    machine = Machine()
    machine.computed(follow_up("anna", turns=2))
    assert machine.computed(follow_up("bert", turns=2)) == 40
    assert machine.computed(a_task(follow_up("anna", turns=2).tokens, bounds=(40, 100))) >= 40


def test_a_parked_session_under_pressure_leaves_the_context_and_comes_back() -> None:
    machine = Machine(cells=260)
    machine.computed(follow_up("anna", turns=2))
    machine.computed(a_task([5] * 240, max_tokens=20))
    assert not machine.scheduler.residence.kept
    assert machine.private
    assert machine.computed(follow_up("anna", turns=3)) == 20


def test_a_forgotten_session_leaves_nothing_behind() -> None:
    machine = Machine(cells=260)
    machine.computed(follow_up("anna", turns=2))
    machine.computed(a_task([5] * 240, max_tokens=20))
    machine.computed(follow_up("anna", turns=2, passage=2))
    moves: list[Move] = []
    shelved = machine.scheduler.residence.forget("anna", moves)
    machine.do(moves)
    assert set(shelved) == machine.private
    assert all(kept.owner is None for kept in machine.scheduler.residence.kept.values())
    assert machine.computed(follow_up("anna", turns=2)) == 40


def test_unused_beginnings_make_room_and_used_ones_stay() -> None:
    machine = Machine()
    for kind in (1, 2):
        machine.computed(a_task([kind] * 200 + [0], bounds=(200,), max_tokens=1))
    machine.scheduler.submit(a_task([2] * 200 + [0] * 30, bounds=(200,), max_tokens=10))
    machine.step()
    large = a_task([5] * 250, max_tokens=50)
    machine.scheduler.submit(large)
    machine.step()
    assert large in machine.scheduler.running
    assert [tokens[0] for _, tokens in machine.scheduler.residence.kept] == [2]


def test_a_failed_step_takes_along_only_who_was_in_it() -> None:
    machine = Machine()
    hit = [a_task([3] * 30 + [1] * own, bounds=(30,)) for own in (4, 5)]
    for task in hit:
        machine.scheduler.submit(task)
    machine.settle()
    rows = machine.scheduler.plan()
    bystander = a_task([1] * 5)
    machine.scheduler.submit(bystander)
    lost, moves = machine.scheduler.failed(rows)
    assert lost == hit
    assert len({move for move in moves if isinstance(move, Drop)}) == 3
    assert machine.scheduler.waiting == [bystander]
    assert not machine.scheduler.residence.kept


def test_very_short_beginnings_are_not_shared() -> None:
    machine = Machine()
    machine.scheduler.submit(a_task([1] * 30, bounds=(MIN_KEPT_TOKENS - 1,)))
    machine.step()
    assert not machine.scheduler.residence.kept


def test_sessions_beyond_what_can_be_kept_leave_the_least_recent_behind(monkeypatch) -> None:
    monkeypatch.setattr(residence, "kept_places", lambda _sequences: 6)
    machine = Machine(cells=2000)
    for number in range(8):
        machine.computed(follow_up(f"customer {number}", turns=1))
    assert len(machine.scheduler.residence.kept) <= 6
    assert machine.computed(follow_up("customer 7", turns=2)) == 20


def test_an_answer_that_repeats_its_prompt_is_guessed_ahead_by_ever_more() -> None:
    machine = Machine()
    words = list(range(100, 160))
    task = a_task([*words, 100, 101, 102], max_tokens=60)
    machine.scheduler.submit(task)
    machine.settle()
    machine.scheduler.done(machine.scheduler.plan())
    steps = 0
    for _ in range(30):
        if len(task.tokens) >= 63 + 40:
            break
        expected = words[(len(task.tokens) - 60) % 60]
        if not task.decoding:
            task.tokens.append(expected)
            continue
        (row,) = machine.scheduler.plan()
        machine.scheduler.done([row])
        machine.scheduler.came_true(row, len(row.guessed))
        task.tokens += [*row.guessed, words[(len(task.tokens) + len(row.guessed) - 60) % 60]]
        steps += 1
    assert task.tokens[63:100] == words[3:40]
    assert steps <= 10


def test_guesses_that_fail_are_given_up_and_tried_again() -> None:
    machine = Machine()
    task = a_task([*range(100, 140), 100, 101], max_tokens=400)
    machine.scheduler.submit(task)
    machine.settle()
    machine.scheduler.done(machine.scheduler.plan())
    task.tokens.append(102)
    lengths = []
    for _ in range(100):
        (row,) = machine.scheduler.plan()
        lengths.append(len(row.guessed))
        machine.scheduler.done([row])
        if row.guessed:
            assert machine.scheduler.came_true(row, 0) == Cut(task.sequence, task.computed)
        task.tokens += [999, 100, 101, 102]
        task.computed = len(task.tokens) - 1
    given_up = lengths.index(0)
    assert 0 < given_up < 30
    assert any(lengths[given_up:])


def test_many_answers_at_once_share_the_rows_for_guesses() -> None:
    machine = Machine()
    tasks = [a_task([*range(100, 130), 100, 101, 102], max_tokens=30) for _ in range(SEQUENCES)]
    for task in tasks:
        machine.scheduler.submit(task)
    machine.settle()
    while not all(task.decoding for task in tasks):
        machine.step()
    for task in tasks:
        task.tokens[-1] = 103
    rows = machine.scheduler.plan()
    guessed = sum(len(row.guessed) for row in rows)
    assert 0 < guessed <= ROWS_WHILE_DECODING - len(tasks)
