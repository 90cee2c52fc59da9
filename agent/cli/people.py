"""`frontdesk users` and `frontdesk keys`: who may sign in, which programs may call."""

import asyncio
import sys
from enum import StrEnum
from typing import Annotated

import typer

from agent.cli.common import DataDir, result
from agent.settings import load_settings

users = typer.Typer(no_args_is_help=True, help="Staff and admins.")
keys = typer.Typer(no_args_is_help=True, help="API keys for other programs.")


class Role(StrEnum):
    staff = "staff"
    supervisor = "supervisor"
    admin = "admin"


@users.callback()
def _users() -> None:
    """Keeps `add` a command of its own while it is the only one."""


@users.command("add")
def users_add(
    email: Annotated[str, typer.Argument(help="What they sign in with.")],
    role: Annotated[Role, typer.Option(help="Each may what those before it may.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Add somebody who may sign in to the console, and as an admin to the admin page."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    settings = load_settings(data_dir=data_dir)
    arguments = {"email": email, "password": password, "role": role.value}
    made = asyncio.run(result(settings, "users_add", **arguments))
    print(f"{made['email']} may sign in as {made['role']}.")


@keys.callback()
def _keys() -> None:
    """Keeps `add` a command of its own while it is the only one."""


@keys.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: Annotated[
        Role | None, typer.Option(help="Lets it call what such staff may call as well.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an API key; it is shown once."""
    settings = load_settings(data_dir=data_dir)
    chosen = role.value if role else None
    made = asyncio.run(result(settings, "keys_add", label=name, role=chosen))
    print(made["key"])
