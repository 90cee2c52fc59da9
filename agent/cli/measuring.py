"""`frontdesk eval` and `frontdesk bench`: how good, and how fast."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.common import DataDir, Model, command, count, counted, tell
from agent.settings import load_settings
from agent.weights import store


def evaluate(
    file: Annotated[Path, typer.Argument(help="Items, one JSON object a line.", exists=True)],
    kb_dir: Annotated[
        Path | None, typer.Option("--kb", help="Answer from this folder alone.", exists=True)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first items.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Measure this instead of Frontdesk: langchain.")
    ] = None,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="Slower, and the same words every time.")
    ] = False,
    data_dir: DataDir = None,
    model: Model = None,
) -> None:
    """Measure answers against an evaluation file. An interrupted run with --out goes on where it
    stopped when it is started again."""
    from agent.evaluation.baseline import BASELINES
    from agent.evaluation.dataset import Item, load_items
    from agent.evaluation.measuring import measure, measurement, opened_journal, write
    from agent.evaluation.runner import AT_ONCE, answers_apart

    if baseline is not None and baseline not in BASELINES:
        raise typer.BadParameter(f"choose of {', '.join(BASELINES)}", param_hint="--baseline")
    if baseline is not None and kb_dir is None:
        raise typer.BadParameter("a baseline needs documents of its own", param_hint="--kb")
    settings = load_settings(data_dir=data_dir, model=model)
    items = load_items(file, limit)
    at_once = 1 if one_by_one else AT_ONCE

    def ask(left: list[Item]) -> AsyncIterator[dict[str, Any]]:
        if kb_dir is None:
            told = [item.model_dump(mode="json") for item in left]
            return command(settings, "evaluate", items=told, at_once=at_once)
        if baseline is not None:
            return BASELINES[baseline](settings, kb_dir, left, count)
        return answers_apart(settings, kb_dir, left, count, at_once)

    with opened_journal(out, measurement(settings, file, kb_dir, baseline)) as journal:
        report = asyncio.run(measure(items, ask, journal, count))
        if out is not None:
            write(report, out)
    counted()
    print(json.dumps({k: v for k, v in report.items() if k != "per_item"}, indent=1))


def bench(
    against: Annotated[
        str | None, typer.Option(help="Peers, comma-separated: langchain,llama-server,…")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes, and a picture.")] = None,
    customers: Annotated[
        str, typer.Option(help="Customers at once : answers measured, comma-separated.")
    ] = "1:8,4:12,16:16",
    grow: Annotated[
        bool, typer.Option("--growth/--no-growth", help="Also longer passages, more passages.")
    ] = True,
    model: Model = None,
) -> None:
    """Measure this machine: Frontdesk's engine beside what one would use instead."""
    from agent.benchmark import report
    from agent.benchmark.run import bench as measure

    settings = load_settings(model=model)
    levels = []
    for level in customers.split(","):
        at_once, _, answers = level.partition(":")
        if not (at_once.strip().isdigit() and answers.strip().isdigit() and int(at_once) > 0):
            raise typer.BadParameter("write it like 1:8,4:12", param_hint="--customers")
        levels.append((int(at_once), int(answers)))
    found = measure(
        store.resolve(settings.model, settings.weights_dir),
        store.resolve(None, settings.weights_dir, kind="embedding"),
        tuning=settings.weights_dir,
        against=against,
        levels=levels,
        grow=grow,
        tell=tell,
    )
    print(report.table(found))
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        report.plot(found, out.with_suffix(".svg"))
