"""How much a request may send.

Owns the size of bodies. Refuses to know what is in them. Invariant: no more than the limit is ever
handed on, whether the length was announced, was announced wrongly, or was not (chunked).
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_BYTES: Final = 64 * 1024
# A batch of passages to embed, or a long chat, is larger than anything a customer types.
OPENAI_BYTES: Final = 4 * 1024 * 1024
# The largest kind of document, and what is said of it beside.
DOCUMENT_BYTES: Final = 26_000_000
DOCUMENTS_PATH: Final = "/api/v1/admin/documents"


class BodyTooLarge(HTTPException):
    """An HTTPException, because FastAPI turns any other error of reading a body into a 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is too large: at most {limit // 1024} kB are accepted.")


def limit_for(path: str) -> int:
    if path.startswith(DOCUMENTS_PATH):
        return DOCUMENT_BYTES
    return OPENAI_BYTES if path.startswith("/v1/") else JSON_BYTES


class BodyLimit:
    """Pure ASGI: raises BodyTooLarge where the application reads the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = limit_for(scope["path"])
        announced = Headers(scope=scope).get("content-length", "")
        size = 0

        async def counted() -> Message:
            nonlocal size
            if announced.isdigit() and int(announced) > limit:
                raise BodyTooLarge(limit)
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise BodyTooLarge(limit)
            return message

        await self.app(scope, counted, send)
