"""Gate runs in SQL: which changes were tried, on which questions, and what came of each.

Every method blocks: call it through `asyncio.to_thread`. Invariant: a customer's question goes with
its conversation, out of every run, whatever the run is doing.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from sqlalchemy import Column, Integer, String, Table, Text, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from agent.domain import Citation, Noun, Outcome, Verdict
from agent.storage.asked import Said
from agent.storage.sql import Database, metadata

State = Literal["waiting", "running", "done", "cancelled", "failed"]
OPEN: Final = ("waiting", "running")
KEPT_RUNS: Final = 100

_runs: Final = Table(
    "gate_runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", String(32), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("run", Text, nullable=False),
)
_documents: Final = Table(
    "gate_documents",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("document_id", String(64), primary_key=True, index=True),
)
_items: Final = Table(
    "gate_items",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("conversation_id", String(64), index=True),
    Column("item", Text, nullable=False),
    Column("result", Text),
)


class Change(Noun):
    """`revision` None: the document is gone; `before`, what was published then, None if nothing."""

    document_id: str
    title: str
    revision: int | None
    before: int | None


class Run(Noun):
    """`generation` was published when it began; `day`, the day it asks for, None for today: a
    change may be for later; `chosen`, whether its questions were looked for already."""

    id: str
    created_at: str
    by: str
    state: State = "waiting"
    changes: tuple[Change, ...]
    generation: int
    day: str | None = None
    chosen: bool = False
    error: str | None = None
    ended_at: str | None = None
    published_at: str | None = None

    @property
    def wanted(self) -> dict[str, int | None]:
        return {one.document_id: one.revision for one in self.changes}


class Question(Noun):
    """What is asked in a run. `times`: so many customers asked it in these words; `message_id`, the
    reply to the last of them; `expected` and `answerable` are a golden question's."""

    n: int
    kind: Literal["asked", "unanswered", "golden"]
    question: str
    before: tuple[Said, ...] = ()
    at: str
    times: int = 1
    message_id: str | None = None
    conversation_id: str | None = None
    golden_id: str | None = None
    expected: str = ""
    answerable: bool = True


class Answer(Noun):
    outcome: Outcome | Literal["failed"]
    text: str
    confidence: float | None = None
    citations: tuple[Citation, ...] = ()


class Result(Noun):
    """`reused`: the search finds the very same passages with the same scores, so the new answer is
    the old one and was not written again."""

    old: Answer
    new: Answer
    verdict: Verdict
    why: str
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    reused: bool = False


class Item(Noun):
    question: Question
    result: Result | None = None


