"""What staff need beside conversations: colleagues, canned replies, the policies, how work stands.

Owns the HTTP shape of each call. Refuses to know how a conversation works. Invariant: staff read;
what everybody then uses is written by supervisors and admins.
"""

import asyncio
from datetime import UTC, datetime, time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from agent.conversation.overview import overview
from agent.conversation.trying import as_found
from agent.errors import Forbidden
from agent.http.dependencies import ServicesDep, StaffDep, signed_in
from agent.http.schemas import Accepted, Body, Content, Text
from agent.services import service_levels
from agent.storage.people import User
from knowledge_base.model import Hit

router = APIRouter(prefix="/api/v1/staff", tags=["staff"], dependencies=[Depends(signed_in)])

_PASSAGES: Final = 8


async def supervising(staff: StaffDep) -> User:
    if not staff.may("supervisor"):
        raise Forbidden("This is for supervisors and admins: ask one of them.")
    return staff


SupervisorDep = Annotated[User, Depends(supervising)]
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]


class CannedIn(Body):
    name: Annotated[Text, Field(min_length=1, max_length=60, pattern=r"^\s*[^\s/]+\s*$")]
    content: Content


class SearchIn(Body):
    query: Annotated[Text, Field(min_length=1, max_length=1000)]
    k: Annotated[int, Field(ge=1, le=20)] = _PASSAGES


@router.get("/people")
async def people(services: ServicesDep) -> dict[str, Any]:
    """Everybody to whom a conversation may be assigned."""
    users = await asyncio.to_thread(services.records.people.everybody)
    items = [
        {"id": one.id, "name": one.display_name, "email": one.email, "role": one.role}
        for one in users
        if one.active
    ]
    return {"items": items, "next": None}


@router.get("/canned_replies")
async def canned_replies(services: ServicesDep) -> dict[str, Any]:
    """By name, all of them."""
    found = await asyncio.to_thread(services.records.canned.everything)
    return {"items": [one.model_dump() for one in found], "next": None}


@router.post("/canned_replies", status_code=201)
async def add_canned_reply(
    services: ServicesDep, _supervisor: SupervisorDep, body: CannedIn
) -> dict[str, Any]:
    add = services.records.canned.add
    return (await asyncio.to_thread(add, body.name, body.content)).model_dump()


@router.put("/canned_replies/{reply_id}")
async def change_canned_reply(
    services: ServicesDep, _supervisor: SupervisorDep, reply_id: IdPath, body: CannedIn
) -> dict[str, Any]:
    change = services.records.canned.change
    return (await asyncio.to_thread(change, reply_id, body.name, body.content)).model_dump()


@router.delete("/canned_replies/{reply_id}")
async def delete_canned_reply(
    services: ServicesDep, _supervisor: SupervisorDep, reply_id: IdPath
) -> Accepted:
    await asyncio.to_thread(services.records.canned.remove, reply_id)
    return Accepted()


@router.post("/search")
async def search(services: ServicesDep, body: SearchIn) -> dict[str, Any]:
    """Passages of the policies, those for staff too."""
    hits: list[Hit] = await asyncio.to_thread(
        services.library.search, body.query, k=body.k, audience="staff"
    )
    return {"items": [as_found(hit) for hit in hits], "next": None}


@router.get("/overview")
async def how_work_stands(services: ServicesDep, _supervisor: SupervisorDep) -> dict[str, Any]:
    """Who waits, since when and why, and what each person has."""
    users = await asyncio.to_thread(services.records.people.everybody)
    now, zone = datetime.now(UTC), ZoneInfo(services.settings.time_zone)
    midnight = datetime.combine(now.astimezone(zone), time.min, zone)
    return overview(
        [header async for header in services.desk.listing.headers("open")],
        await services.store.statuses(),
        await services.store.answered_since(midnight, [user.id for user in users]),
        users,
        service_levels(services.settings),
        now,
    )


@router.get("/reports")
async def reports(
    services: ServicesDep,
    cursor: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
) -> dict[str, Any]:
    """What staff found wrong with answers of the AI, newest first."""
    found = await asyncio.to_thread(services.records.reports.newest, limit + 1, cursor)
    items = [one.model_dump() for one in found[:limit]]
    return {"items": items, "next": items[-1]["message_id"] if len(found) > limit else None}
