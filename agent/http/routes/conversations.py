"""The customers' part of the API: `/api/v1/conversations`.

Owns the HTTP shape of each call. Refuses to know how a conversation works. Invariant: a write
answers at once and what comes of it arrives on the event stream; a reader that leaves stops
nothing.
"""

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request

from agent import telemetry
from agent.conversation.presence import Passing, alongside
from agent.conversation.service import Started
from agent.domain import Event
from agent.errors import FrontdeskError, InvalidRequest, NotFound
from agent.events.log import LogTrimmed, position
from agent.http import sse
from agent.http.dependencies import (
    ConversationDep,
    CustomerToken,
    ServicesDep,
    TokensConversationDep,
)
from agent.http.schemas import (
    Accepted,
    CsatIn,
    CustomerIn,
    FeedbackIn,
    HandoffIn,
    MessageIn,
    PostedOut,
    StartedOut,
    StartIn,
)

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])

_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


def started_out(started: Started) -> StartedOut:
    return StartedOut(
        id=started.conversation.id,
        token=str(CustomerToken(started.conversation.id, started.token)),
        status=started.conversation.status,
        greeting=started.greeting,
        identity=started.conversation.identity.level,
    )


@router.post("", status_code=201)
async def start(services: ServicesDep, body: StartIn | None = None) -> StartedOut:
    """Begin a conversation; the token in the answer is the only key to it."""
    body = body or StartIn()
    return started_out(
        await services.conversations.start(
            locale=body.locale,
            customer=body.customer.claim() if body.customer else None,
            page_url=body.page_url,
        )
    )


@router.get("")
async def list_own(
    services: ServicesDep,
    conversation: TokensConversationDep,
    cursor: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """A verified customer's conversations, newest first."""
    own = await services.conversations.conversations_of(conversation)
    ids = [one["id"] for one in own]
    if cursor is not None and cursor not in ids:
        raise InvalidRequest("Start again without a cursor: this one is unknown.", field="cursor")
    first = ids.index(cursor) + 1 if cursor is not None else 0
    items = own[first : first + limit]
    more = first + limit < len(own)
    return {"items": items, "next": items[-1]["id"] if more else None}


@router.post("/{conversation_id}/identify")
async def identify(
    conversation: ConversationDep, services: ServicesDep, body: CustomerIn
) -> StartedOut:
    """Say who the customer is; the old token ends with it."""
    return started_out(await services.conversations.identify(conversation, body.claim()))


@router.get("/{conversation_id}")
async def read(conversation: ConversationDep, services: ServicesDep) -> dict[str, Any]:
    """The conversation so far; the events after its `last_event_id` continue it."""
    snapshot = await services.conversations.snapshot(conversation.id)
    return snapshot.wire()


@router.post("/{conversation_id}/messages", status_code=202)
async def post_message(
    conversation: ConversationDep, services: ServicesDep, body: MessageIn
) -> PostedOut:
    posted = await services.conversations.post_message(
        conversation, body.content, body.client_message_id
    )
    return PostedOut(message_id=posted.message_id, event_id=posted.event_id)


@router.get("/{conversation_id}/events", status_code=200, response_class=sse.EventStream)
async def events(
    request: Request,
    conversation: ConversationDep,
    services: ServicesDep,
    after: Annotated[str | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> sse.EventStream:
    """Server-sent events from `Last-Event-ID` (else `?after=`, else the beginning) on."""
    given = last_event_id or after or None
    if given is not None:
        position(given)  # a stream that has begun could not say any more that this is no id
    said = services.conversations.follow(conversation.id, given)
    source = alongside(said, services.presence.follow(conversation.id))
    pump = sse.Pump(source, closing=request.app.state.closing, silence_s=sse.HEARTBEAT_S)
    return sse.EventStream(_frames(pump), pump)


async def _frames(pump: sse.Pump[Event | Passing | None]) -> AsyncGenerator[bytes]:
    telemetry.EVENT_STREAMS.inc()
    try:
        yield sse.HEARTBEAT  # the reader learns at once that it is connected
        async with aclosing(pump.values()) as values:
            async for event in values:
                if event is None:
                    yield sse.HEARTBEAT
                elif isinstance(event, Passing):
                    yield sse.frame(event.wire, event=event.type)
                else:
                    yield sse.frame(
                        event.model_dump(mode="json"),
                        event=event.type,
                        event_id=event.id or None,
                    )
    except LogTrimmed as error:
        yield sse.frame({"code": error.code, "detail": str(error)}, event="reset")
    except FrontdeskError as error:
        # The stream just ends: the reader comes back and is told by a status.
        log.info("an event stream ended early: %s", error)
    finally:
        telemetry.EVENT_STREAMS.dec()


@router.post("/{conversation_id}/handoff", status_code=202)
async def request_handoff(
    conversation: ConversationDep, services: ServicesDep, body: HandoffIn | None = None
) -> Accepted:
    """Talk to a person: always honoured."""
    await services.conversations.request_handoff(conversation, body.reason if body else None)
    return Accepted()


@router.post("/{conversation_id}/messages/{message_id}/feedback", status_code=202)
async def rate(
    conversation: ConversationDep, services: ServicesDep, message_id: str, body: FeedbackIn
) -> Accepted:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise NotFound("There is no such message in this conversation.")
    await services.conversations.rate_message(
        conversation, message_id, body.rating, reason=body.reason, comment=body.comment
    )
    return Accepted()


@router.post("/{conversation_id}/csat", status_code=202)
async def csat(conversation: ConversationDep, services: ServicesDep, body: CsatIn) -> Accepted:
    await services.conversations.submit_csat(conversation, body.score, body.comment)
    return Accepted()


@router.delete("/{conversation_id}", status_code=202)
async def erase(conversation: ConversationDep, services: ServicesDep) -> Accepted:
    """Erase the conversation everywhere it is kept."""
    await services.conversations.erase(conversation)
    return Accepted()
