"""Questions that were not answered well, the gaps they make, and what became of each, in SQL.

Knows which questions count and why; refuses to know how they are put together. Every method blocks:
call it through `asyncio.to_thread`. Invariant: a gap without a question is not there, and what is
kept of a question goes with its conversation.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Float,
    Integer,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Connection

from agent.domain import Noun, Outcome, new_id, now
from agent.storage.asked import Said, asked
from agent.storage.reports import reported
from agent.storage.sql import Database, metadata

Reason = Literal["refused", "handed_off", "low_confidence", "thumbs_down", "reported"]
GapState = Literal["open", "drafted", "answered", "dismissed"]

_gaps: Final = Table(
    "gaps",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text),
    Column("state", String(16), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("changed_at", String(32), nullable=False),
    Column("changed_by", Text),
    Column("why", Text),
    Column("document_id", String(64)),
    Column("found", Text),
)
_questions: Final = Table(
    "gap_questions",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("gap_id", String(64), nullable=False, index=True),
    Column("place", Integer, nullable=False),
)
_checks: Final = Table(
    "gap_checks",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False, index=True),
    Column("gap_id", String(64), nullable=False, index=True),
    Column("at", String(32), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("confidence", Float),
    Column("answer", Text, nullable=False),
    Column("citations", Text, nullable=False),
    Column("holds", Integer, nullable=False),
)


class Unanswered(Noun):
    """A question that counts; `message_id` is the reply's, `customer` as in `Asked`."""

    message_id: str
    conversation_id: str
    customer: str
    at: str
    question: str
    before: tuple[Said, ...]
    outcome: Outcome
    confidence: float | None
    language: str | None
    reasons: tuple[Reason, ...]


class Check(Noun):
    """A question asked again: `holds` says whether the new answer will do."""

    message_id: str
    conversation_id: str
    at: str
    outcome: Outcome
    confidence: float | None
    answer: str
    citations: tuple[dict[str, Any], ...]
    holds: bool


class Gap(Noun):
    """`questions`: the one that is nearest to all others first. `name` None: nobody has named it.
    `found`: what a search found for it when it was asked last. `why`: of its last change."""

    id: str
    name: str | None
    state: GapState
    created_at: str
    changed_at: str
    changed_by: str | None
    why: str | None
    document_id: str | None
    found: str | None
    questions: tuple[Unanswered, ...]
    checks: tuple[Check, ...]

    @property
    def customers(self) -> int:
        return len({one.customer for one in self.questions})

    @property
    def title(self) -> str:
        return self.name or " ".join(self.questions[0].question.split())


class GapRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    def unanswered(self, since: str, unsure_below: float, limit: int) -> list[Unanswered]:
        """The newest `limit` of those asked from `since` on, oldest first."""
        query = (
            _counting(unsure_below)
            .where(asked.c.at >= since)
            .order_by(asked.c.at.desc(), asked.c.message_id.desc())
            .limit(limit)
        )
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
        return [_unanswered(row, unsure_below) for row in reversed(rows)]

    def members(self) -> dict[str, frozenset[str]]:
        """The replies' ids of each gap."""
        found: dict[str, set[str]] = {}
        with self._database.begin() as connection:
            for row in connection.execute(select(_questions.c.gap_id, _questions.c.message_id)):
                found.setdefault(row.gap_id, set()).add(row.message_id)
        return {gap_id: frozenset(ids) for gap_id, ids in found.items()}

    def arrange(self, groups: Sequence[tuple[str | None, Sequence[Unanswered]]]) -> None:
        """These are the gaps from now on, each by its id, None for a new one."""
        moment = now()
        with self._database.begin() as connection:
            there = _there(connection, [one.message_id for _, group in groups for one in group])
            connection.execute(delete(_questions))
            for known, group in groups:
                gap_id = known or new_id("g")
                rows = [
                    {
                        "message_id": one.message_id,
                        "conversation_id": one.conversation_id,
                        "gap_id": gap_id,
                        "place": place,
                    }
                    for place, one in enumerate(group)
                    if one.message_id in there
                ]
                if not rows:
                    continue
                if known is None:
                    made = {"created_at": moment, "changed_at": moment, "state": "open"}
                    connection.execute(insert(_gaps).values(id=gap_id, **made))
                connection.execute(insert(_questions), rows)
            _drop_empty(connection)

    def everything(self, unsure_below: float, gap_id: str | None = None) -> list[Gap]:
        """What most customers asked first; the one, or none, if an id is given."""
        query, checks = select(_gaps), select(_checks).order_by(_checks.c.message_id)
        members = (
            _counting(unsure_below, _questions.c.gap_id)
            .join(_questions, _questions.c.message_id == asked.c.message_id)
            .order_by(_questions.c.gap_id, _questions.c.place)
        )
        if gap_id is not None:
            query = query.where(_gaps.c.id == gap_id)
            checks = checks.where(_checks.c.gap_id == gap_id)
            members = members.where(_questions.c.gap_id == gap_id)
        with self._database.begin() as connection:
            questions: dict[str, list[Unanswered]] = {}
            for row in connection.execute(members):
                questions.setdefault(row.gap_id, []).append(_unanswered(row, unsure_below))
            again: dict[str, list[Check]] = {}
            for row in connection.execute(checks):
                again.setdefault(row.gap_id, []).append(_check(row))
            found = [
                Gap.model_validate(
                    {**row, "questions": questions[row["id"]], "checks": again.get(row["id"], ())}
                )
                for row in connection.execute(query).mappings()
                if row["id"] in questions
            ]
        return sorted(found, key=_rank)

    def still_open(self) -> int:
        """How many wait for an answer."""
        waiting = select(func.count()).where(_gaps.c.state.in_(("open", "drafted")))
        with self._database.begin() as connection:
            return connection.scalar(waiting) or 0

    def name(self, gap_id: str, name: str, asked_by: frozenset[str]) -> None:
        """Unless one of the questions it was made from was erased meanwhile."""
        with self._database.begin() as connection:
            left = select(_questions.c.message_id).where(_questions.c.gap_id == gap_id)
            if asked_by <= set(connection.scalars(left)):
                named = update(_gaps).where(_gaps.c.id == gap_id).values(name=name)
                connection.execute(named)

    def change(
        self,
        gap_id: str,
        state: GapState,
        *,
        of: Sequence[GapState],
        by: str | None = None,
        why: str | None = None,
        document_id: str | None = None,
    ) -> bool:
        """Whether it was in one of the states `of`, and so is in `state` now."""
        values = {"state": state, "changed_at": now(), "changed_by": by, "why": why}
        if document_id is not None:
            values["document_id"] = document_id
        changed = update(_gaps).where(_gaps.c.id == gap_id, _gaps.c.state.in_(of)).values(values)
        with self._database.begin() as connection:
            return connection.execute(changed).rowcount == 1

    def keep_checks(self, gap_id: str, found: str, checks: Sequence[Check]) -> None:
        """In place of earlier ones; `found` is what the search finds for the gap now."""
        with self._database.begin() as connection:
            there = _there(connection, [one.message_id for one in checks])
            connection.execute(update(_gaps).where(_gaps.c.id == gap_id).values(found=found))
            connection.execute(delete(_checks).where(_checks.c.gap_id == gap_id))
            for one in checks:
                if one.message_id in there:
                    values = one.model_dump() | {"gap_id": gap_id, "holds": int(one.holds)}
                    values["citations"] = json.dumps(one.citations)
                    connection.execute(
                        delete(_checks).where(_checks.c.message_id == one.message_id)
                    )
                    connection.execute(insert(_checks).values(values))

    def erase(self, connection: Connection, conversation_id: str) -> None:
        """A name is made of several customers' words: it goes too, and is made anew."""
        theirs = select(_questions.c.gap_id).where(_questions.c.conversation_id == conversation_id)
        connection.execute(update(_gaps).where(_gaps.c.id.in_(theirs)).values(name=None))
        for table in (_questions, _checks):
            connection.execute(delete(table).where(table.c.conversation_id == conversation_id))
        _drop_empty(connection)


