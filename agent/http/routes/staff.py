"""The staff's part of the API: `/api/v1/staff`.

Owns the HTTP shape of each call. Refuses to know how a conversation works. Invariant: a verb
answers with the conversation as it is afterwards.
"""

import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import AwareDatetime, Field

from agent import telemetry
from agent.conversation.attendance import Attendance
from agent.conversation.desk import MAX_LABELS
from agent.conversation.listing import Wanted
from agent.conversation.presence import Passing, alongside
from agent.conversation.reviewing import Finding
from agent.domain import HandoffReason, Importance, Status
from agent.errors import FrontdeskError, NotFound
from agent.events.broadcast import Moment
from agent.events.log import LogTrimmed, position
from agent.http import sse
from agent.http.dependencies import ServicesDep, StaffDep, signed_in
from agent.http.schemas import CONTENT_CHARACTERS, Body, Comment, Content, Text, Word
from agent.services import Services
from agent.storage.presence import Doing
from agent.storage.reports import Fault

router = APIRouter(prefix="/api/v1/staff", tags=["staff"], dependencies=[Depends(signed_in)])

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
PAGE: Final = 25
_CHECK_EVERY_S: Final = 1.0


def conversation_id_of(conversation_id: str) -> str:
    if not _ID.fullmatch(conversation_id):
        raise NotFound("There is no such conversation.")
    return conversation_id


def message_id_of(message_id: str) -> str:
    if not _ID.fullmatch(message_id):
        raise NotFound("There is no such answer of the AI in this conversation.")
    return message_id


IdDep = Annotated[str, Depends(conversation_id_of)]
MessageId = Annotated[str, Depends(message_id_of)]
Drafted = str | dict[str, Any]


class ContentIn(Body):
    content: Content


class SnoozeIn(Body):
    until: AwareDatetime


class AssignIn(Body):
    user_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")] | None


class PriorityIn(Body):
    priority: Importance


class PresenceIn(Body):
    """`note`: what is typed is for colleagues only."""

    doing: Doing
    note: bool = False


class ReportIn(Body):
    reason: Fault
    comment: Comment = ""
    right_answer: Annotated[Text, Field(max_length=CONTENT_CHARACTERS)] = ""


class LabelsIn(Body):
    labels: Annotated[
        list[Annotated[Word, Field(min_length=1, max_length=60)]], Field(max_length=MAX_LABELS)
    ]


@router.get("/conversations")
async def conversations(
    services: ServicesDep,
    staff: StaffDep,
    status: Status | None = None,
    assignee: Literal["me", "none", "any"] = "any",
    q: Annotated[str, Query(max_length=200)] = "",
    priority: Importance | None = None,
    reason: HandoffReason | None = None,
    label: Annotated[str | None, Query(max_length=60)] = None,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = PAGE,
) -> dict[str, Any]:
    """Who waits for a person first, by priority, then the longest; the others by their last
    activity. What was archived is found by a search, and among what is resolved."""
    whose = {"me": staff.id, "none": "", "any": None}[assignee]
    wanted = Wanted(
        status=status,
        assignee=whose,
        words=q,
        priority=priority,
        reason=reason,
        label=label or None,
    )
    found = await services.desk.listing.page(wanted, page=page, size=limit)
    following = page + 1 if found.more else None
    return {"items": found.items, "next": following, "waiting": found.waiting}


@router.get("/conversations/{conversation_id}")
async def conversation(services: ServicesDep, conversation_id: IdDep) -> dict[str, Any]:
    return await services.desk.conversation(conversation_id)


@router.get("/conversations/{conversation_id}/earlier")
async def earlier(services: ServicesDep, conversation_id: IdDep) -> dict[str, Any]:
    """Other conversations of the same verified customer, newest first."""
    return {"items": await services.desk.earlier(conversation_id), "next": None}


