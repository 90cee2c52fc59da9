"""How the command line reaches the stores: through the running server, or by itself.

Invariant: a data directory is opened by one process at a time; while a server holds it, commands
go through its Unix socket, else they take the lock and open just what they need.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx

from agent.answering import gate_of, open_answering, open_knowledge, seed_sample
from agent.commands import COMMANDS, Line, Opened, dispatch
from agent.conversation.replaying import Replayer
from agent.errors import DataDirectoryLocked, FrontdeskError, Unavailable
from agent.lock import holder, locked
from agent.outcomes.report import Reporter
from agent.settings import Settings
from agent.storage.records import Records

_STARTING_S = 120.0  # a server that holds the directory but does not serve yet may be indexing


class CommandFailed(FrontdeskError):
    """The server refused or failed; its own words."""

    code = "command_failed"


async def command(settings: Settings, name: str, **arguments: Any) -> AsyncIterator[Line]:
    """The lines of one command. Raises FrontdeskError or KnowledgeError with a clear sentence."""
    found = holder(settings.data_dir)
    if found is None:
        async for line in _alone(settings, name, arguments):
            yield line
        return
    waited = 0.0
    while found is not None and found.socket is None and waited < _STARTING_S:
        await asyncio.sleep(0.2)
        waited += 0.2
        found = holder(settings.data_dir)
    if found is None or found.socket is None:
        raise DataDirectoryLocked(
            f"{settings.data_dir} is in use by another command. Try again when it is done."
        )
    async for line in _through(found.socket, name, arguments):
        yield line


async def _through(socket: str, name: str, arguments: dict[str, Any]) -> AsyncIterator[Line]:
    transport = httpx.AsyncHTTPTransport(uds=socket)
    timeout = httpx.Timeout(10.0, read=None)  # indexing a folder may be silent for a while
    async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
        try:
            async with client.stream(
                "POST", f"http://frontdesk/commands/{name}", json=arguments
            ) as response:
                response.raise_for_status()
                async for text in response.aiter_lines():
                    line = json.loads(text)
                    if "error" in line:
                        raise CommandFailed(line["error"]["message"])
                    yield line
        except httpx.HTTPError as error:
            raise Unavailable(
                "The running server did not answer on its admin socket. If it hangs, stop it and "
                "try again."
            ) from error


async def _alone(settings: Settings, name: str, arguments: dict[str, Any]) -> AsyncIterator[Line]:
    need = COMMANDS[name].need
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(settings.data_dir))
        if need == "records":
            records = await asyncio.to_thread(Records.open, settings.sql_url)
            stack.callback(records.close)
            opened = Opened(records=records)
        elif need == "library":
            knowledge = await stack.enter_async_context(open_knowledge(settings))
            opened = Opened(library=knowledge.library)
        elif need == "reporter":
            knowledge = await stack.enter_async_context(open_knowledge(settings))
            records = await asyncio.to_thread(Records.open, settings.sql_url)
            stack.callback(records.close)
            opened = Opened(reporter=Reporter(settings, records, knowledge.library))
        else:
            answering = await stack.enter_async_context(open_answering(settings))
            if settings.sample:
                await asyncio.to_thread(seed_sample, answering.knowledge.library)
            records = await asyncio.to_thread(Records.open, settings.sql_url)
            stack.callback(records.close)
            gate = await stack.enter_async_context(gate_of(settings, records, answering).working())
            opened = Opened(
                answerer=answering.answerer,
                replayer=Replayer(answering.engine, records),
                gate=gate,
            )
        async for line in dispatch(name, arguments, opened):
            yield line
