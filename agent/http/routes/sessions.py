"""Signing in and out of the console and the admin page.

Owns the session cookie. Refuses to know what a role may do. Invariant: the cookie cannot be read by
a page, and every write with it needs the CSRF token as well.
"""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from agent.errors import NotAuthorized
from agent.http.auth import SESSION_COOKIE, csrf_token, is_local_name, session_token
from agent.http.dependencies import ServicesDep, StaffDep
from agent.http.schemas import Accepted, Body
from agent.storage.people import SESSION, User

router = APIRouter(prefix="/api/v1", tags=["staff"])

Password = Annotated[str, Field(max_length=1024)]
WRONG: Final = "The e-mail address or the password is wrong."


class LoginIn(Body):
    email: Annotated[str, Field(max_length=320)]
    password: Password


class SetupIn(LoginIn):
    token: Annotated[str, Field(max_length=128)]


class PasswordIn(Body):
    old: Password
    new: Password


def user_out(user: User) -> dict[str, str]:
    return {"id": user.id, "email": user.email, "role": user.role}


@router.post("/login")
async def login(
    request: Request, response: Response, services: ServicesDep, body: LoginIn
) -> dict[str, Any]:
    people = services.records.people
    signed_in = await asyncio.to_thread(people.sign_in, body.email, body.password)
    if signed_in is None:
        raise NotAuthorized(WRONG)
    user, token = signed_in
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=not is_local_name(request),
    )
    response.headers["Cache-Control"] = "no-store"
    return {"user": user_out(user), "csrf": csrf_token(token)}


@router.post("/setup", status_code=201)
async def setup(services: ServicesDep, body: SetupIn) -> dict[str, Any]:
    """Make the first admin, with the one-time token that was told where Frontdesk was started."""
    accept = services.records.people.accept
    user = await asyncio.to_thread(accept, body.token, body.email, body.password)
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


@router.post("/password")
async def change_password(services: ServicesDep, staff: StaffDep, body: PasswordIn) -> Accepted:
    """Change one's own; every session ends with it, this one too."""
    people = services.records.people
    await asyncio.to_thread(people.change_password, staff, body.old, body.new)
    return Accepted()
