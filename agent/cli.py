"""The `frontdesk` command: words in, words out; what it does is in other modules.

Exit codes: 0 done, 1 failed with one clear line on stderr and no traceback, 2 wrong usage.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.errors import FrontdeskError
from agent.settings import Settings, load_settings
from agent.silence import silence_dependencies
from agent.weights import store
from agent.weights.progress import shown
from knowledge_base.errors import KnowledgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted AI customer-service agent that answers from your policies.",
)
kb = typer.Typer(no_args_is_help=True, help="The knowledge base.")
models = typer.Typer(no_args_is_help=True, help="Model weights.")
keys = typer.Typer(no_args_is_help=True, help="API keys for other programs.")
app.add_typer(kb, name="kb")
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept.")]
Model = Annotated[str | None, typer.Option("--model", help="NAME, PATH or hf://repo@rev/file.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)] = None,
    data_dir: DataDir = None,
    model: Model = None,
) -> None:
    """Serve the widget, the API and the demo page until stopped."""
    from agent import supervisor
    from agent.telemetry import configure_logging

    settings = load_settings(host=host, port=port, data_dir=data_dir, model=model)
    configure_logging(settings.log_level)
    given = {"HOST": host, "PORT": port, "DATA_DIR": settings.data_dir, "MODEL": model}
    for name, value in given.items():
        if value is not None:
            os.environ[f"FRONTDESK_{name}"] = str(value)
    raise typer.Exit(supervisor.run(settings))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What a customer would ask.")],
    as_json: Json = False,
    data_dir: DataDir = None,
    model: Model = None,
) -> None:
    """Answer a question in the terminal, with its sources."""
    if not question.strip():
        raise typer.BadParameter("The question is empty.")

    settings = load_settings(data_dir=data_dir, model=model)

    async def answer() -> dict[str, Any]:
        message: dict[str, Any] = {}
        async for line in _command(settings, "ask", question=question.strip()):
            if "text" in line and not as_json:
                print(line["text"], end="", flush=True)
            message = line.get("result", message)
        return message

    message = asyncio.run(answer())
    if as_json:
        print(json.dumps(message, ensure_ascii=False))
        return
    print()
    if message.get("replaced"):
        print(f"\nCorrected after a check against the sources:\n{message['content']}")
    for citation in message.get("citations", []):
        where = " — ".join(part for part in (citation["title"], citation.get("section")) if part)
        print(f"\n[{citation['n']}] {where} (revision {citation['revision']})")
        print(f"    “{' '.join(citation['quote'].split())}”")


@kb.command("add")
def kb_add(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.", exists=True)],
    source: Annotated[str | None, typer.Option(help="Name of the source.")] = None,
    publish: Annotated[bool, typer.Option(help="Show it to customers at once.")] = False,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Take documents in, as drafts unless --publish is given."""
    arguments = {
        "paths": [str(path.absolute()) for path in paths],
        "source": source,
        "publish": publish,
    }
    settings = load_settings(data_dir=data_dir)
    added = asyncio.run(_result(settings, "kb_add", **arguments))
    if as_json:
        print(json.dumps(added, ensure_ascii=False))
        return
    refused = [item for item in added if item.get("error")]
    for item in refused:
        print(f"left out  {item['key']}: {item['error']}", file=sys.stderr)
    unchanged = sum(bool(item.get("unchanged")) for item in added)
    print(
        f"{len(added) - len(refused)} documents "
        f"({'published' if publish else 'drafts: publish them with `frontdesk kb publish ID`'}), "
        f"{unchanged} unchanged, {len(refused)} left out."
    )
    if refused and len(refused) == len(added):
        raise typer.Exit(1)


@kb.command("list")
def kb_list(as_json: Json = False, data_dir: DataDir = None) -> None:
    """All documents."""
    documents = asyncio.run(_result(load_settings(data_dir=data_dir), "kb_list"))
    if as_json:
        wanted = ("id", "title", "source", "key", "revision", "status")
        print(json.dumps([{k: d[k] for k in wanted} for d in documents], ensure_ascii=False))
        return
    for document in documents:
        revision = f"r{document['revision']}"
        print(f"{document['id']}  {document['status']:<9} {revision:<4} {document['title']}")


