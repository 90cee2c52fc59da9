"""The serving child: opens the services, seeds the sample, serves HTTP and the owner's socket.

Started by agent.supervisor, never by hand. Invariant: it ends by itself when its parent is gone.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from agent.answering import seed_sample
from agent.app import create_app
from agent.errors import FrontdeskError
from agent.http.owner import create_owner_app
from agent.services import Services, open_services
from agent.settings import Settings, load_settings
from agent.silence import silence_dependencies
from agent.supervisor import EXIT_SETUP, Inheritance
from agent.telemetry import configure_logging
from knowledge_base.errors import KnowledgeError
from knowledge_base.model import Progress

log = logging.getLogger(__name__)

_GRACE_S: Final = 5


class _Server(uvicorn.Server):
    """Signals are ours: two servers share one loop and stop together."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> int:
    silence_dependencies()
    settings = load_settings()
    configure_logging(settings.log_level)
    inheritance = Inheritance.decode(os.environ.pop("FRONTDESK_INHERITANCE"))
    try:
        asyncio.run(_serve(settings, inheritance, os.environ["FRONTDESK_URL"]))
    except (FrontdeskError, KnowledgeError) as error:
        print(f"frontdesk: {error}", file=sys.stderr)
        return EXIT_SETUP
    return 0


async def _serve(settings: Settings, inheritance: Inheritance, url: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, stopping.set)
    loop.add_reader(inheritance.lifeline, stopping.set)  # end-of-file: the parent is gone
    async with open_services(settings) as services:
        if settings.sample:
            await asyncio.to_thread(_seed, services)
        app = create_app(services)
        servers = [
            _server(app, socket.socket(fileno=inheritance.listening)),
            _server(create_owner_app(services), socket.socket(fileno=inheritance.admin)),
        ]
        serving = [asyncio.create_task(server.serve([sock])) for server, sock in servers]
        _greet(settings, services, url)
        await stopping.wait()
        loop.remove_reader(inheritance.lifeline)
        app.state.closing.set()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


def _server(app: object, sock: socket.socket) -> tuple[_Server, socket.socket]:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a forwarded address must never look like this machine's
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32 * 1024,
    )
    return _Server(config), sock


def _seed(services: Services) -> None:
    def show(at: Progress) -> None:
        if at.stage == "embedding":
            print(f"  indexing the sample: {at.done} of {at.total} passages", flush=True)

    seed_sample(services.library, show)


def _greet(settings: Settings, services: Services, url: str) -> None:
    documents = len(services.library.documents())
    print(
        f"\n  Frontdesk answers for {settings.company} with {services.engine.model.name} "
        f"from {documents} documents.\n"
        f"  Demo page:  {url}/demo\n"
        f"  Console:    {url}/console\n"
        f"  Admin page: {url}/admin\n"
        f"{_first_admin(settings, services, url)}"
        "  A larger model: `frontdesk models list`, `frontdesk models pull NAME`, then "
        "`frontdesk run --model NAME`.\n",
        flush=True,
    )


def _first_admin(settings: Settings, services: Services, url: str) -> str:
    """While there is no admin: a link that makes one, shown to a terminal, else kept in a file that
    only the owner reads, for what is printed may end in a log."""
    file = settings.data_dir / "first-admin"
    file.unlink(missing_ok=True)
    if not settings.password_sign_in:
        return ""  # FRONTDESK_OIDC_ROLES says who is one
    token = services.records.people.invite_first_admin()
    if token is None:
        return ""
    link = f"{url}/console#setup={token}"
    if sys.stdout.isatty():
        return f"  First admin, within 24 hours:  {link}\n"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{link}\n")
    return f"  First admin: the link is in {file}, for 24 hours.\n"


if __name__ == "__main__":
    sys.exit(main())
