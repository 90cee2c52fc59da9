"""The web application: which routes exist, what wraps them, and how it stops.

Owns the order of the middleware. Refuses to know how services are made. Invariant: no page or
description of the API is loaded from another host. Whoever serves the application sets
`app.state.closing` before it stops: event streams end then, and else only with their readers.
"""

import asyncio

from fastapi import FastAPI

from agent.http import errors
from agent.http.audit import AuditTrail
from agent.http.limits import BodyLimit
from agent.http.middleware import CustomersCors, RequestLog, SecurityHeaders
from agent.http.oidc import Provider
from agent.http.routes import (
    admin,
    analytics,
    backstage,
    chatwoot,
    conversations,
    documents,
    gaps,
    gate,
    golden,
    health,
    oidc,
    openai,
    pages,
    sessions,
    sources,
    staff,
    trying,
    widget,
    words,
)
from agent.services import Services
from agent.settings import Settings


def create_app(services: Services) -> FastAPI:
    app = FastAPI(
        title="Frontdesk",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # With an OpenTelemetry exporter installed, spans and metrics would leave the machine.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    app.state.provider = _provider(services.settings)
    app.state.closing = asyncio.Event()
    app.state.documents_writing = asyncio.Lock()
    errors.install(app)
    people = (sessions, oidc, staff, admin, documents, sources, gate, golden, backstage)
    knowing = (analytics, words, trying, gaps)
    for routes in (conversations, *people, *knowing, widget, chatwoot, openai, health, pages):
        app.include_router(routes.router)
    app.include_router(documents.reading)
    app.mount("/static", pages.static_files)
    # The last added is the outermost: headers and CORS are on every answer, errors included.
    app.add_middleware(BodyLimit)
    app.add_middleware(AuditTrail)
    app.add_middleware(RequestLog)
    app.add_middleware(CustomersCors)
    app.add_middleware(SecurityHeaders)
    return app


def _provider(settings: Settings) -> Provider | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    return Provider(
        settings.oidc_issuer, settings.oidc_client_id, secret.get_secret_value() if secret else ""
    )