@kb.command("search")
def kb_search(
    query: str,
    k: Annotated[int, typer.Option(min=1, max=50)] = 5,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """The passages that a customer's question finds."""
    hits = asyncio.run(_result(load_settings(data_dir=data_dir), "kb_search", query=query, k=k))
    if as_json:
        print(json.dumps(hits, ensure_ascii=False))
        return
    for hit in hits:
        print(
            f"{hit['score']:.3f}  {hit['title']} — {hit['section'] or ''}  ({hit['document_id']})"
        )
        print(f"       {' '.join(hit['text'].split())[:160]}…")


@kb.command("publish")
def kb_publish(document_id: str, data_dir: DataDir = None) -> None:
    """Show the latest revision of a document to customers."""
    _report(
        asyncio.run(
            _result(load_settings(data_dir=data_dir), "kb_publish", document_id=document_id)
        )
    )


@kb.command("rollback")
def kb_rollback(document_id: str, revision: int, data_dir: DataDir = None) -> None:
    """Publish a new revision with the content of an earlier one."""
    settings = load_settings(data_dir=data_dir)
    _report(
        asyncio.run(_result(settings, "kb_rollback", document_id=document_id, revision=revision))
    )


@kb.command("rebuild")
def kb_rebuild(data_dir: DataDir = None) -> None:
    """Make the search index again from the catalogue."""
    result = asyncio.run(_result(load_settings(data_dir=data_dir), "kb_rebuild"))
    print(f"Rebuilt the index of {result['documents']} documents.")


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
    tell = _tell if sys.stderr.isatty() else lambda _line: None
    found = optimize_model(settings, tell, use=use)
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


@keys.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="What the key is for.")], data_dir: DataDir = None
) -> None:
    """Make an API key; it is shown once."""
    result = asyncio.run(_result(load_settings(data_dir=data_dir), "keys_add", label=name))
    print(result["key"])


@app.command("eval")
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
    data_dir: DataDir = None,
    model: Model = None,
) -> None:
    """Measure answers against an evaluation file. An interrupted run with --out goes on where it
    stopped when it is started again."""
    from agent.evaluation.baseline import BASELINES
    from agent.evaluation.dataset import Item, load_items
    from agent.evaluation.measuring import measure, measurement, opened_journal, write
    from agent.evaluation.runner import answers_apart

    if baseline is not None and baseline not in BASELINES:
        raise typer.BadParameter(f"choose of {', '.join(BASELINES)}", param_hint="--baseline")
    if baseline is not None and kb_dir is None:
        raise typer.BadParameter("a baseline needs documents of its own", param_hint="--kb")
    settings = load_settings(data_dir=data_dir, model=model)
    items = load_items(file, limit)

    def ask(left: list[Item]) -> AsyncIterator[dict[str, Any]]:
        if kb_dir is None:
            told = [item.model_dump(mode="json") for item in left]
            return _command(settings, "evaluate", items=told)
        answers = answers_apart if baseline is None else BASELINES[baseline]
        return answers(settings, kb_dir, left, _count)

    with opened_journal(out, measurement(settings, file, kb_dir, baseline)) as journal:
        report = asyncio.run(measure(items, ask, journal, _count))
        if out is not None:
            write(report, out)
    _counted()
    print(json.dumps({k: v for k, v in report.items() if k != "per_item"}, indent=1))


@app.command()
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
        tell=_tell,
    )
    print(report.table(found))
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        report.plot(found, out.with_suffix(".svg"))


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """What is missing, what would leave the machine, and what to do about it."""
    from agent.doctor import examine

    findings = asyncio.run(examine(load_settings(data_dir=data_dir)))
    for finding in findings:
        print(f"{finding.mark}  {finding.subject}: {finding.detail}")
    if any(finding.level == "missing" for finding in findings):
        raise typer.Exit(1)


async def _command(
    settings: Settings, name: str, **arguments: Any
) -> AsyncIterator[dict[str, Any]]:
    from agent.doorway import command  # imports the model's library: not for --help

    async for line in command(settings, name, **arguments):
        yield line


async def _result(settings: Settings, name: str, **arguments: Any) -> Any:
    result = None
    async for line in _command(settings, name, **arguments):
        if "progress" in line:
            _count(**line["progress"])
        result = line.get("result", result)
    _counted()
    return result


def _count(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r  {done} of {total}", end="", file=sys.stderr, flush=True)


def _counted() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def _tell(line: str) -> None:
    print(f"  {line} …", file=sys.stderr, flush=True)


def _report(document: dict[str, Any]) -> None:
    print(f"{document['title']}: revision {document['revision']} is {document['status']}.")


def main() -> None:
    silence_dependencies()
    try:
        app()
    except (FrontdeskError, KnowledgeError) as error:
        print(f"frontdesk: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
