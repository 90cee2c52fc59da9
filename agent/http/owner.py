"""The owner's door: commands over the data directory's Unix socket.

The file's mode (0600) is the authentication; this app is never bound to a network address.
Answers are JSON lines as commands yield them; an error is the last line, `{"error": …}`.
"""

import json
import logging
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from agent.commands import Opened, dispatch
from agent.conversation.replaying import Replayer
from agent.errors import FrontdeskError
from agent.services import Services
from knowledge_base.errors import KnowledgeError

log = logging.getLogger(__name__)


def create_owner_app(services: Services) -> Starlette:
    opened = Opened(
        library=services.library,
        answerer=services.answerer,
        records=services.records,
        replayer=Replayer(services.engine, services.records),
        reporter=services.outcomes.reporter,
        gate=services.gate,
    )

    async def command(request: Request) -> StreamingResponse:
        arguments = await request.json()
        lines = _lines(request.path_params["name"], arguments, opened)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return Starlette(routes=[Route("/commands/{name}", command, methods=["POST"])])


async def _lines(name: str, arguments: dict[str, object], opened: Opened) -> AsyncIterator[str]:
    try:
        async for line in dispatch(name, arguments, opened):
            yield json.dumps(line) + "\n"
    except (FrontdeskError, KnowledgeError) as error:
        code = getattr(error, "code", "error")
        yield json.dumps({"error": {"code": code, "message": str(error)}}) + "\n"
    except Exception:
        log.exception("The command %s failed", name)
        message = "The server hit an unexpected error; its log says more."
        yield json.dumps({"error": {"code": "internal_error", "message": message}}) + "\n"
