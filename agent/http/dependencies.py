"""What routes ask for by type: the services, a conversation they may touch, a program's right.

Owns the only ways in which a route gets a `Conversation` or knows its caller. Refuses to know
endpoints. Invariant: no route reads a credential itself.
"""

import asyncio
import re
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request

from agent.domain import Conversation
from agent.errors import Forbidden, NotAuthorized, NotFound
from agent.http.audit import READS, note
from agent.http.auth import (
    bearer_token,
    client_address,
    csrf_holds,
    from_this_machine,
    session_token,
)
from agent.services import Services
from agent.storage.audit import Actor
from agent.storage.people import ROLES, User, UserRole
from agent.storage.sessions import Origin

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


class CustomerToken(NamedTuple):
    """What a customer's program holds: `<conversation id>.<secret>`, opaque to it.

    The id in front finds the conversation where the address names none; it proves nothing.
    """

    conversation_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.conversation_id}.{self.secret}"


def customer_token(request: Request) -> CustomerToken:
    token = bearer_token(request)
    if token is None:
        raise NotAuthorized("Send the conversation's token as 'Authorization: Bearer <token>'.")
    conversation_id, _, secret = token.rpartition(".")
    return CustomerToken(conversation_id, secret)


TokenDep = Annotated[CustomerToken, Depends(customer_token)]


async def own_conversation(
    conversation_id: str, token: TokenDep, services: ServicesDep
) -> Conversation:
    """The conversation of the path, if the caller's token is its own."""
    if not _ID.fullmatch(conversation_id):
        raise NotFound("There is no such conversation.")
    return await services.conversations.authorize(conversation_id, token.secret)


ConversationDep = Annotated[Conversation, Depends(own_conversation)]


async def tokens_conversation(token: TokenDep, services: ServicesDep) -> Conversation:
    """The conversation that the token itself names."""
    try:
        return await own_conversation(token.conversation_id, token, services)
    except NotFound:
        raise NotAuthorized("The token is of no conversation that exists.") from None


TokensConversationDep = Annotated[Conversation, Depends(tokens_conversation)]


async def _key_opens(request: Request, services: Services, scope: str) -> bool:
    key = bearer_token(request)
    if key is None:
        return False
    known = await asyncio.to_thread(services.records.verify_api_key, key)
    if known is not None and scope not in known.scopes:
        raise Forbidden(f"This API key was not made for this: it needs the scope '{scope}'.")
    return known is not None


async def program(request: Request, services: ServicesDep) -> None:
    """Another program, by API key."""
    if not await _key_opens(request, services, "v1"):
        raise NotAuthorized(
            "Send a valid API key as 'Authorization: Bearer <key>'; an admin makes one."
        )


async def operator(request: Request, services: ServicesDep) -> None:
    """A program on this machine, or one with an API key."""
    if from_this_machine(request):
        return
    if not await _key_opens(request, services, "metrics"):
        raise NotAuthorized("Ask from this machine, or send an API key as a bearer token.")


def origin(request: Request, services: ServicesDep) -> Origin:
    """Where a sign-in comes from."""
    address = client_address(request, services.settings.trusted_networks)
    return Origin(address, request.headers.get("user-agent"))


OriginDep = Annotated[Origin, Depends(origin)]


async def signed_in(request: Request, services: ServicesDep) -> User:
    """Staff by the session's cookie (writes with its CSRF token), or a program by an API key that
    has a role among its scopes."""
    key = bearer_token(request)
    if key is not None:
        known = await asyncio.to_thread(services.records.verify_api_key, key)
        roles: list[UserRole] = [role for role in ROLES if known and role in known.scopes]
        if known is None or not roles:
            raise NotAuthorized("Send an API key that was made for staff.")
        note(request, actor=Actor(kind="key", id=known.id, name=known.name))
        return User(id=known.id, email=known.name, role=roles[-1], created_at=known.created_at)
    session = session_token(request)
    if session is None:
        raise NotAuthorized("Sign in first.")
    user = await asyncio.to_thread(services.records.people.of_session, session)
    if user is None:
        raise NotAuthorized("The session has ended: sign in again.")
    note(request, actor=Actor(kind="user", id=user.id, name=user.email))
    if request.method not in READS and not csrf_holds(request, session):
        raise Forbidden("Send the X-CSRF-Token that came with the sign-in.")
    return user


StaffDep = Annotated[User, Depends(signed_in)]


async def admin(user: StaffDep) -> User:
    if not user.may("admin"):
        raise Forbidden("Only admins may do this: ask one.")
    return user


AdminDep = Annotated[User, Depends(admin)]