@router.get("/events", status_code=200, response_class=sse.EventStream)
async def events(
    request: Request,
    services: ServicesDep,
    staff: StaffDep,
    after: Annotated[str | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> sse.EventStream:
    """Everything that staff may see, from now on, or after `Last-Event-ID` (else `?after=`).

    The ids of this stream are its own; an event's own id is in its data.
    """
    given = last_event_id or after or None
    if given is not None:
        position(given)
    feed = await services.desk.follow(given)
    source = alongside(feed, services.presence.follow(None))
    pump = sse.Pump(source, closing=request.app.state.closing, silence_s=sse.HEARTBEAT_S)
    frames = while_signed_in(request, services, _frames(pump))
    return sse.EventStream(_at_desk(services.attendance, staff.id, frames), pump)


async def while_signed_in(
    request: Request, services: Services, frames: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    """A stream lasts for hours: whoever may not read it any more is cut off within a heartbeat."""
    checked = time.monotonic()
    async with aclosing(frames):
        async for frame in frames:
            if time.monotonic() - checked >= _CHECK_EVERY_S:
                try:
                    await signed_in(request, services)
                except FrontdeskError:
                    return  # the reader comes back and is told by a status
                checked = time.monotonic()
            yield frame


async def _at_desk(
    attendance: Attendance, user_id: str, frames: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    """Whoever follows has a console open."""
    with attendance.at_desk(user_id):
        async with aclosing(frames):
            async for frame in frames:
                yield frame


async def _frames(pump: sse.Pump[Moment | Passing | None]) -> AsyncGenerator[bytes]:
    telemetry.EVENT_STREAMS.inc()
    try:
        yield sse.HEARTBEAT
        async with aclosing(pump.values()) as values:
            async for moment in values:
                if moment is None:
                    yield sse.HEARTBEAT
                    continue
                if isinstance(moment, Passing):
                    yield sse.frame(moment.wire, event=moment.type)
                    continue
                for left, event in enumerate(moment.events, 1 - len(moment.events)):
                    # Only the last one moves the reader on: a moment is told whole, or again.
                    at = moment.position if left == 0 else None
                    yield sse.frame(event.model_dump(mode="json"), event=event.type, event_id=at)
    except LogTrimmed as error:
        yield sse.frame({"code": error.code, "detail": str(error)}, event="reset")
    except FrontdeskError:
        return  # the reader comes back and is told by a status
    finally:
        telemetry.EVENT_STREAMS.dec()


@router.post("/conversations/{conversation_id}/take_over")
async def take_over(
    services: ServicesDep, staff: StaffDep, conversation_id: IdDep
) -> dict[str, Any]:
    await services.desk.take_over(conversation_id, staff)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/messages")
async def reply(
    services: ServicesDep, staff: StaffDep, conversation_id: IdDep, body: ContentIn
) -> dict[str, Any]:
    """Say something to the customer; the conversation is yours then, if it was nobody's."""
    await services.desk.reply(conversation_id, staff, body.content)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/notes")
async def note(
    services: ServicesDep, staff: StaffDep, conversation_id: IdDep, body: ContentIn
) -> dict[str, Any]:
    """Write something that only staff see."""
    await services.desk.note(conversation_id, staff, body.content)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/return_to_ai")
async def return_to_ai(services: ServicesDep, conversation_id: IdDep) -> dict[str, Any]:
    await services.desk.return_to_ai(conversation_id)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/resolve")
async def resolve(services: ServicesDep, conversation_id: IdDep) -> dict[str, Any]:
    await services.desk.resolve(conversation_id)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/snooze")
async def snooze(services: ServicesDep, conversation_id: IdDep, body: SnoozeIn) -> dict[str, Any]:
    await services.desk.snooze(conversation_id, body.until)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/assign")
async def assign(services: ServicesDep, conversation_id: IdDep, body: AssignIn) -> dict[str, Any]:
    await services.desk.assign(conversation_id, body.user_id)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/labels")
async def labels(services: ServicesDep, conversation_id: IdDep, body: LabelsIn) -> dict[str, Any]:
    """Put these labels in place of those that are there."""
    await services.desk.label(conversation_id, body.labels)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/priority")
async def priority(
    services: ServicesDep, conversation_id: IdDep, body: PriorityIn
) -> dict[str, Any]:
    await services.desk.prioritize(conversation_id, body.priority)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/presence")
async def presence(
    services: ServicesDep, staff: StaffDep, conversation_id: IdDep, body: PresenceIn
) -> dict[str, Any]:
    """Say every 10 s what you do here; answers with who else is there. The customer is told that
    somebody types, unless it is a note, or the AI has the conversation."""
    header = await services.store.get(conversation_id)
    if header is None:
        raise NotFound("There is no such conversation.")
    audible = header.status == "open" and not body.note
    others = await services.presence.put(conversation_id, staff, body.doing, audible=audible)
    return {"others": others}


@router.post("/conversations/{conversation_id}/messages/{message_id}/approve")
async def approve(
    services: ServicesDep, staff: StaffDep, conversation_id: IdDep, message_id: MessageId
) -> dict[str, Any]:
    """This answer of the AI is right: it is given again at once while its sources stand."""
    await services.reviews.approve(conversation_id, message_id, staff)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/messages/{message_id}/report")
async def report(
    services: ServicesDep,
    staff: StaffDep,
    conversation_id: IdDep,
    message_id: MessageId,
    body: ReportIn,
) -> dict[str, Any]:
    """This answer of the AI is wrong: it is never given again by itself."""
    finding = Finding(body.reason, body.comment, body.right_answer)
    await services.reviews.report(conversation_id, message_id, staff, finding)
    return await services.desk.conversation(conversation_id)


@router.post("/conversations/{conversation_id}/suggest", response_model=None)
async def suggest(
    request: Request,
    services: ServicesDep,
    conversation_id: IdDep,
    accept: Annotated[str, Header()] = "",
) -> dict[str, Any] | sse.EventStream:
    """A drafted reply with its citations; nothing is sent. With `Accept: text/event-stream` it
    comes as it is written: `draft.delta` {text}, then `draft.completed` or `draft.failed`."""
    draft = await services.desk.draft(conversation_id)
    if "text/event-stream" in accept:
        pump = sse.Pump(draft, closing=request.app.state.closing, silence_s=sse.HEARTBEAT_S)
        return sse.EventStream(_draft_frames(pump), pump)
    async with aclosing(draft) as parts:
        async for part in parts:
            if isinstance(part, dict):
                return part
    raise AssertionError("a draft ends with what was drafted")


async def _draft_frames(pump: sse.Pump[Drafted]) -> AsyncGenerator[bytes]:
    try:
        yield sse.HEARTBEAT
        async with aclosing(pump.values()) as parts:
            async for part in parts:
                if part is None:
                    yield sse.HEARTBEAT
                elif isinstance(part, str):
                    yield sse.frame({"text": part}, event="draft.delta")
                else:
                    yield sse.frame(part, event="draft.completed")
    except FrontdeskError as error:
        problem = {"code": error.code, "detail": str(error)}
        yield sse.frame(problem, event="draft.failed")
