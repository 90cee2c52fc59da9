"""`frontdesk kb` and `frontdesk gaps`: documents in, out, found; what they do not answer."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.common import At, DataDir, Drafts, Json, moment, result
from agent.settings import load_settings

kb = typer.Typer(no_args_is_help=True, help="The knowledge base.")
gaps = typer.Typer(no_args_is_help=True, help="What customers ask and are not answered.")


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
    added = asyncio.run(result(settings, "kb_add", **arguments))
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


@kb.command("sync")
def kb_sync(
    folder: Annotated[Path, typer.Argument(help="A folder, a Git checkout or a ZIP.", exists=True)],
    source: Annotated[str, typer.Option(help="Name of the source; its other files are retired.")],
    publish: Annotated[bool, typer.Option(help="Show changes to customers at once.")] = False,
    watch: Annotated[
        float | None, typer.Option(min=1, help="Go on, looking again every so many seconds.")
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Make a source's documents those of a folder: new, changed and vanished files."""
    arguments = {"folder": str(folder.absolute()), "source": source, "publish": publish}
    settings = load_settings(data_dir=data_dir)
    while True:
        done = asyncio.run(result(settings, "kb_sync", **arguments))
        if as_json:
            print(json.dumps(done, ensure_ascii=False), flush=True)
        else:
            _report_sync(done, quiet=watch is not None)
        if watch is None:
            break
        time.sleep(watch)


def _report_sync(done: list[dict[str, Any]], *, quiet: bool) -> None:
    refused = [one for one in done if one["error"]]
    retired = [one for one in done if one["retired"]]
    kept = [one for one in done if one["unchanged"]]
    changed = len(done) - len(refused) - len(retired) - len(kept)
    for one in refused:
        print(f"left out  {one['key']}: {one['error']}", file=sys.stderr)
    for one in retired:
        print(f"retired   {one['key']}")
    if changed or retired or not quiet:
        print(
            f"{changed} new or changed, {len(kept)} unchanged, {len(retired)} retired, "
            f"{len(refused)} left out.",
            flush=True,
        )


@kb.command("list")
def kb_list(as_json: Json = False, data_dir: DataDir = None) -> None:
    """All documents."""
    documents = asyncio.run(result(load_settings(data_dir=data_dir), "kb_list"))
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
    drafts: Drafts = False,
    at: At = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """The passages that a customer's question finds."""
    settings = load_settings(data_dir=data_dir)
    over = {"drafts": drafts, "at": moment(at, settings)}
    hits = asyncio.run(result(settings, "kb_search", query=query, k=k, **over))
    if as_json:
        print(json.dumps(hits, ensure_ascii=False))
        return
    for hit in hits:
        print(
            f"{hit['score']:.3f}  {hit['title']} — {hit['section'] or ''}  ({hit['document_id']})"
        )
        print(f"       {' '.join(hit['text'].split())[:160]}…")


