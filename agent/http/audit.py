"""The one place that writes down who of the staff and the admins did what.

Owns which requests are recorded and what of them: every write of the staff's and the admins' API
by somebody who is known, done or refused, and what a route says of a sign-in. Refuses to read
bodies. Invariant: a route need not think of it, and cannot forget it: it is recorded under its own
name before its answer is sent.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors import Unavailable
from agent.http.auth import client_address
from agent.http.middleware import CUSTOMERS_PATH
from agent.services import Services
from agent.storage.audit import Actor, Entry

log = logging.getLogger(__name__)

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Routes, by name, that change nothing, though they are no GET.
UNRECORDED: Final = frozenset({"presence", "preview", "preview_document", "search"})
_API: Final = "/api/v1/"


@dataclass(slots=True)
class Noted:
    """What is known of a request while it is answered."""

    actor: Actor | None = None
    subject: str | None = None
    detail: str | None = None
    status: int | None = None


def note(
    request: Request,
    *,
    actor: Actor | None = None,
    subject: str | None = None,
    detail: str | None = None,
    status: int | None = None,
) -> None:
    """Says who acts; what it is done to, where the path does not; what changes, never its words;
    how it ended, where a browser is told more kindly than by a status."""
    noted = request.scope["state"]["audit"]
    noted.actor = actor or noted.actor
    noted.subject = subject or noted.subject
    noted.detail = detail or noted.detail
    noted.status = status or noted.status


class AuditTrail:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_API):
            await self.app(scope, receive, send)
            return
        noted = Noted()
        scope.setdefault("state", {})["audit"] = noted
        answered = False

        async def recorded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                await _record(scope, noted, message["status"])
            await send(message)

        try:
            await self.app(scope, receive, recorded)
        except Exception:
            if not answered:
                await _record(scope, noted, 500)
            raise


async def _record(scope: Scope, noted: Noted, status: int) -> None:
    route = scope.get("route")
    if route is None or noted.actor is None:
        return
    if scope["method"] in READS and noted.detail is None:
        return
    if scope["path"].startswith(CUSTOMERS_PATH) or route.name in UNRECORDED:
        return
    services: Services = scope["app"].state.services
    entry = Entry(
        actor=noted.actor,
        action=action_of(route.path, route.name),
        subject=noted.subject or " ".join(map(str, scope.get("path_params", {}).values())) or None,
        detail=noted.detail,
        status=noted.status or status,
        address=client_address(Request(scope), services.settings.trusted_networks),
    )
    try:
        await asyncio.to_thread(services.records.audit.append, entry)
    except Unavailable as error:
        # What was done is done: the log is where the record can still be found.
        log.error("not in the audit log (%s): %s", error, entry.model_dump_json())


def action_of(path: str, name: str) -> str:
    """`staff.take_over`, `admin.add_user`, `account.login`."""
    room = path.removeprefix(_API).partition("/")[0]
    return f"{room if room in ('staff', 'admin') else 'account'}.{name}"
