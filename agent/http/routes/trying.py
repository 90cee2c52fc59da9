"""What admins try before customers see it: a search explained, a question answered.

Owns the HTTP shape of each call. Refuses to know how a passage is found or a reply is made.
Invariant: nothing here changes or keeps anything.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Request
from pydantic import Field

from agent.conversation import trying
from agent.conversation.question import Question
from agent.conversation.reply import ReplyDone, ReplyText
from agent.conversation.trying import Over, moment_of, told_conflict
from agent.domain import Message
from agent.errors import FrontdeskError
from agent.http import sse
from agent.http.departure import while_connected
from agent.http.dependencies import ServicesDep, admin
from agent.http.schemas import Body, Content, Text
from agent.services import Services
from knowledge_base.errors import KnowledgeError

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], dependencies=[Depends(admin)])

_PASSAGES: Final = 8
_CONFLICTS: Final = 100
At = Annotated[str, Field(min_length=1, max_length=40)]
Parts = AsyncGenerator[ReplyText | ReplyDone]


class SearchIn(Body):
    """`at` is a day or a moment; `before` what was said before, oldest first."""

    query: Annotated[Text, Field(min_length=1, max_length=1000)]
    k: Annotated[int, Field(ge=1, le=30)] = _PASSAGES
    audience: Literal["public", "staff"] = "public"
    include_drafts: bool = False
    at: At | None = None
    before: Annotated[list[Content], Field(max_length=20)] = Field(default_factory=list)


class SaidIn(Body):
    role: Literal["customer", "ai_agent"]
    content: Content


class PreviewIn(Body):
    question: Content
    include_drafts: bool = False
    at: At | None = None
    history: Annotated[list[SaidIn], Field(max_length=20)] = Field(default_factory=list)


@router.post("/search")
async def search(services: ServicesDep, body: SearchIn) -> dict[str, Any]:
    """What a question finds, best first, and why each passage was found."""
    items = await trying.search(
        *(services.library, body.query, body.k, _over(services, body)),
        audience=body.audience,
        before=body.before,
    )
    return {"items": items, "next": None}


@router.post("/preview", response_model=None)
async def preview(
    request: Request,
    services: ServicesDep,
    body: PreviewIn,
    accept: Annotated[str, Header()] = "",
) -> dict[str, Any] | sse.EventStream:
    """The message a customer would get, the passages found for it and what decided. With `Accept:
    text/event-stream` it comes as it is written: `preview.delta` {text}, then `preview.completed`
    or `preview.failed`."""
    over = _over(services, body)
    question = _question(body, over)
    parts = trying.preview(services.answerer, question, over)
    if "text/event-stream" in accept:
        pump = sse.Pump(parts, closing=request.app.state.closing, silence_s=sse.HEARTBEAT_S)
        return sse.EventStream(_frames(question, pump), pump)
    return await while_connected(request, _whole(question, parts))


@router.get("/documents/{document_id}/revisions/{number}/conflicts")
async def revision_conflicts(
    services: ServicesDep,
    document_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")],
    number: Annotated[int, Path(ge=1, le=2**31 - 1)],
) -> dict[str, Any]:
    """What the revision says otherwise than what is published, or once more; with an `excuse` it
    is none after all."""
    found = await asyncio.to_thread(services.library.conflicts, document_id, number)
    return {"items": [told_conflict(one) for one in found[:_CONFLICTS]], "next": None}


def _over(services: Services, body: SearchIn | PreviewIn) -> Over:
    at = None if body.at is None else moment_of(body.at, services.settings.time_zone)
    return Over(body.include_drafts, at)


def _question(body: PreviewIn, over: Over) -> Question:
    asked_at = over.at or datetime.now(UTC)
    history = tuple(
        Message(id=f"said.{n}", role=m.role, content=m.content, created_at=asked_at.isoformat())
        for n, m in enumerate(body.history)
    )
    return Question(body.question, history=history, asked_at=asked_at)


async def _whole(question: Question, parts: Parts) -> dict[str, Any]:
    async with aclosing(parts):
        async for part in parts:
            if isinstance(part, ReplyDone):
                return trying.told(question, part)
    raise AssertionError("a reply ends with what was said")


async def _frames(
    question: Question, pump: sse.Pump[ReplyText | ReplyDone]
) -> AsyncGenerator[bytes]:
    try:
        yield sse.HEARTBEAT
        async with aclosing(pump.values()) as parts:
            async for part in parts:
                if part is None:
                    yield sse.HEARTBEAT
                elif isinstance(part, ReplyText):
                    yield sse.frame({"text": part.text}, event="preview.delta")
                else:
                    yield sse.frame(trying.told(question, part), event="preview.completed")
    except (FrontdeskError, KnowledgeError) as error:
        code = getattr(error, "code", "knowledge_error")
        yield sse.frame({"code": code, "detail": str(error)}, event="preview.failed")