class Gates:
    def __init__(self, database: Database, is_erased: Callable[[Connection, str], bool]) -> None:
        self._database = database
        self._is_erased = is_erased

    def add(self, run: Run) -> None:
        """The oldest runs go, once there are many."""
        touched = [{"run_id": run.id, "document_id": one.document_id} for one in run.changes]
        with self._database.begin() as connection:
            connection.execute(insert(_runs).values(_row(run)))
            connection.execute(insert(_documents), touched)
            kept = select(_runs.c.id).order_by(_runs.c.created_at.desc()).limit(KEPT_RUNS)
            old = list(connection.scalars(select(_runs.c.id).where(_runs.c.id.not_in(kept))))
            for table, key in ((_runs, "id"), (_documents, "run_id"), (_items, "run_id")):
                connection.execute(delete(table).where(table.c[key].in_(old)))

    def change(self, run_id: str, *, only: Sequence[State] = (), **values: Any) -> Run | None:
        """The run with these values; None if it is not there, or in none of the states `only`."""
        with self._database.begin() as connection:
            found = connection.scalar(select(_runs.c.run).where(_runs.c.id == run_id))
            run = None if found is None else Run.model_validate_json(found)
            if run is None or (only and run.state not in only):
                return None
            changed = run.model_copy(update=values)
            statement = update(_runs).where(_runs.c.id == run_id, _runs.c.state == run.state)
            done = connection.execute(statement.values(_row(changed))).rowcount
            return changed if done else None

    def find(self, run_id: str) -> Run | None:
        with self._database.begin() as connection:
            found = connection.scalar(select(_runs.c.run).where(_runs.c.id == run_id))
        return None if found is None else Run.model_validate_json(found)

    def open_runs(self) -> list[Run]:
        """Those that wait or run, in the order in which they were begun."""
        query = select(_runs.c.run).where(_runs.c.state.in_(OPEN)).order_by(_runs.c.created_at)
        with self._database.begin() as connection:
            return [Run.model_validate_json(one) for one in connection.scalars(query)]

    def of(self, document_id: str | None, count: int, after: str | None = None) -> list[Run]:
        """Newest first; of one document if it is given; `after` is the last run known already."""
        query = select(_runs.c.run).order_by(_runs.c.created_at.desc(), _runs.c.id.desc())
        if document_id is not None:
            mine = select(_documents.c.run_id).where(_documents.c.document_id == document_id)
            query = query.where(_runs.c.id.in_(mine))
        with self._database.begin() as connection:
            if after is not None:
                begun = select(_runs.c.created_at).where(_runs.c.id == after).scalar_subquery()
                query = query.where(
                    (_runs.c.created_at < begun)
                    | ((_runs.c.created_at == begun) & (_runs.c.id < after))
                )
            return [Run.model_validate_json(one) for one in connection.scalars(query.limit(count))]

    # -- questions

    def choose(self, run_id: str, questions: Sequence[Question]) -> None:
        """These are its questions; asked by whom was erased meanwhile are none."""
        with self._database.begin() as connection:
            rows = [
                {
                    "run_id": run_id,
                    "n": one.n,
                    "conversation_id": one.conversation_id,
                    "item": one.model_dump_json(),
                }
                for one in questions
                if one.conversation_id is None
                or not self._is_erased(connection, one.conversation_id)
            ]
            connection.execute(delete(_items).where(_items.c.run_id == run_id))
            if rows:
                connection.execute(insert(_items), rows)

    def answer(self, run_id: str, n: int, result: Result) -> bool:
        """False if the question is not there any more."""
        statement = (
            update(_items)
            .where(_items.c.run_id == run_id, _items.c.n == n)
            .values(result=result.model_dump_json())
        )
        with self._database.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def items(self, run_id: str) -> list[Item]:
        """In the order in which they are asked."""
        query = select(_items).where(_items.c.run_id == run_id).order_by(_items.c.n)
        with self._database.begin() as connection:
            return [_item(row) for row in connection.execute(query)]

    def next_question(self, run_id: str) -> Question | None:
        """The first that has no answer yet."""
        query = (
            select(_items)
            .where(_items.c.run_id == run_id, _items.c.result.is_(None))
            .order_by(_items.c.n)
            .limit(1)
        )
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _item(row).question

    def counts(self, run_ids: Sequence[str]) -> dict[str, tuple[int, int, dict[str, int]]]:
        """By run: answered, all, and how many of each verdict."""
        found = {one: (0, 0, dict[str, int]()) for one in run_ids}
        query = select(_items.c.run_id, _items.c.result).where(_items.c.run_id.in_(run_ids))
        with self._database.begin() as connection:
            for row in connection.execute(query):
                done, total, verdicts = found[row.run_id]
                if row.result is not None:
                    verdict = json.loads(row.result)["verdict"]
                    verdicts[verdict] = verdicts.get(verdict, 0) + 1
                    done += 1
                found[row.run_id] = (done, total + 1, verdicts)
        return found

    def waiting(self) -> int:
        query = select(func.count()).select_from(_runs).where(_runs.c.state.in_(OPEN))
        with self._database.begin() as connection:
            return connection.scalar(query) or 0

    def erase(self, connection: Connection, conversation_id: str) -> None:
        connection.execute(delete(_items).where(_items.c.conversation_id == conversation_id))


def _row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "created_at": run.created_at,
        "state": run.state,
        "run": run.model_dump_json(),
    }


def _item(row: Any) -> Item:
    result = None if row.result is None else Result.model_validate_json(row.result)
    return Item(question=Question.model_validate_json(row.item), result=result)
