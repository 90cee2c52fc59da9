"""What an error looks like from outside: the one table of classes and status codes.

Owns RFC 9457 problems for our API and OpenAI-shaped errors for `/v1`. Refuses to read an
exception's text to decide anything. Invariant: every answer that is not a success has one of the
two shapes, and none holds a stack trace, a path or a prompt.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from agent.errors import (
    BadConstraint,
    Busy,
    Conflict,
    Forbidden,
    FrontdeskError,
    GenerationFailed,
    InvalidRequest,
    NotAuthorized,
    NotFound,
    PromptTooLong,
    SetupError,
    TooManyRuns,
    TooManyTries,
    Unavailable,
)
from knowledge_base.errors import (
    DocumentNotFound,
    DocumentTooLarge,
    InvalidDocument,
    KnowledgeError,
    KnowledgeMoved,
    KnowledgeUnavailable,
    UnreadableDocument,
)

# An error has the status of its nearest listed class; a test holds that every class has one.
STATUS: Final[Mapping[type[Exception], int]] = {
    InvalidRequest: 422,
    NotAuthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Busy: 503,
    TooManyTries: 429,
    TooManyRuns: 429,
    Unavailable: 503,
    GenerationFailed: 500,
    PromptTooLong: 422,
    BadConstraint: 422,
    SetupError: 500,
    DocumentNotFound: 404,
    InvalidDocument: 422,
    UnreadableDocument: 415,
    DocumentTooLarge: 413,
    KnowledgeMoved: 409,
    KnowledgeUnavailable: 503,
}
# Knowledge errors carry no code of their own: they know no doors.
KNOWLEDGE_CODE: Final[Mapping[type[Exception], str]] = {
    DocumentNotFound: "not_found",
    InvalidDocument: "invalid_document",
    UnreadableDocument: "unreadable_document",
    DocumentTooLarge: "document_too_large",
    KnowledgeMoved: "knowledge_moved",
    KnowledgeUnavailable: "knowledge_unavailable",
}
# Seconds until one may ask again when a part is down and nobody knows for how long.
RETRY_WHEN_UNAVAILABLE: Final = 5
UNEXPECTED: Final = "Something went wrong on our side. Try again; the operator's log has the cause."
OPENAI_PREFIX: Final = "/v1/"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, ready to be sent. `field` names the wrong part of the input."""

    status: int
    code: str
    detail: str
    field: str | None = None
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = default(default_factory=dict)

    def as_rfc9457(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"urn:frontdesk:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field:
            body["field"] = self.field
        if self.errors:
            body["errors"] = list(self.errors)
        return body

    def as_openai(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.detail,
                "type": kind,
                "param": self.field,
                "code": self.code,
            }
        }

    def response(self, path: str) -> Response:
        if path.startswith(OPENAI_PREFIX):
            # OpenAI's API answers 400 to everything it cannot accept.
            status = 400 if self.status == 422 else self.status
            return JSONResponse(self.as_openai(), status, headers=dict(self.headers))
        return JSONResponse(
            self.as_rfc9457(),
            self.status,
            headers=dict(self.headers),
            media_type="application/problem+json",
        )


def nearest(error: type[BaseException], table: Mapping[type[Exception], Any]) -> Any:
    """The entry of the error's nearest listed class, or None."""
    return next((table[base] for base in error.__mro__ if base in table), None)


def problem_of(error: FrontdeskError | KnowledgeError) -> Problem:
    status: int = nearest(type(error), STATUS) or 500
    code = (
        error.code
        if isinstance(error, FrontdeskError)
        else nearest(type(error), KNOWLEDGE_CODE) or "knowledge_error"
    )
    headers: dict[str, str] = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_WHEN_UNAVAILABLE)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    # A set-up error speaks to the operator and may name files of the machine.
    hidden = isinstance(error, SetupError) or not str(error)
    return Problem(
        status=status,
        code=code,
        detail=UNEXPECTED if hidden else str(error),
        field=error.field if isinstance(error, InvalidRequest | InvalidDocument) else None,
        headers=headers,
    )


def problem_of_http(error: HTTPException) -> Problem:
    """Errors of the framework itself: unknown route, wrong method, unreadable body."""
    known = {
        400: ("malformed_body", "The body could not be read: send JSON in UTF-8."),
        404: ("not_found", "There is nothing at this address."),
        405: ("method_not_allowed", "This address does not take this method."),
        413: ("body_too_large", str(error.detail)),
    }
    code, detail = known.get(error.status_code, ("http_error", str(error.detail)))
    return Problem(error.status_code, code, detail, headers=dict(error.headers or {}))


def problem_of_validation(error: RequestValidationError, content_type: str) -> Problem:
    found = error.errors()
    first = found[0]
    if first["type"] == "json_invalid":
        return Problem(400, "malformed_body", "The body is not valid JSON.")
    if first["loc"] == ("body",) and error.body and "json" not in content_type:
        return Problem(
            415,
            "unsupported_media_type",
            "Send the body as JSON, with Content-Type: application/json.",
        )
    errors = [{"field": _field(one["loc"]), "detail": _sentence(one["msg"])} for one in found[:20]]
    name = errors[0]["field"]
    return Problem(
        422, "invalid_request", f"{name}: {errors[0]['detail']}", field=name, errors=errors
    )


def _field(location: Sequence[str | int]) -> str:
    inside = [str(part) for part in location[1:]] or [str(part) for part in location]
    return ".".join(inside)


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")


async def _ours(request: Request, error: FrontdeskError | KnowledgeError) -> Response:
    return problem_of(error).response(request.url.path)


async def _framework(request: Request, error: HTTPException) -> Response:
    return problem_of_http(error).response(request.url.path)


async def _validation(request: Request, error: RequestValidationError) -> Response:
    content_type = request.headers.get("content-type", "")
    return problem_of_validation(error, content_type).response(request.url.path)


def install(app: FastAPI) -> None:
    # Starlette types every handler as one of any exception, but calls it with its own class only.
    app.add_exception_handler(FrontdeskError, _ours)  # type: ignore[arg-type]
    app.add_exception_handler(KnowledgeError, _ours)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _framework)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _validation)  # type: ignore[arg-type]
