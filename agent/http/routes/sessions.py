"""Signing in and out of the console and the admin page, and where one is signed in.

Owns the session cookie. Refuses to know what a role may do. Invariant: the cookie cannot be read by
a page, every write with it needs the CSRF token as well, and no sign-in goes on with an old one.
"""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from agent.errors import Forbidden, NotAuthorized, NotFound
from agent.http.audit import note
from agent.http.auth import SESSION_COOKIE, csrf_token, is_local_name, session_token
from agent.http.dependencies import OriginDep, ServicesDep, StaffDep
from agent.http.schemas import Accepted, Body
from agent.services import Services
from agent.storage.audit import NOBODY, Actor
from agent.storage.people import User
from agent.storage.sessions import SESSION

router = APIRouter(prefix="/api/v1", tags=["staff"])

Password = Annotated[str, Field(max_length=1024)]
WRONG: Final = "The e-mail address or the password is wrong."


class LoginIn(Body):
    email: Annotated[str, Field(max_length=320)]
    password: Password


class SetupIn(Body):
    """`email` is the first admin's; a link of somebody who was invited knows whose it is."""

    token: Annotated[str, Field(max_length=128)]
    email: Annotated[str, Field(max_length=320)] = ""
    password: Password


class PasswordIn(Body):
    old: Password
    new: Password


def user_out(user: User) -> dict[str, str]:
    return {"id": user.id, "email": user.email, "role": user.role}


def actor_of(user: User) -> Actor:
    return Actor(kind="user", id=user.id, name=user.email)


async def enter(request: Request, response: Response, services: Services, token: str) -> None:
    """Gives the browser its new session and ends the one that it had."""
    if (old := session_token(request)) is not None:
        await asyncio.to_thread(services.records.people.sign_out, old)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=not is_local_name(request),
    )
    response.headers["Cache-Control"] = "no-store"


async def by_password(services: ServicesDep) -> None:
    if not services.settings.password_sign_in:
        raise Forbidden("Passwords are turned off here: sign in through the identity provider.")


@router.post("/login", dependencies=[Depends(by_password)])
async def login(
    request: Request, response: Response, services: ServicesDep, origin: OriginDep, body: LoginIn
) -> dict[str, Any]:
    people = services.records.people
    signed_in = await asyncio.to_thread(people.sign_in, body.email, body.password, origin)
    if signed_in is None:
        await _note_failure(request, services, body.email)
        raise NotAuthorized(WRONG)
    user, token = signed_in
    note(request, actor=actor_of(user))
    await enter(request, response, services, token)
    return {"user": user_out(user), "csrf": csrf_token(token)}


async def _note_failure(request: Request, services: Services, email: str) -> None:
    """An unknown address is not kept: it may be a password in the wrong field."""
    people = services.records.people
    known = await asyncio.to_thread(people.by_email, email)
    why = f"wrong password for {known.email}" if known else "unknown e-mail address"
    if await asyncio.to_thread(people.is_locked, email):
        why += ", locked for a while"
    note(request, actor=NOBODY, subject=known.id if known else None, detail=why)


@router.post("/setup", status_code=201, dependencies=[Depends(by_password)])
async def setup(request: Request, services: ServicesDep, body: SetupIn) -> dict[str, Any]:
    """Make the first admin, or choose a password, with a one-time token: the first admin's was told
    where Frontdesk was started, an invited person's is in the link that an admin gave them."""
    accept = services.records.people.accept
    user = await asyncio.to_thread(accept, body.token, body.email, body.password)
    note(request, actor=actor_of(user), detail="password chosen by a link")
    return {"user": user_out(user)}


@router.get("/session")
async def session(request: Request, response: Response, services: ServicesDep) -> dict[str, Any]:
    """Who is signed in, if anybody, and the CSRF token again: a page that was loaded anew has lost
    it."""
    response.headers["Cache-Control"] = "no-store"
    if (token := session_token(request)) is not None:
        user = await asyncio.to_thread(services.records.people.of_session, token)
        if user is not None:
            return {"user": user_out(user), "csrf": csrf_token(token)}
    return {"user": None, "csrf": None}


@router.post("/logout")
async def logout(
    request: Request, response: Response, services: ServicesDep, _staff: StaffDep
) -> Accepted:
    if (token := session_token(request)) is not None:
        await asyncio.to_thread(services.records.people.sign_out, token)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return Accepted()


@router.post("/password", dependencies=[Depends(by_password)])
async def change_password(services: ServicesDep, staff: StaffDep, body: PasswordIn) -> Accepted:
    """Change one's own; every session ends with it, this one too."""
    people = services.records.people
    await asyncio.to_thread(people.change_password, staff, body.old, body.new)
    return Accepted()


@router.get("/sessions")
async def sessions(request: Request, services: ServicesDep, staff: StaffDep) -> dict[str, Any]:
    """Where one is signed in, newest first."""
    people = services.records.people
    this = people.sessions.name(session_token(request) or "")
    found = await asyncio.to_thread(people.sessions.of, staff.id)
    items = [{**one.model_dump(), "current": one.id == this} for one in found]
    return {"items": items, "next": None}


@router.delete("/sessions")
async def end_other_sessions(request: Request, services: ServicesDep, staff: StaffDep) -> Accepted:
    """Sign out everywhere but here."""
    people = services.records.people
    await asyncio.to_thread(people.sign_out_everywhere, staff.id, session_token(request))
    return Accepted()


@router.delete("/sessions/{session_id}")
async def end_session(
    services: ServicesDep,
    staff: StaffDep,
    session_id: Annotated[str, Path(max_length=64)],
) -> Accepted:
    ended = services.records.people.sessions.end_named
    if not await asyncio.to_thread(ended, staff.id, session_id):
        raise NotFound("You have no such session.")
    return Accepted()
