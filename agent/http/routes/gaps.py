"""The admins' gaps and recalls: what customers are not answered, and who was answered wrongly.

Owns the HTTP shape of each call. Refuses to know how questions are put together and answers
compared. Invariant: nothing here publishes a document, and what customers hear is sent by somebody.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, Field

from agent.conversation.gaps import proof, summary
from agent.conversation.recalling import Recall
from agent.errors import InvalidRequest
from agent.http.audit import note
from agent.http.dependencies import AdminDep, ServicesDep, admin
from agent.http.schemas import Body, Comment, Content
from agent.storage.gaps import Gap, GapState

router = APIRouter(prefix="/api/v1/admin", tags=["gaps"], dependencies=[Depends(admin)])

IdDep = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=80)]
Number = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
_EXAMPLES = 100
One = TypeVar("One")


class DismissIn(Body):
    reason: Annotated[Comment, Field(min_length=1)]


class SendIn(Body):
    content: Content


# -- gaps


@router.get("/gaps")
async def gaps(
    services: ServicesDep,
    state: GapState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """What most different customers asked first, with a few examples of each."""
    found = await services.gaps.everything()
    wanted = [one for one in found if state in (None, one.state)]
    items, following = _page(wanted, [one.id for one in wanted], cursor, limit)
    return {"items": [summary(one) for one in items], "next": following}


@router.get("/gaps/{gap_id}")
async def gap(services: ServicesDep, gap_id: IdDep) -> dict[str, Any]:
    """With up to 100 of its questions, and what came of asking again."""
    return _whole(await services.gaps.find(gap_id))


@router.post("/gaps/{gap_id}/draft", status_code=201)
async def draft_from_gap(
    request: Request, services: ServicesDep, user: AdminDep, gap_id: IdDep
) -> dict[str, Any]:
    """A draft in the library to start from, with `document_id`; publishing it is another call."""
    drafted = await services.gaps.draft(gap_id, user)
    note(request, detail=drafted.document_id)
    return _whole(drafted)


@router.post("/gaps/{gap_id}/check")
async def check_gap(services: ServicesDep, gap_id: IdDep) -> dict[str, Any]:
    """Asks its examples again, as customers would now be answered; it is closed if they are."""
    return _whole(await services.gaps.check(gap_id))


@router.post("/gaps/{gap_id}/dismiss")
async def dismiss_gap(
    services: ServicesDep, user: AdminDep, gap_id: IdDep, body: DismissIn
) -> dict[str, Any]:
    return _whole(await services.gaps.dismiss(gap_id, user, body.reason))


@router.post("/gaps/{gap_id}/reopen")
async def reopen_gap(services: ServicesDep, user: AdminDep, gap_id: IdDep) -> dict[str, Any]:
    return _whole(await services.gaps.reopen(gap_id, user))


# -- recalls


@router.get("/documents/{document_id}/recall")
async def recall(
    services: ServicesDep,
    document_id: IdDep,
    revision: Number = None,
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Answers that customers got from `revision`, else from any that is not published now: wrong
    ones first. `counts` are of all of them by verdict."""
    found = await services.recalls.of(
        document_id, revision=revision, start=_moment(start), end=_moment(end)
    )
    items, following = _page(found, [one.asked.message_id for one in found], cursor, limit)
    counts = dict.fromkeys(("changed", "gone", "reworded", "same"), 0)
    for one in found:
        counts[one.comparison.verdict] += 1
    return {"items": [_recalled(one) for one in items], "next": following, "counts": counts}


@router.post("/recall/{message_id}/send")
async def send_correction(
    request: Request, services: ServicesDep, user: AdminDep, message_id: IdDep, body: SendIn
) -> dict[str, Any]:
    """Into the conversation, as a message of whoever sends it; the conversation is theirs then."""
    conversation_id, sent = await services.recalls.send(message_id, user, body.content)
    note(request, subject=conversation_id)
    return {"message_id": sent, "conversation_id": conversation_id, "state": "sent"}


@router.post("/recall/{message_id}/skip")
async def skip_correction(
    request: Request, services: ServicesDep, user: AdminDep, message_id: IdDep
) -> dict[str, Any]:
    conversation_id = await services.recalls.skip(message_id, user)
    note(request, subject=conversation_id)
    return {"conversation_id": conversation_id, "state": "skipped"}


def _whole(one: Gap) -> dict[str, Any]:
    return {**summary(one, _EXAMPLES), "proof": proof(one)}


def _recalled(one: Recall) -> dict[str, Any]:
    kept = ("message_id", "conversation_id", "at", "question", "answer", "language", "rating")
    mark = one.mark and one.mark.model_dump(include={"state", "author", "at"})
    return {
        **one.asked.model_dump(include=set(kept)),
        "revision": one.revision,
        "verdict": one.comparison.verdict,
        "differences": [asdict(difference) for difference in one.comparison.differences],
        "draft": {
            "content": one.content,
            "citations": [each.model_dump(exclude_none=True) for each in one.citations],
        },
        "mark": mark,
    }


def _moment(value: AwareDatetime | None) -> str | None:
    """As times are kept."""
    if value is None:
        return None
    text = value.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _page(
    everything: Sequence[One], ids: Sequence[str], cursor: str | None, limit: int
) -> tuple[Sequence[One], str | None]:
    first = 0
    if cursor is not None:
        if cursor not in ids:
            raise InvalidRequest("This cursor is of nothing that is here.", field="cursor")
        first = ids.index(cursor) + 1
    more = len(everything) > first + limit
    return everything[first : first + limit], ids[first + limit - 1] if more else None
