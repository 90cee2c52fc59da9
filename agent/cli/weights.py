"""`frontdesk models`: which can be had, which are here, which one answers."""

import json
import sys
from typing import Annotated

import typer

from agent.cli.common import Json, Model, tell
from agent.settings import load_settings
from agent.weights import store
from agent.weights.progress import shown

models = typer.Typer(no_args_is_help=True, help="Model weights.")


@models.command("list")
def models_list(as_json: Json = False) -> None:
    """Models that can be had and those that are here."""
    listed = store.models_list(load_settings().weights_dir)
    if as_json:
        here = [
            {"name": m.name, "path": str(m.path), "sha256": m.sha256, "active": m.active}
            for m in listed
            if m.path is not None
        ]
        print(json.dumps(here))
        return
    for m in listed:
        state = "active" if m.active else "here" if m.path else ""
        size = f"{m.bytes / 1e9:.1f} GB" if m.bytes else ""
        print(f"{m.name:<34} {m.kind:<10} {state:<7} {size:>7}  {m.note}")


@models.command("pull")
def models_pull(
    name: Annotated[str, typer.Argument(help="NAME, a path, hf://repo@revision/file, default.")],
) -> None:
    """Fetch a model and make it the one that answers."""
    from agent.weights.fetch import pull

    with shown() as progress:
        pulled = pull(name, load_settings().weights_dir, progress=progress)
    for weights in pulled:
        print(f"{weights.name} ({weights.source}): {weights.path}")


@models.command("optimize")
def models_optimize(
    use: Annotated[bool, typer.Option(help="Let the new file answer from now on.")] = False,
    model: Model = None,
) -> None:
    """Store the chat model in the format that this machine computes fastest."""
    from agent.commands import optimize_model

    settings = load_settings(model=model)
    said = tell if sys.stderr.isatty() else lambda _line: None
    found = optimize_model(settings, said, use=use)
    print(f"{found.weights.name}: {found.weights.path}\n  {'':<42}{'now':>12}{'new':>12}")
    for name, before, after in found.lines:
        print(f"  {name:<42}{before:>12}{after:>12}")
    if not use:
        print("It is used with `frontdesk models optimize --use`, or by this path as the model.")


@models.command("verify")
def models_verify() -> None:
    """Compare every model file with its SHA-256."""
    with shown() as progress:
        results = store.verify(load_settings().weights_dir, progress=progress)
    for result in results:
        state = "ok" if result.ok else f"WRONG: expected {result.expected}, found {result.found}"
        print(f"{result.name}: {state}")
    if not all(result.ok for result in results):
        raise typer.Exit(1)
