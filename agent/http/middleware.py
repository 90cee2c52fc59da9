"""What wraps every request: its id, its line in the log, its numbers, its headers.

Owns security headers, CORS for the customers' API, and the last net for unexpected errors. Refuses
to know routes beyond their path. Invariant: nothing an exception says reaches a client; the answer
and the log share an id by which an operator finds the cause.
"""

import logging
import time
from collections.abc import Iterable
from secrets import token_hex
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent import telemetry
from agent.http.errors import UNEXPECTED, Problem

log = logging.getLogger(__name__)

FRAME_PATH: Final = "/widget/frame"
LOADER_PATH: Final = "/widget/loader.js"
CUSTOMERS_PATH: Final = "/api/v1/conversations"

_CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors "
)
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def widget_origins(scope: Scope) -> tuple[str, ...]:
    origins: tuple[str, ...] = scope["app"].state.services.settings.widget_origins
    return origins


def frame_ancestors(path: str, origins: Iterable[str]) -> str:
    """Only the widget's frame may be embedded, and only where the operator said so."""
    return " ".join(("'self'", *origins)) if path == FRAME_PATH else "'none'"


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        ancestors = frame_ancestors(path, widget_origins(scope))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_ALWAYS)
                headers["Content-Security-Policy"] = _CONTENT_POLICY + ancestors
                # Host pages with COEP may load only scripts that say so.
                shared = path == LOADER_PATH
                headers["Cross-Origin-Resource-Policy"] = (
                    "cross-origin" if shared else "same-origin"
                )
            await send(message)

        await self.app(scope, receive, with_headers)


class CustomersCors:
    """Lets pages of the widget's origins call the customers' API, and nobody call anything else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(CUSTOMERS_PATH):
            await self.app(scope, receive, send)
            return
        cors = CORSMiddleware(
            self.app,
            allow_origins=widget_origins(scope),
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Last-Event-ID"),
            expose_headers=("Retry-After", "X-Request-ID"),
        )
        await cors(scope, receive, send)


class RequestLog:
    """Gives a request its id, counts it, and turns an unexpected exception into a 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = token_hex(8)
        token = telemetry.REQUEST_ID.set(request_id)
        started = time.perf_counter()
        status: int | None = None
        streamed = False

        async def watched(message: Message) -> None:
            nonlocal status, streamed
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                streamed = headers.get("content-type", "").startswith("text/event-stream")
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            log.debug("the client of request %s left before its answer", request_id)
        except Exception:
            log.exception("unexpected error in request %s", request_id)
            if status is None:
                failure = Problem(500, "internal_error", f"{UNEXPECTED} Request {request_id}.")
                await failure.response(scope["path"])(scope, receive, watched)
        finally:
            self._record(scope, status, time.perf_counter() - started, streamed)
            telemetry.REQUEST_ID.reset(token)

    def _record(self, scope: Scope, status: int | None, seconds: float, streamed: bool) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = route_template(scope)
        telemetry.HTTP_REQUESTS.labels(method, route, str(status or "gone")).inc()
        if not streamed:
            telemetry.HTTP_SECONDS.labels(method, route).observe(seconds)
        log.info("%s %s %s %.0f ms", method, route, status or "gone", seconds * 1000)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_template(scope: Scope) -> str:
    """`/api/v1/conversations/{conversation_id}`: paths hold ids, which are no label's business."""
    template = getattr(scope.get("route"), "path", None)
    return str(template) if template else "unmatched"
