"""What the commands share: options, the way to a command's lines, progress on stderr."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.errors import InvalidRequest
from agent.settings import Settings

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept.")]
Model = Annotated[str | None, typer.Option("--model", help="NAME, PATH or hf://repo@rev/file.")]
Drafts = Annotated[
    bool, typer.Option("--drafts", help="With each document's newest revision, published or not.")
]
At = Annotated[
    str | None, typer.Option("--at", help="As it was at the end of a day, or at a moment.")
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def moment(at: str | None, settings: Settings) -> str | None:
    """The moment that `--at` means."""
    from agent.conversation.trying import moment_of

    try:
        return None if at is None else moment_of(at, settings.time_zone).isoformat()
    except InvalidRequest as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None


async def command(settings: Settings, name: str, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
    from agent import doorway  # imports the model's library: not for --help

    async for line in doorway.command(settings, name, **arguments):
        yield line


async def result(settings: Settings, name: str, **arguments: Any) -> Any:
    result = None
    async for line in command(settings, name, **arguments):
        if "progress" in line:
            count(**line["progress"])
        result = line.get("result", result)
    counted()
    return result


def count(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r  {done} of {total}", end="", file=sys.stderr, flush=True)


def counted() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def tell(line: str) -> None:
    print(f"  {line} …", file=sys.stderr, flush=True)
