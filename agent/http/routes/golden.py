"""Golden questions over HTTP: by hand, from a past question, or from an evaluation file.

Owns the HTTP shape of each call. Refuses to know when they are asked. Invariant: what is exported
is an evaluation file that `frontdesk eval` and the import here both take.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field

from agent.domain import new_id, now
from agent.errors import Conflict, InvalidRequest, NotFound
from agent.evaluation.dataset import Item, parse_items
from agent.http.audit import note
from agent.http.dependencies import AdminDep, ServicesDep, admin
from agent.http.routes.gate import by
from agent.http.schemas import Body, Text
from agent.services import Services
from agent.storage.asked import Asked, Said
from agent.storage.golden import MAX_GOLDEN, Golden

router = APIRouter(prefix="/api/v1/admin", tags=["gate"], dependencies=[Depends(admin)])

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
GoldenId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Asking = Annotated[Text, Field(min_length=1, max_length=4000)]
Expecting = Annotated[Text, Field(max_length=4000)]
_SUGGESTED: Final = 30
_LIKED_SINCE: Final = timedelta(days=90)


class GoldenIn(Body):
    """By hand, or, with `message_id`, the question that this answer was given to: what is said
    beside it wins. `expected`: facts or a whole answer; none where it should not be answered."""

    question: Asking | None = None
    message_id: Id | None = None
    expected: Expecting | None = None
    answerable: bool | None = None
    document_id: Id | None = None


class GoldenChangeIn(Body):
    """What is left out stays as it is."""

    question: Asking | None = None
    expected: Expecting | None = None
    answerable: bool | None = None
    document_id: Id | None = None


class FileIn(Body):
    jsonl: Annotated[str, Field(min_length=1, max_length=2_000_000)]


@router.get("/golden")
async def golden(
    services: ServicesDep,
    cursor: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> dict[str, Any]:
    """Newest first."""
    everything = await asyncio.to_thread(services.records.golden.everything)
    first = 0
    if cursor is not None:
        first = 1 + next((n for n, one in enumerate(everything) if one.id == cursor), MAX_GOLDEN)
    page = everything[first : first + limit]
    more = len(everything) > first + limit
    return {"items": [_shown(one) for one in page], "next": page[-1].id if more else None}


@router.get("/golden/suggestions")
async def suggestions(services: ServicesDep) -> dict[str, Any]:
    """Answers that staff approved or customers liked and that are no golden questions yet, newest
    first."""
    found = await asyncio.to_thread(_liked, services)
    items = [
        {"message_id": one.message_id, "question": one.question, "answer": one.answer, "at": one.at}
        for one in found
    ]
    return {"items": items, "next": None}


@router.get("/golden/export")
async def export_golden(services: ServicesDep) -> PlainTextResponse:
    """An evaluation file."""
    everything = await asyncio.to_thread(services.records.golden.everything)
    keys = await asyncio.to_thread(_keys, services)
    lines = [json.dumps(_line(one, keys), ensure_ascii=False) for one in everything]
    return PlainTextResponse(
        "".join(f"{line}\n" for line in lines),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="golden.jsonl"'},
    )


@router.post("/golden/import", status_code=201)
async def import_golden(
    request: Request, services: ServicesDep, user: AdminDep, body: FileIn
) -> dict[str, Any]:
    """Of an evaluation file, what is not there yet."""
    items = parse_items(body.jsonl.splitlines(), "The file")
    keys = await asyncio.to_thread(_keys, services)
    ids = {**{key: one for one, key in keys.items()}, **{one: one for one in keys}}
    made = [_golden_of(item, ids, by(user)) for item in items]
    added = await asyncio.to_thread(services.records.golden.add, made)
    note(request, detail=f"{added} of {len(items)}")
    return {"added": added, "read": len(items)}


@router.post("/golden", status_code=201)
async def add_golden(
    request: Request, services: ServicesDep, user: AdminDep, body: GoldenIn
) -> dict[str, Any]:
    made = await _wanted(services, body, by(user))
    note(request, subject=made.id)
    if not await asyncio.to_thread(services.records.golden.add, [made]):
        raise Conflict("This is a golden question already.")
    return _shown(made)


@router.patch("/golden/{golden_id}")
async def change_golden(
    services: ServicesDep, golden_id: GoldenId, body: GoldenChangeIn
) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    kept = {
        name: value for name, value in values.items() if value is not None or name == "document_id"
    }
    await _known(services, kept.get("document_id"))
    changed = await asyncio.to_thread(services.records.golden.change, golden_id, **kept)
    return _shown(changed)


@router.delete("/golden/{golden_id}")
async def delete_golden(services: ServicesDep, golden_id: GoldenId) -> dict[str, Any]:
    await asyncio.to_thread(services.records.golden.remove, golden_id)
    return {"id": golden_id, "deleted": True}


async def _wanted(services: Services, body: GoldenIn, author: str) -> Golden:
    asked: Asked | None = None
    if body.message_id is not None:
        asked = await asyncio.to_thread(services.records.asked.find, body.message_id)
        if asked is None:
            raise NotFound("Nothing is kept of this question: its conversation may be erased.")
    question = body.question or (asked.question if asked else None)
    if not question:
        raise InvalidRequest("Write the question.", field="question")
    await _known(services, body.document_id)
    own_words = asked is None or question != asked.question
    answerable = body.answerable if body.answerable is not None else True
    expected = body.expected
    if expected is None:
        expected = asked.answer if asked and asked.outcome == "answered" and answerable else ""
    cited = [one.document_id for one in asked.documents if one.cited] if asked else []
    return Golden(
        id=new_id("gq"),
        created_at=now(),
        created_by=author,
        question=question,
        before=() if own_words or asked is None else asked.before,
        expected=expected,
        answerable=answerable,
        document_id=body.document_id or next(iter(cited), None),
        conversation_id=None if own_words or asked is None else asked.conversation_id,
        message_id=None if own_words or asked is None else asked.message_id,
    )


async def _known(services: Services, document_id: str | None) -> None:
    """Raises DocumentNotFound."""
    if document_id is not None:
        await asyncio.to_thread(services.library.document, document_id)


def _liked(services: Services) -> list[Asked]:
    records = services.records
    since = datetime.now(UTC) - _LIKED_SINCE
    recent = records.asked.between(since.isoformat(), datetime.now(UTC).isoformat(), limit=2000)
    approved = records.answers.approved_messages()
    known = {one.question.casefold() for one in records.golden.everything()}
    found: dict[str, Asked] = {}
    for one in recent:
        liked = one.rating == "up" or one.message_id in approved
        if liked and one.looked_up and one.question.casefold() not in known:
            found.setdefault(one.question.casefold(), one)
    return list(found.values())[:_SUGGESTED]


def _keys(services: Services) -> dict[str, str]:
    return {one.id: one.key for one in services.library.documents()}


def _line(one: Golden, keys: Mapping[str, str]) -> dict[str, Any]:
    turns = [
        {"role": "customer" if said.role == "customer" else "agent", "text": said.content}
        for said in one.before
    ]
    line: dict[str, Any] = {"id": one.id, "turns": turns, "question": one.question}
    if one.expected:
        line["answer"] = one.expected
    if one.document_id:
        line["gold_docs"] = [keys.get(one.document_id, one.document_id)]
    return {**line, "answerable": one.answerable}


def _golden_of(item: Item, ids: Mapping[str, str], author: str) -> Golden:
    known = [ids[name] for name in item.gold if name in ids]
    return Golden(
        id=new_id("gq"),
        created_at=now(),
        created_by=author,
        question=item.question,
        before=tuple(
            Said(role="ai_agent" if turn.role == "agent" else "customer", content=turn.text)
            for turn in item.turns
        ),
        expected=item.answer or "",
        answerable=item.answerable,
        document_id=next(iter(known), None),
    )


def _shown(one: Golden) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude={"conversation_id"})
