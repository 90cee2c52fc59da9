"""The web application: which routes exist, what wraps them, and how it stops.

Owns the order of the middleware and the end of open event streams at shutdown. Refuses to know how
services are made. Invariant: no page or description of the API is loaded from another host.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvicorn
from fastapi import FastAPI

from agent.http import errors
from agent.http.limits import BodyLimit
from agent.http.middleware import CustomersCors, RequestLog, SecurityHeaders
from agent.http.routes import conversations, health, openai, pages
from agent.services import Services

ServicesFactory = Callable[[], AbstractAsyncContextManager[Services]]


def create_app(services: Services | ServicesFactory) -> FastAPI:
    """The application on open services, or on services that it opens and closes itself."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if isinstance(services, Services):
            yield
            return
        async with services() as opened:
            app.state.services = opened
            yield

    app = FastAPI(
        title="Frontdesk",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Spans and metrics would leave the machine as soon as an OpenTelemetry exporter is installed.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    if isinstance(services, Services):
        app.state.services = services
    app.state.closing = asyncio.Event()
    errors.install(app)
    for routes in (conversations, openai, health, pages):
        app.include_router(routes.router)
    app.mount("/static", pages.static_files)
    # The last added is the outermost: headers and CORS are on every answer, errors included.
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestLog)
    app.add_middleware(CustomersCors)
    app.add_middleware(SecurityHeaders)
    return app


class Server(uvicorn.Server):
    """Uvicorn that ends the event streams first: it would wait for their readers forever."""

    def __init__(self, app: FastAPI, *, host: str, port: int, drain_s: float = 10.0) -> None:
        self.closing: asyncio.Event = app.state.closing
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                # A forwarded address must never look like this machine's (see agent.http.auth).
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(drain_s)),
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.closing.set()
        await super().shutdown(sockets)
