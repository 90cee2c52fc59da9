"""What the commands share: options, the way to a command's lines, progress on stderr."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.settings import Settings

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept.")]
Model = Annotated[str | None, typer.Option("--model", help="NAME, PATH or hf://repo@rev/file.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


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
