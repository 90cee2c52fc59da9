"""The admins' documents: taking them in, revising, comparing, publishing, and taking them back.

Owns the HTTP shape of each call. Refuses to know how documents are kept and searched. Invariant:
no call but publish, rollback and restore shows a customer anything new; and a revision that was
cited once can be read for ever.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from secrets import token_hex
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from agent.errors import Conflict
from agent.http import documents as wire
from agent.http.audit import note
from agent.http.dependencies import AdminDep, ServicesDep, admin, signed_in
from agent.http.schemas import Body
from agent.http.uploads import Note, Sent, accepts, sent
from agent.services import Services
from knowledge_base.differences import difference
from knowledge_base.errors import InvalidDocument
from knowledge_base.model import Added, Change, DocumentSummary

SOURCE: Final = "upload"

router = APIRouter(
    prefix="/api/v1/admin/documents", tags=["documents"], dependencies=[Depends(admin)]
)
# Who reads a conversation may read what it was answered from.
reading = APIRouter(
    prefix="/api/v1/staff/documents", tags=["staff"], dependencies=[Depends(signed_in)]
)

IdDep = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
NumberPath = Annotated[int, Path(ge=1, le=2**31 - 1)]
NumberQuery = Annotated[int, Query(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=100)]
Standing = Literal["draft", "published", "retired", "waiting"]
P = ParamSpec("P")
T = TypeVar("T")


class PublishIn(Body):
    revision: Number


class RollbackIn(PublishIn):
    note: Note | None = None


async def writing(request: Request, work: Callable[P, T], *args: P.args, **kw: P.kwargs) -> T:
    """One at a time: the library has one writer, and who waits for it must not hold a thread."""
    async with request.app.state.documents_writing:
        return await asyncio.to_thread(work, *args, **kw)


@contextmanager
def _naming(part: str) -> Iterator[None]:
    """What is wrong with a document is wrong with this part of the request."""
    try:
        yield
    except InvalidDocument as error:
        error.field = error.field or part
        raise


# -- taking in


@router.post("", status_code=201, openapi_extra=accepts(text=False))
async def upload_document(
    request: Request, services: ServicesDep, user: AdminDep
) -> dict[str, Any]:
    """A new document from a file, as a draft; the same file again is another document."""
    given = await sent(request, text=False)
    with _naming(given.part):
        added = await writing(request, _upload, services, given, user.email)
    note(request, subject=added.document_id, detail=given.name)
    return {"id": added.document_id, "revision": added.revision, "status": "draft"}


def _upload(services: Services, given: Sent, author: str) -> Added:
    said = given.said
    return services.library.add_file(
        source=SOURCE,
        key=f"{token_hex(6)}/{given.name}",
        name=PurePosixPath(given.name).name,
        content=given.content if isinstance(given.content, bytes) else given.content.encode(),
        title=said.title or None,
        audience=said.audience,
        effective_from=said.effective_from,
        effective_to=said.effective_to,
        by=Change(author, said.note or None),
    )


@router.post("/preview", openapi_extra=accepts(text=True))
async def preview_document(request: Request, services: ServicesDep) -> dict[str, Any]:
    """What was understood of a file or a text, passage by passage; nothing is stored."""
    given = await sent(request, text=True)
    with _naming(given.part):
        found = await asyncio.to_thread(
            services.library.preview,
            given.content,
            name=PurePosixPath(given.name or "text.md").name,
            stated=given.said.stated(),
        )
    return wire.preview_of(found)


@router.post("/{document_id}/revisions", status_code=201, openapi_extra=accepts(text=True))
async def revise_document(
    request: Request, response: Response, services: ServicesDep, user: AdminDep, document_id: IdDep
) -> dict[str, Any]:
    """A new draft revision, from a file or from an edited text; 200 and the newest one where
    nothing is new. What is left out stays as it is in the newest revision."""
    one = await asyncio.to_thread(services.library.document, document_id)
    given = await sent(request, text=True)
    by = Change(user.email, given.said.note or None)
    with _naming(given.part):
        added = await writing(
            request,
            services.library.revise,
            document_id,
            given.content,
            name=PurePosixPath(given.name or one.key).name,
            stated=given.said.stated(),
            cleared=given.cleared,
            by=by,
        )
    if added.unchanged:
        response.status_code = 200
        note(request, detail="nothing new")
    else:
        note(request, detail=f"revision {added.revision}")
    revision = await asyncio.to_thread(
        services.library.revision, document_id, added.revision or one.latest
    )
    return {"id": document_id, "revision": revision.number, "status": revision.status}


# -- reading


@router.get("")
async def documents(
    services: ServicesDep,
    q: Annotated[str, Query(max_length=320)] = "",
    status: Standing | None = None,
    cursor: Annotated[str | None, Query(max_length=120)] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """The last changed first. `q` is part of a title, a key or a source; `waiting` are those with a
    revision newer than what is published."""
    return await asyncio.to_thread(_page, services, q.strip().casefold(), status, cursor, limit)


def _page(
    services: Services, q: str, status: Standing | None, cursor: str | None, limit: int
) -> dict[str, Any]:
    found = [
        (_place(one), one)
        for one in services.library.documents()
        if _matches(one, q, status) and (cursor is None or _place(one) < cursor)
    ]
    found.sort(key=lambda pair: pair[0], reverse=True)
    page = [one for _, one in found[:limit]]
    uses = services.records.asked.uses([one.id for one in page])
    today = services.library.today()
    return {
        "items": [wire.summary(one, uses[one.id], today) for one in page],
        "next": _place(page[-1]) if len(found) > limit else None,
    }


def _place(one: DocumentSummary) -> str:
    """Sorts as text: the time of the last change in microseconds, then the id."""
    return f"{int(one.changed_at.timestamp() * 1e6):020d}.{one.id}"


def _matches(one: DocumentSummary, q: str, status: Standing | None) -> bool:
    if q and not any(q in text.casefold() for text in (one.title, one.key, one.source, one.id)):
        return False
    if status == "waiting":
        return one.status == "published" and one.latest > (one.revision or 0)
    return status is None or one.status == status


@router.get("/{document_id}")
async def document(services: ServicesDep, document_id: IdDep) -> dict[str, Any]:
    """With the text of the revision that is shown, or of the newest one where none is."""
    return await asyncio.to_thread(_whole, services, document_id)


def _whole(services: Services, document_id: str) -> dict[str, Any]:
    library = services.library
    one = library.document(document_id)
    uses = services.records.asked.uses([document_id])[document_id]
    revision = library.revision(document_id, one.revision or one.latest)
    kept = ("text", "url", "author", "note")
    return {
        **wire.summary(one, uses, library.today()),
        **{name: getattr(revision, name) for name in kept},
        "created_at": wire.moment(revision.created_at),
    }


async def _as_it_is(services: Services, document_id: str) -> dict[str, Any]:
    return await asyncio.to_thread(_whole, services, document_id)


@router.get("/{document_id}/revisions")
async def revisions(
    services: ServicesDep,
    document_id: IdDep,
    cursor: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """The newest first, without their texts."""
    return await asyncio.to_thread(_history, services, document_id, cursor, limit)


def _history(
    services: Services, document_id: str, cursor: int | None, limit: int
) -> dict[str, Any]:
    newest_first = reversed(services.library.revisions(document_id))
    rest = [one for one in newest_first if cursor is None or one.number < cursor]
    showings = services.library.showings(document_id)
    uses = services.records.asked.uses([document_id])[document_id]
    return {
        "items": [wire.revision_item(one, uses, showings) for one in rest[:limit]],
        "next": rest[limit - 1].number if len(rest) > limit else None,
    }


@router.get("/{document_id}/revisions/{number}")
async def revision(services: ServicesDep, document_id: IdDep, number: NumberPath) -> dict[str, Any]:
    """With its text, and its passages as they are searched and cited."""
    return await asyncio.to_thread(_revision, services, document_id, number)


@reading.get("/{document_id}/revisions/{number}")
async def cited_revision(
    services: ServicesDep, document_id: IdDep, number: NumberPath
) -> dict[str, Any]:
    """What an answer cites, as it was, whatever is published since."""
    return await asyncio.to_thread(_revision, services, document_id, number)


def _revision(services: Services, document_id: str, number: int) -> dict[str, Any]:
    library = services.library
    one = library.revision(document_id, number)
    uses = services.records.asked.uses([document_id])[document_id]
    passages = library.passages(document_id, number)
    return {
        **wire.revision_item(one, uses, library.showings(document_id)),
        "text": one.text,
        "passages": [wire.passage_item(each) for each in passages],
    }


@router.get("/{document_id}/diff")
async def diff(
    services: ServicesDep,
    document_id: IdDep,
    old: Annotated[NumberQuery, Query(alias="from")],
    new: Annotated[NumberQuery, Query(alias="to")],
) -> dict[str, Any]:
    """What changed from one revision to another, at most so much that a page can show it."""
    return await asyncio.to_thread(_diff, services, document_id, old, new)


def _diff(services: Services, document_id: str, old: int, new: int) -> dict[str, Any]:
    before = services.library.revision(document_id, old)
    after = services.library.revision(document_id, new)
    names = f"revision {old}", f"revision {new}"
    return wire.difference_of(before, after, difference(before.text, after.text, names))


# -- what customers see


@router.post("/{document_id}/publish")
async def publish_document(
    request: Request, services: ServicesDep, document_id: IdDep, body: PublishIn
) -> dict[str, Any]:
    """Answer from this revision from now on, in place of what was shown; a retired document comes
    back. Nothing happens where it is what is shown. 409 where FRONTDESK_GATE=require and it was
    not tried."""
    note(request, detail=f"revision {body.revision}")
    await services.gate.allow({document_id: body.revision})
    await writing(request, services.library.publish, document_id, body.revision)
    return await _as_it_is(services, document_id)


@router.post("/{document_id}/rollback")
async def roll_back_document(
    request: Request, services: ServicesDep, user: AdminDep, document_id: IdDep, body: RollbackIn
) -> dict[str, Any]:
    """Publish a new revision with the content of an earlier one; 409 for what is shown."""
    note(request, detail=f"to revision {body.revision}")
    words = body.note or f"Rolled back to revision {body.revision}."

    def roll_back() -> None:
        one = services.library.document(document_id)
        if (one.status, one.revision) == ("published", body.revision):
            raise Conflict(f"Revision {body.revision} is what is published: choose another one.")
        services.library.rollback(document_id, body.revision, Change(user.email, words))

    await writing(request, roll_back)
    return await _as_it_is(services, document_id)


@router.post("/{document_id}/unpublish")
async def unpublish_document(
    request: Request, services: ServicesDep, document_id: IdDep
) -> dict[str, Any]:
    """A draft again, as before it was published."""
    await writing(request, services.library.unpublish, document_id)
    return await _as_it_is(services, document_id)


@router.delete("/{document_id}")
async def retire_document(
    request: Request, services: ServicesDep, document_id: IdDep
) -> dict[str, Any]:
    """Answer from it no more. Its revisions stay, and publishing or restoring brings it back."""
    await writing(request, services.library.retire, document_id)
    return await _as_it_is(services, document_id)


@router.post("/{document_id}/restore")
async def restore_document(
    request: Request, services: ServicesDep, document_id: IdDep
) -> dict[str, Any]:
    """As before it was retired: shown, or a draft where it never was; 409 where it is not."""

    def restore() -> None:
        if services.library.document(document_id).status != "retired":
            raise Conflict("This document is not retired.")
        services.library.restore(document_id)

    await writing(request, restore)
    return await _as_it_is(services, document_id)
