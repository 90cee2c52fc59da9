"""The admins' part of the API: people, API keys, and the record of who did what.

Owns the HTTP shape of each call. Refuses to know how anything is kept. Invariant: nothing here is
open to anybody but an admin, and a link or a key is shown once, in the answer that makes it.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from agent.errors import InvalidRequest, NotFound
from agent.http.audit import note
from agent.http.dependencies import ServicesDep, admin
from agent.http.routes.sessions import by_password
from agent.http.schemas import Body, Word
from agent.services import Services
from agent.storage.audit import Entry
from agent.storage.people import Link, User, UserRole, Wish
from agent.storage.records import ApiKey

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], dependencies=[Depends(admin)])

Scope = Literal["v1", "metrics", "staff", "supervisor", "admin"]
IdDep = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=80)]
Filter = Annotated[str | None, Query(max_length=320)]
Name = Annotated[Word, Field(max_length=100)]
_LARGEST: Final = 2**31 - 1


class UserIn(Body):
    email: Annotated[str, Field(max_length=320)]
    role: UserRole
    name: Name | None = None


class UserChangeIn(Body):
    """What is left out stays as it is; an empty name takes the name away."""

    role: UserRole | None = None
    name: Name | None = None
    active: bool | None = None


class KeyIn(Body):
    """A role among the scopes opens the staff's and admins' API to that role's extent."""

    name: Annotated[Name, Field(min_length=1)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)]


# -- people


@router.get("/users")
async def users(services: ServicesDep, cursor: Cursor = None, limit: Limit = 100) -> dict[str, Any]:
    """By e-mail address."""
    everybody = await asyncio.to_thread(services.records.people.everybody)
    return _page(everybody, cursor, limit)


@router.post("/users", status_code=201)
async def add_user(request: Request, services: ServicesDep, body: UserIn) -> dict[str, Any]:
    """Somebody new, and the link by which they choose their password within 24 hours; none where
    everybody comes in through the identity provider."""
    people = services.records.people
    user = await asyncio.to_thread(people.add, body.email, None, body.role, body.name)
    note(request, subject=user.id, detail=f"{user.email}, {user.role}")
    made: dict[str, Any] = {"user": user.model_dump()}
    if not services.settings.password_sign_in:
        return {**made, "link": None, "expires_at": None}
    return {**made, **_link(await asyncio.to_thread(people.link, user.id))}


@router.patch("/users/{user_id}")
async def change_user(
    request: Request, services: ServicesDep, user_id: IdDep, body: UserChangeIn
) -> dict[str, Any]:
    """Deactivating signs them out everywhere; the last admin stays one (409)."""
    people = services.records.people
    before = await asyncio.to_thread(people.get, user_id)
    note(request, detail=_difference(before, body))
    wish = Wish(role=body.role, name=body.name, active=body.active)
    user = await asyncio.to_thread(people.change, user_id, wish)
    return user.model_dump()


@router.post("/users/{user_id}/link", status_code=201, dependencies=[Depends(by_password)])
async def make_link(request: Request, services: ServicesDep, user_id: IdDep) -> dict[str, Any]:
    """A new link to choose a password by, within 24 hours; older ones of theirs end."""
    await _user(request, services, user_id)
    return _link(await asyncio.to_thread(services.records.people.link, user_id))


@router.post("/users/{user_id}/sign_out")
async def sign_out_everywhere(
    request: Request, services: ServicesDep, user_id: IdDep
) -> dict[str, Any]:
    user = await _user(request, services, user_id)
    await asyncio.to_thread(services.records.people.sign_out_everywhere, user_id)
    return user.model_dump()


async def _user(request: Request, services: Services, user_id: str) -> User:
    user = await asyncio.to_thread(services.records.people.get, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    note(request, detail=user.email)
    return user


# -- API keys


@router.get("/keys")
async def keys(services: ServicesDep, cursor: Cursor = None, limit: Limit = 100) -> dict[str, Any]:
    """Those that open something, newest first."""
    return _page(await asyncio.to_thread(services.records.api_keys), cursor, limit)


@router.post("/keys", status_code=201)
async def add_key(request: Request, services: ServicesDep, body: KeyIn) -> dict[str, Any]:
    """The answer is the only place where `key` ever stands."""
    scopes = tuple(dict.fromkeys(body.scopes))
    made, key = await asyncio.to_thread(services.records.make_api_key, body.name, scopes)
    note(request, subject=made.id, detail=f"{made.name}: {', '.join(scopes)}")
    return {**made.model_dump(mode="json"), "key": key}


@router.delete("/keys/{key_id}")
async def revoke_key(services: ServicesDep, key_id: IdDep) -> dict[str, Any]:
    """It opens nothing from now on."""
    if not await asyncio.to_thread(services.records.revoke_api_key, key_id):
        raise NotFound("There is no such API key.")
    return {"id": key_id, "revoked": True}


# -- who did what


@router.get("/audit")
async def audit(
    services: ServicesDep,
    cursor: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
    limit: Limit = 50,
    actor: Filter = None,
    action: Filter = None,
) -> dict[str, Any]:
    """Newest first; `actor` is an id, or the e-mail address or name of then; `action` may be the
    beginning of one, `admin.` or `account.`."""
    page: list[Entry] = await asyncio.to_thread(
        services.records.audit.page, before=cursor, limit=limit + 1, actor=actor, action=action
    )
    items = [entry.model_dump() for entry in page[:limit]]
    return {"items": items, "next": items[-1]["id"] if len(page) > limit else None}


Kept = TypeVar("Kept", User, ApiKey)


def _page(everything: Sequence[Kept], cursor: str | None, limit: int) -> dict[str, Any]:
    first = 0
    if cursor is not None:
        at = next((n for n, one in enumerate(everything) if one.id == cursor), None)
        if at is None:
            raise InvalidRequest("This cursor is of nothing that is here.", field="cursor")
        first = at + 1
    items = everything[first : first + limit]
    more = len(everything) > first + limit
    return {
        "items": [one.model_dump(mode="json") for one in items],
        "next": items[-1].id if more else None,
    }


def _link(link: Link) -> dict[str, str]:
    """Relative to this server: only the reader knows by which name they reach it. Behind the #, no
    server and no log sees the token."""
    return {"link": f"/console#invitation={link.token}", "expires_at": link.expires_at}


def _difference(before: User | None, body: UserChangeIn) -> str | None:
    """`ann@example.org: role staff → admin, deactivated`"""
    if before is None:
        return None
    changes = [
        f"{name} {getattr(before, name) or '(none)'} → {value or '(none)'}"
        for name, value in (("role", body.role), ("name", body.name))
        if value is not None and (getattr(before, name) or "") != value
    ]
    if body.active is not None and body.active != before.active:
        changes.append("activated" if body.active else "deactivated")
    return f"{before.email}: {', '.join(changes) or 'nothing changed'}"