def _counting(unsure_below: float, *columns: ColumnElement[Any]) -> Any:
    """Every question that was not answered well, and whether staff reported its answer."""
    unsure = or_(
        and_(asked.c.outcome == "handed_off", asked.c.reason == "low_confidence"),
        and_(asked.c.outcome == "answered", asked.c.confidence < unsure_below),
    )
    missing = and_(asked.c.outcome == "handed_off", asked.c.reason == "missing_knowledge")
    poor = or_(asked.c.outcome == "refused", missing, unsure, asked.c.rating == "down")
    return (
        select(asked, reported.c.message_id.label("report"), *columns)
        .join(reported, reported.c.message_id == asked.c.message_id, isouter=True)
        .where(or_(and_(asked.c.looked_up == 1, poor), reported.c.message_id.is_not(None)))
    )


def _unanswered(row: Any, unsure_below: float) -> Unanswered:
    reasons: Mapping[Reason, bool] = {
        "refused": row.outcome == "refused",
        "handed_off": row.outcome == "handed_off" and row.reason == "missing_knowledge",
        "low_confidence": (row.outcome == "handed_off" and row.reason == "low_confidence")
        or (
            row.outcome == "answered"
            and row.confidence is not None
            and row.confidence < unsure_below
        ),
        "thumbs_down": row.rating == "down",
        "reported": row.report is not None,
    }
    return Unanswered(
        message_id=row.message_id,
        conversation_id=row.conversation_id,
        customer=row.customer,
        at=row.at,
        question=row.question,
        before=json.loads(row.before),
        outcome=row.outcome,
        confidence=row.confidence,
        language=row.language,
        reasons=tuple(reason for reason, holds in reasons.items() if holds),
    )


def _check(row: Any) -> Check:
    return Check(
        message_id=row.message_id,
        conversation_id=row.conversation_id,
        at=row.at,
        outcome=row.outcome,
        confidence=row.confidence,
        answer=row.answer,
        citations=json.loads(row.citations),
        holds=bool(row.holds),
    )


def _there(connection: Connection, message_ids: Sequence[str]) -> set[str]:
    """Those whose conversation was not erased meanwhile."""
    found: set[str] = set()
    for start in range(0, len(message_ids), 500):
        some = asked.c.message_id.in_(message_ids[start : start + 500])
        found.update(connection.scalars(select(asked.c.message_id).where(some)))
    return found


def _drop_empty(connection: Connection) -> None:
    left = select(_questions.c.gap_id)
    connection.execute(delete(_gaps).where(_gaps.c.id.not_in(left)))
    connection.execute(delete(_checks).where(_checks.c.gap_id.not_in(left)))


def _rank(gap: Gap) -> tuple[int, int, str]:
    return (-gap.customers, -len(gap.questions), gap.id)
