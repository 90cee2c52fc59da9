"""A document as it comes in over HTTP: a form with a file, or JSON with an edited text.

Owns what may be sent with a document, and reading it within bounds. Refuses to know formats.
Invariant: nothing of a body is read before its sender is known, and never more than the limit.
"""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from agent.errors import InvalidRequest
from agent.http.limits import DOCUMENT_BYTES, BodyTooLarge
from agent.http.schemas import Body, clean
from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.model import Audience
from knowledge_base.parsing import Stated

FORM: Final = "multipart/form-data"
JSON: Final = "application/json"
_FIELDS: Final = 8
_FIELD_BYTES: Final = 16 * 1024
_NAME_LENGTH: Final = 200


def _day(value: Any) -> Any:
    """A calendar day, and no moment: `2026-12-01`. A form sends what is not chosen as nothing."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
        raise ValueError("write a day as YYYY-MM-DD")
    return value.strip()


def _nothing(value: Any) -> Any:
    return None if value == "" else value


Day = Annotated[date | None, BeforeValidator(_day)]
Title = Annotated[str, Field(max_length=200), AfterValidator(clean)]
Note = Annotated[str, Field(max_length=500), AfterValidator(clean)]


class StatedIn(Body):
    """What is said of a document beside it. `effective_from` is its first day, `effective_to` the
    first day on which it does not hold any more."""

    title: Title | None = None
    audience: Annotated[Audience | None, BeforeValidator(_nothing)] = None
    effective_from: Day = None
    effective_to: Day = None
    note: Note | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, end = self.effective_from, self.effective_to
        if first and end and first >= end:
            raise InvalidRequest(
                f"It would end on {end} before it starts on {first}: correct one of the dates.",
                field="effective_to",
            )
        return self

    def stated(self) -> Stated:
        return Stated(self.title or None, self.audience, self.effective_from, self.effective_to)


class TextIn(StatedIn):
    """An edited text, in Markdown. A date that is null is taken away; what is left out stays."""

    text: str

    def cleared(self) -> frozenset[str]:
        dates = ("effective_from", "effective_to")
        return frozenset(
            one for one in dates if one in self.model_fields_set and getattr(self, one) is None
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """`content` are a file's bytes or an edited text; `name` is the file's, with its folders."""

    name: str
    content: bytes | str
    said: StatedIn
    cleared: frozenset[str] = field(default=frozenset())

    @property
    def part(self) -> str:
        return "file" if isinstance(self.content, bytes) else "text"


def accepts(*, text: bool) -> dict[str, Any]:
    """The body as the API's description tells it: it is read by hand, after its sender is known."""
    said = {
        "title": {"type": "string", "maxLength": 200},
        "audience": {"type": "string", "enum": ["public", "staff"]},
        "effective_from": {"type": "string", "format": "date"},
        "effective_to": {"type": "string", "format": "date"},
        "note": {"type": "string", "maxLength": 500},
    }
    file = {"file": {"type": "string", "format": "binary"}, **said}
    content = {FORM: {"schema": {"type": "object", "required": ["file"], "properties": file}}}
    if text:
        edited = {"text": {"type": "string"}, **said}
        content[JSON] = {"schema": {"type": "object", "required": ["text"], "properties": edited}}
    return {"requestBody": {"required": True, "content": content}}


async def sent(request: Request, *, text: bool) -> Sent:
    """The document of a request; with `text` it may be JSON. Raises InvalidRequest, a validation
    error, DocumentTooLarge, and UnreadableDocument for any other kind of body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == FORM:
            return await _form(request)
        if kind == JSON and text:
            return await _text(request)
    except BodyTooLarge:
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdigit() else DOCUMENT_BYTES + 1
        raise _naming("file", DocumentTooLarge("The file", size, DOCUMENT_BYTES)) from None
    ways = f"a form with a file ({FORM})" + (f" or the text as {JSON}" if text else "")
    raise _naming("file", UnreadableDocument(f"Send {ways}."))


def _naming(part: str, error: DocumentTooLarge | UnreadableDocument) -> Exception:
    error.field = part
    return error


async def _form(request: Request) -> Sent:
    try:
        form = await request.form(max_files=1, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    except BodyTooLarge:
        raise
    except HTTPException:
        raise InvalidRequest(
            "The form cannot be read: send one file, and beside it short fields only.",
            field="file",
        ) from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise InvalidRequest("Send the document as the form's field 'file'.", field="file")
        said = _checked(StatedIn, _fields(form))
        return Sent(file_name(file.filename), await file.read(DOCUMENT_BYTES), said)
    finally:
        await form.close()


def _fields(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _text(request: Request) -> Sent:
    body = await request.body()
    try:
        read = await asyncio.to_thread(TextIn.model_validate_json, body)
    except ValidationError as error:
        raise _as_ours(error) from None
    return Sent("", read.text, read, read.cleared())


def _checked(model: type[StatedIn], values: dict[str, str]) -> StatedIn:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _as_ours(error) from None


def _as_ours(error: ValidationError) -> RequestValidationError:
    """As FastAPI itself would have told it of a body."""
    return RequestValidationError(
        [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
    )


def file_name(given: str) -> str:
    """With its folders, as a browser sends those of a folder, and nothing that leads out."""
    path = PurePosixPath(clean(given).replace("\\", "/").replace("\n", " "))
    kept = [part for part in path.parts if part not in ("/", ".", "..")]
    name = "/".join(kept)[-_NAME_LENGTH:].lstrip("/")
    if not name:
        raise InvalidRequest("The file has no name.", field="file")
    return name.encode("utf-8", "replace").decode()