@kb.command("conflicts")
def kb_conflicts(
    document_id: Annotated[str | None, typer.Argument(help="Its newest revision.")] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Where documents contradict or repeat what is published."""
    settings = load_settings(data_dir=data_dir)
    found = asyncio.run(result(settings, "kb_conflicts", document_id=document_id))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    excuses = {"other_period": "never in force together", "staff_only": "one is for staff"}
    for one in found:
        note = f"  (none: {excuses[one['excuse']]})" if one["excuse"] else ""
        print(f"{one['kind']}{note}")
        for side in (one["mine"], one["theirs"]):
            where = " — ".join(part for part in (side["title"], side["section"]) if part)
            print(f"  {where} ({side['document_id']}, revision {side['revision']})")
            print(f"      “{' '.join(side['quote'].split())}”")
    print(f"{sum(one['excuse'] is None for one in found)} found.")


@kb.command("publish")
def kb_publish(
    document_id: str,
    revision: Annotated[int | None, typer.Option(min=1, help="Else the latest one.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show a revision of a document to customers."""
    arguments = {"document_id": document_id, "revision": revision}
    _report(asyncio.run(result(load_settings(data_dir=data_dir), "kb_publish", **arguments)))


@kb.command("retire")
def kb_retire(document_id: str, data_dir: DataDir = None) -> None:
    """Show a document no more; publishing brings it back."""
    settings = load_settings(data_dir=data_dir)
    _report(asyncio.run(result(settings, "kb_retire", document_id=document_id)))


@kb.command("revisions")
def kb_revisions(document_id: str, as_json: Json = False, data_dir: DataDir = None) -> None:
    """The revisions of a document, newest first."""
    settings = load_settings(data_dir=data_dir)
    found = asyncio.run(result(settings, "kb_revisions", document_id=document_id))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for one in found:
        said = "  ".join(one[name] for name in ("author", "note") if one[name])
        print(f"r{one['number']:<4} {one['status']:<9} {one['created_at'][:16]}  {said}".rstrip())


@kb.command("diff")
def kb_diff(
    document_id: str,
    old: Annotated[int, typer.Argument(metavar="FROM", min=1)],
    new: Annotated[int, typer.Argument(metavar="TO", min=1)],
    data_dir: DataDir = None,
) -> None:
    """What changed in the text from one revision to another, as a unified diff."""
    arguments = {"document_id": document_id, "old": old, "new": new}
    unified = asyncio.run(result(load_settings(data_dir=data_dir), "kb_diff", **arguments))
    print(unified or "The texts are the same.", end="" if unified else "\n")


@kb.command("try")
def kb_try(
    document_id: str,
    revision: Annotated[int | None, typer.Option(help="Default: the latest.", min=1)] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """What a revision would do to the answers to past questions; nothing is published.

    Exit code 1 if an answer gets worse or loses its support.
    """
    settings = load_settings(data_dir=data_dir)
    run = asyncio.run(result(settings, "kb_try", document_id=document_id, revision=revision))
    counts = run["counts"]
    if as_json:
        print(json.dumps(run, ensure_ascii=False))
    else:
        _table(run)
    if run["state"] != "done" or counts.get("worse") or counts.get("lost_support"):
        raise typer.Exit(1)


def _table(run: dict[str, Any]) -> None:
    for item in run["items"]:
        found = item["result"]
        if found is None or found["verdict"] == "same":
            continue
        question = " ".join(item["question"]["question"].split())
        print(f"{found['verdict'].replace('_', ' '):<13} {question}")
        for side in ("old", "new"):
            said = " ".join(found[side]["text"].split())
            print(f"  {side}  {found[side]['outcome']}: {said}")
    counts = run["counts"]
    verdicts = ("worse", "lost_support", "changed", "better", "same")
    said = ", ".join(f"{counts.get(one, 0)} {one.replace('_', ' ')}" for one in verdicts)
    print(f"{len(run['items'])} questions: {said}.")
    if run["state"] != "done":
        print(f"Not done ({run['state']}). {run['error'] or ''}".strip(), file=sys.stderr)


@kb.command("rollback")
def kb_rollback(document_id: str, revision: int, data_dir: DataDir = None) -> None:
    """Publish a new revision with the content of an earlier one."""
    settings = load_settings(data_dir=data_dir)
    _report(
        asyncio.run(result(settings, "kb_rollback", document_id=document_id, revision=revision))
    )


@kb.command("rebuild")
def kb_rebuild(data_dir: DataDir = None) -> None:
    """Make the search index again from the catalogue."""
    found = asyncio.run(result(load_settings(data_dir=data_dir), "kb_rebuild"))
    print(f"Rebuilt the index of {found['documents']} documents.")


@gaps.callback()
def _gaps() -> None:
    """Keeps `list` a command of its own while it is the only one."""


@gaps.command("list")
def gaps_list(as_json: Json = False, data_dir: DataDir = None) -> None:
    """Gaps in the knowledge base, what most customers asked first."""
    found = asyncio.run(result(load_settings(data_dir=data_dir), "gaps_list"))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for gap in found:
        customers, questions = (
            _count(gap["customers"], "customer"),
            _count(gap["questions"], "question"),
        )
        print(f"{gap['id']}  {gap['state']:<9} {gap['name']}  ({customers}, {questions})")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _report(document: dict[str, Any]) -> None:
    print(f"{document['title']}: revision {document['revision']} is {document['status']}.")
