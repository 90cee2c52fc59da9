"""Where a Chatwoot inbox tells its agent bot what happens: `/api/v1/chatwoot`.

Owns the reading of their payloads. Invariant: whoever is not known by signature or secret changes
nothing; the same delivery twice is one message; what is not a customer's word to the bot is
answered and ignored. Answers at once: their patience is five seconds, and the reply goes by itself.
"""

import asyncio
import json
import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError

from agent.conversation.access import CustomerClaim
from agent.domain import Conversation
from agent.errors import Busy, Conflict, InvalidRequest, NotAuthorized, NotFound, Unavailable
from agent.http.dependencies import ServicesDep
from agent.http.schemas import CONTENT_CHARACTERS, clean
from agent.integrations.chatwoot import Chatwoot
from agent.services import Services
from agent.storage.chatwoot import Theirs

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1/chatwoot", tags=["chatwoot"])

_WORD: Final = 320
_Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Numbered(BaseModel):
    id: _Number


class _Theirs(_Numbered):
    status: str = ""


class _Sender(BaseModel):
    name: str | None = None
    email: str | None = None
    type: str | None = None


class _Payload(BaseModel):
    """What is read of theirs. A conversation's own event has its number and status at the top."""

    event: str
    id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    status: str | None = None
    content: str | None = None
    message_type: str | int | None = None
    private: bool = False
    sender: _Sender | None = None
    conversation: _Theirs | None = None
    account: _Numbered | None = None
    messages: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def theirs(self) -> Theirs | None:
        number = self.conversation.id if self.conversation else self.id
        account = self.account.id if self.account else self._account()
        return None if number is None or account is None else Theirs(account, number)

    def _account(self) -> int | None:
        """A conversation's event names its account only in its last message."""
        found = self.messages[-1].get("account_id") if self.messages else None
        return found if isinstance(found, int) else None

    @property
    def is_for_the_bot(self) -> bool:
        return (
            self.message_type in {"incoming", 0}
            and not self.private
            and self.conversation is not None
            and self.conversation.status == "pending"
        )


@router.post("", status_code=200)
async def signed(services: ServicesDep, request: Request) -> dict[str, str]:
    """From a Chatwoot that signs what it sends."""
    bot, body = _bot(services), await request.body()
    given = request.headers.get("X-Chatwoot-Signature", "")
    if not bot.knows_signature(given, request.headers.get("X-Chatwoot-Timestamp", ""), body):
        raise NotAuthorized("The signature does not hold under FRONTDESK_CHATWOOT_SECRET.")
    return await _hear(services, body)


@router.post("/{token}", status_code=200)
async def with_token(services: ServicesDep, request: Request, token: str) -> dict[str, str]:
    """From a Chatwoot that signs nothing: the secret ends the address, its only place there."""
    if not _bot(services).knows_token(token):
        raise NotAuthorized("The address does not end in FRONTDESK_CHATWOOT_SECRET.")
    return await _hear(services, await request.body())


def _bot(services: Services) -> Chatwoot:
    if services.chatwoot is None:
        raise NotFound("There is no Chatwoot here: set FRONTDESK_CHATWOOT_URL.")
    return services.chatwoot


async def _hear(services: Services, body: bytes) -> dict[str, str]:
    try:
        payload = _Payload.model_validate(json.loads(body))
    except (ValueError, ValidationError):
        raise InvalidRequest("This is no event of Chatwoot's.") from None
    theirs = payload.theirs
    if theirs is not None and payload.event == "message_created" and payload.is_for_the_bot:
        await _say(services, theirs, payload)
    elif theirs is not None and payload.event in {"conversation_opened", "conversation_resolved"}:
        await _silence(services, theirs)
    return {"status": "heard"}


async def _say(services: Services, theirs: Theirs, payload: _Payload) -> None:
    content = clean(payload.content or "")[:CONTENT_CHARACTERS].strip()
    ours = await _ours(services, theirs, payload.sender or _Sender())
    if not content or payload.id is None:
        await services.conversations.request_handoff(ours, None)  # a picture, say: people see it
        return
    key = f"chatwoot-{payload.id}"
    if await services.store.sent(ours.id, key) is not None:
        return  # told twice
    if ours.status in {"open", "snoozed"}:
        await services.desk.resolve(ours.id)  # they gave it back to the bot: it begins afresh
    try:
        await services.conversations.post_message(ours, content, key)
    except (Busy, Unavailable) as error:
        log.info("A message from Chatwoot goes to people: %s", error)
        await services.conversations.request_handoff(ours, None)


async def _ours(services: Services, theirs: Theirs, sender: _Sender) -> Conversation:
    links = services.records.chatwoot
    known = await asyncio.to_thread(links.ours, theirs)
    header = await services.store.get(known) if known else None
    if header is not None:
        return header
    name, email = (clean(text or "")[:_WORD] or None for text in (sender.name, sender.email))
    started = await services.conversations.start(customer=CustomerClaim(name=name, email=email))
    linked = await asyncio.to_thread(links.link, theirs, started.conversation.id)
    return await services.store.get(linked) or started.conversation


async def _silence(services: Services, theirs: Theirs) -> None:
    """People have it there, or it is done: the AI says nothing more to it."""
    known = await asyncio.to_thread(services.records.chatwoot.ours, theirs)
    if known is None:
        return
    try:
        await services.desk.resolve(known)
    except (NotFound, Conflict):
        return  # erased
