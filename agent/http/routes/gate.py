"""The publish gate over HTTP: try a change, watch, see what it does to answers, publish or not.

Owns the HTTP shape of each call. Refuses to know how a change is tried. Invariant: what is
published here is what was tried, or the audit log says that it was not.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from agent.conversation.gate import AT_ONCE, Seen
from agent.conversation.warming import Warmth
from agent.errors import FrontdeskError, InvalidRequest
from agent.http import sse
from agent.http.audit import note
from agent.http.dependencies import AdminDep, ServicesDep, admin
from agent.http.routes.staff import while_signed_in
from agent.http.schemas import Body
from agent.services import Services
from agent.storage.gates import OPEN, Item
from agent.storage.people import User

router = APIRouter(prefix="/api/v1/admin", tags=["gate"], dependencies=[Depends(admin)])

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
RunId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


class ChangeIn(Body):
    """`revision` null: the document is to be shown no more."""

    document_id: Id
    revision: Number | None


class TryIn(Body):
    changes: Annotated[list[ChangeIn], Field(min_length=1, max_length=AT_ONCE)]


class PublishIn(Body):
    anyway: bool = False


def by(user: User) -> str:
    return user.display_name


@router.post("/gate", status_code=202)
async def try_change(
    request: Request, services: ServicesDep, user: AdminDep, body: TryIn
) -> dict[str, Any]:
    """Answers past and golden questions with what is published and with the changes, in the
    background; how far it is, is at `/gate/{id}` and its `/events`."""
    changes = {one.document_id: one.revision for one in body.changes}
    if len(changes) < len(body.changes):
        raise InvalidRequest("Name each document once.", field="changes")
    run = await services.gate.start(changes, by(user))
    note(request, subject=run.id, detail=_named(run.changes))
    return {"id": run.id}


@router.get("/gate")
async def runs(
    services: ServicesDep,
    document_id: Annotated[str | None, Query(max_length=80)] = None,
    cursor: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
) -> dict[str, Any]:
    """Newest first, without their questions; `mode` is what FRONTDESK_GATE says."""
    found = await services.gate.runs(document_id, limit + 1, cursor)
    items = [_run(one) for one in found[:limit]]
    more = len(found) > limit
    return {"items": items, "next": items[-1]["id"] if more else None, "mode": services.gate.mode}


@router.get("/drafts")
async def drafts(services: ServicesDep) -> dict[str, Any]:
    """Documents whose newest revision customers do not see, what was changed last first."""
    documents = await asyncio.to_thread(services.library.documents)
    waiting = [
        {
            "document_id": one.id,
            "title": one.title,
            "revision": one.latest,
            "published": one.revision if one.status == "published" else None,
            "changed_at": one.changed_at.isoformat().replace("+00:00", "Z"),
            "changed_by": one.changed_by,
        }
        for one in documents
        if one.status == "draft" or (one.status == "published" and one.latest != one.revision)
    ]
    waiting.sort(key=lambda one: str(one["changed_at"]), reverse=True)
    return {"items": waiting, "next": None}


@router.get("/gate/{run_id}")
async def run_of(services: ServicesDep, run_id: RunId) -> dict[str, Any]:
    seen, items = await services.gate.run_of(run_id)
    return {**_run(seen), "items": [_item(one) for one in items]}


@router.get("/gate/{run_id}/events", status_code=200, response_class=sse.EventStream)
async def events(request: Request, services: ServicesDep, run_id: RunId) -> sse.EventStream:
    """`run` whenever it has moved, with the questions answered since the last one; once it is
    published, `warmth`: how much the AI has read. `end` is the last event."""
    await services.gate.run_of(run_id)
    pump = sse.Pump(
        _moves(services, run_id), closing=request.app.state.closing, silence_s=sse.HEARTBEAT_S
    )
    return sse.EventStream(while_signed_in(request, services, _frames(pump)), pump)


@router.delete("/gate/{run_id}")
async def cancel_try(services: ServicesDep, run_id: RunId) -> dict[str, Any]:
    """What was answered so far stays."""
    await services.gate.cancel(run_id)
    return await run_of(services, run_id)


@router.post("/gate/{run_id}/publish")
async def publish_tried(
    request: Request, services: ServicesDep, run_id: RunId, body: PublishIn
) -> dict[str, Any]:
    """All that was tried, at once. 409 if the run is not done or stale, unless `anyway`."""
    seen, _ = await services.gate.run_of(run_id)
    stands = seen.run.state == "done" and not seen.stale
    note(request, detail=("" if stands else "untried: ") + _named(seen.run.changes))
    await services.gate.publish(run_id, anyway=body.anyway)
    return await run_of(services, run_id)


async def _moves(services: Services, run_id: str) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    told: dict[int, Item] = {}
    published = False
    async with aclosing(services.gate.follow(run_id)) as following:
        async for seen, items in following:
            new = [one for one in items if told.get(one.question.n) != one]
            told = {one.question.n: one for one in items}
            published = seen.run.published_at is not None
            yield "run", {**_run(seen), "items": [_item(one) for one in new]}
    if published and services.settings.warm:
        generation = await asyncio.to_thread(lambda: services.library.generation)
        async with aclosing(services.warmer.follow(generation)) as warming:
            async for warmth in warming:
                yield "warmth", _warmth(warmth)
    yield "end", {}


async def _frames(
    pump: sse.Pump[tuple[str, dict[str, Any]]],
) -> AsyncGenerator[bytes]:
    yield sse.HEARTBEAT
    async with aclosing(pump.values()) as values:
        try:
            async for value in values:
                yield sse.HEARTBEAT if value is None else sse.frame(value[1], event=value[0])
        except FrontdeskError:
            return  # the reader comes back and is told by a status


def _run(seen: Seen) -> dict[str, Any]:
    run = seen.run
    return {
        "id": run.id,
        "created_at": run.created_at,
        "by": run.by,
        "state": run.state,
        "changes": [one.model_dump() for one in run.changes],
        "day": run.day,
        "error": run.error,
        "stale": seen.stale,
        "done": seen.done,
        "total": seen.total,
        "chosen": run.chosen,
        "counts": dict(seen.counts),
        "ended_at": run.ended_at,
        "published_at": run.published_at,
        "may_publish": run.state == "done" and not seen.stale and run.published_at is None,
        "over": run.state not in OPEN,
    }


def _item(item: Item) -> dict[str, Any]:
    result = item.result.model_dump(mode="json") if item.result is not None else {}
    return {**item.question.model_dump(mode="json"), "old": None, "new": None, "verdict": None,
            **result}  # fmt: skip


def _warmth(warmth: Warmth) -> dict[str, int]:
    return {"done": warmth.done, "total": warmth.total}


def _named(changes: Any) -> str:
    return ", ".join(
        f"{one.title} {'gone' if one.revision is None else f'r{one.revision}'}" for one in changes
    )
