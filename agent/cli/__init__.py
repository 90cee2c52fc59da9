"""The `frontdesk` command: words in, words out; what it does is in other modules.

Exit codes: 0 done, 1 failed with one clear line on stderr and no traceback, 2 wrong usage.
"""

import asyncio
import json
import os
import sys
from typing import Annotated, Any

import typer

from agent.cli.common import At, DataDir, Drafts, Json, Model, command, moment, result
from agent.cli.knowledge import gaps, kb
from agent.cli.measuring import bench, evaluate
from agent.cli.numbers import analytics
from agent.cli.people import keys, users
from agent.cli.weights import models
from agent.errors import FrontdeskError
from agent.settings import load_settings
from agent.silence import silence_dependencies
from knowledge_base.errors import KnowledgeError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted AI customer-service agent that answers from your policies.",
)
app.add_typer(kb, name="kb")
app.add_typer(gaps, name="gaps")
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")


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
    drafts: Drafts = False,
    at: At = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    model: Model = None,
) -> None:
    """Answer a question in the terminal, with its sources."""
    if not question.strip():
        raise typer.BadParameter("The question is empty.")

    settings = load_settings(data_dir=data_dir, model=model)
    over = {"drafts": drafts, "at": moment(at, settings)}

    async def answer() -> dict[str, Any]:
        message: dict[str, Any] = {}
        async for line in command(settings, "ask", question=question.strip(), **over):
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


@app.command()
def replay(
    message_id: Annotated[str, typer.Argument(help="An answer's id, as events and staff see it.")],
    as_json: Json = False,
    data_dir: DataDir = None,
    model: Model = None,
) -> None:
    """Make an answer again from what it was made from: the same words, or where they part."""
    settings = load_settings(data_dir=data_dir, model=model)
    found = asyncio.run(result(settings, "replay", message_id=message_id))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    print(found["verdict"])
    for name in found["changed"]:
        print(f"Another {name} than when it was written.")
    for name, alone in (("written", found["was_alone"]), ("replayed", found["is_alone"])):
        if not alone:
            print(f"Others were computed in the same steps when it was {name}.")
    if (parting := found["difference"]) is not None:
        near = "far behind" if parting["margin"] is None else f"behind by {parting['margin']} nats"
        print(f"Token {parting['at']}: was {parting['was']!r} ({near}), is {parting['is_now']!r}.")


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """What is missing, what would leave the machine, and what to do about it."""
    from agent.doctor import examine

    findings = asyncio.run(examine(load_settings(data_dir=data_dir)))
    for finding in findings:
        print(f"{finding.mark}  {finding.subject}: {finding.detail}")
    if any(finding.level == "missing" for finding in findings):
        raise typer.Exit(1)


app.command()(analytics)
app.command("eval")(evaluate)
app.command()(bench)


def main() -> None:
    silence_dependencies()
    try:
        app()
    except (FrontdeskError, KnowledgeError) as error:
        print(f"frontdesk: {error}", file=sys.stderr)
        sys.exit(1)
