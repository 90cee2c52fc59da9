"""Signing in through the company's identity provider: out to it, and back.

Owns the two addresses and the cookie that ties them to one browser. Refuses to know the protocol.
Invariant: whatever comes back, the browser ends on a page of ours, with a session or with a word of
ours that says why not; no address is ever taken from a request.
"""

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from agent.errors import Busy, Forbidden, FrontdeskError, NotAuthorized, NotFound, Unavailable
from agent.http.audit import note
from agent.http.auth import is_local_name
from agent.http.dependencies import OriginDep, ServicesDep
from agent.http.oidc import ATTEMPT_S, Attempt, Identity, Provider, role_of
from agent.http.routes.sessions import actor_of, enter
from agent.services import Services
from agent.storage import lockout
from agent.storage.audit import NOBODY

router = APIRouter(prefix="/api/v1", tags=["staff"])

COOKIE: Final = "frontdesk_oidc"
_PATH: Final = "/api/v1/oidc"
_PAGES: Final = {"console": "/console", "admin": "/admin"}
_WHY: Final[dict[type[FrontdeskError], str]] = {
    Unavailable: "unavailable",
    Forbidden: "unknown",
    NotAuthorized: "refused",
    Busy: "busy",
}


def provider_of(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise NotFound("There is no identity provider here: FRONTDESK_OIDC_ISSUER is not set.")
    return provider


@router.get("/sign_in")
async def ways_to_sign_in(request: Request, services: ServicesDep) -> dict[str, Any]:
    """What the sign-in page may offer."""
    provider: Provider | None = request.app.state.provider
    return {
        "password": services.settings.password_sign_in,
        "provider": provider.host if provider else None,
    }


@router.get("/oidc/start", status_code=303)
async def oidc_start(
    request: Request, services: ServicesDep, page: Literal["console", "admin"] = "console"
) -> RedirectResponse:
    provider = provider_of(request)
    attempt = Attempt.begin(page)
    try:
        address = await provider.address(attempt, _redirect_uri(request, services))
    except FrontdeskError as error:
        return _back(page, error)
    secrets = await asyncio.to_thread(services.records.secret, "oidc")
    response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
    response.set_cookie(
        COOKIE,
        attempt.sealed(secrets[0]),
        max_age=ATTEMPT_S,
        path=_PATH,
        httponly=True,
        samesite="lax",  # the way back begins on the provider's site
        secure=not is_local_name(request),
    )
    return response


@router.get("/oidc/callback", status_code=303)
async def oidc_callback(
    request: Request,
    services: ServicesDep,
    origin: OriginDep,
    state: Annotated[str, Query(max_length=128)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
) -> RedirectResponse:
    provider = provider_of(request)
    page = "console"
    try:
        attempt = await _attempt(request, services, state)
        page = attempt.page
        identity = await _identity(request, services, provider, attempt, code, origin.address)
        role = role_of(identity.email, services.settings.oidc_roles)
        note(request, actor=NOBODY, detail=f"not let in: {identity.email}", status=403)
        user = await asyncio.to_thread(services.records.federation.admit, *identity, role)
    except FrontdeskError as error:
        return _back(page, error)
    user, token = await asyncio.to_thread(services.records.people.enter, user.id, origin)
    note(request, actor=actor_of(user), detail=f"as {user.role}", status=200)
    response = _back(page)
    await enter(request, response, services, token)
    return response


async def _attempt(request: Request, services: Services, state: str) -> Attempt:
    """The one that this browser began; it is spent with this."""
    secrets = await asyncio.to_thread(services.records.secret, "oidc")
    attempt = Attempt.opened(request.cookies.get(COOKIE, ""), secrets, state)
    await asyncio.to_thread(services.records.federation.spend, attempt.state, ATTEMPT_S)
    return attempt


async def _identity(
    request: Request,
    services: Services,
    provider: Provider,
    attempt: Attempt,
    code: str,
    address: str | None,
) -> Identity:
    """Each failure costs the provider a call: an address that fails too often has to wait."""
    counted = [lockout.address(address)] if address else []
    await asyncio.to_thread(services.records.people.lockout.require_open, *counted)
    try:
        if not code:
            raise NotAuthorized("The identity provider sent no code.")
        return await provider.identify(attempt, code, _redirect_uri(request, services))
    except NotAuthorized as error:
        await asyncio.to_thread(services.records.people.lockout.failed, *counted)
        note(request, actor=NOBODY, detail=str(error), status=401)
        raise


def _redirect_uri(request: Request, services: Services) -> str:
    base = services.settings.public_url
    if base is None and not is_local_name(request):
        raise Unavailable("Set FRONTDESK_PUBLIC_URL: the provider has to know the way back.")
    return f"{(base or str(request.base_url)).rstrip('/')}{_PATH}/callback"


def _back(page: str, error: FrontdeskError | None = None) -> RedirectResponse:
    why = next((_WHY[base] for base in type(error).__mro__ if base in _WHY), "refused")
    behind = f"#problem={why}" if error else ""
    response = RedirectResponse(
        f"{_PAGES[page]}{behind}", 303, headers={"Cache-Control": "no-store"}
    )
    response.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="lax")
    return response
