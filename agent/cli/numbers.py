"""`frontdesk analytics`: what became of the customers' conversations, in the terminal."""

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from agent.cli.common import DataDir, Json, result
from agent.settings import load_settings

_KINDS: Final = {
    "confirmed": "the customer said that it helped",
    "assumed": "left after an answer, not back within 7 days",
    "recontacted": "left after an answer, back within 7 days",
    "too_early": "left after an answer, the 7 days are not over",
    "handed_off": "a person was called or came in",
    "unresolved": "no answer at the end, or it did not help",
    "nothing_asked": "small talk only",
}
_TIMES: Final = {
    "first_token_s": "AI, to the first word",
    "human_first_s": "person, first answer",
    "human_next_s": "person, later answers",
}


def analytics(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last.")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A line a day.")] = False,
    data_dir: DataDir = None,
) -> None:
    """What became of customers' conversations; of the last 30 days unless told otherwise."""
    if as_json and as_csv:
        raise typer.BadParameter("Choose one of --json and --csv.")
    days = [day.date().isoformat() if day else None for day in (first, end)]
    arguments: dict[str, Any] = {"first": days[0], "end": days[1], "table": as_csv}
    settings = load_settings(data_dir=data_dir)
    found = asyncio.run(result(settings, "analytics", **arguments))
    if as_csv:
        print(found, end="")
    elif as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    total = found["conversations"]
    print(f"{found['from']} to {found['to']} (not included), {found['time_zone']}")
    print(f"\n{'conversations':<16}{total:>7}")
    for name in ("involved", "answered"):
        who = "the AI replied" if name == "involved" else "the AI answered with sources"
        print(f"{name:<16}{found[name]:>7}{_share(found[name], total):>8}  {who}")
    print()
    for kind, meaning in _KINDS.items():
        number = found["outcomes"][kind]
        print(f"{kind:<16}{number:>7}{_share(number, total):>8}  {meaning}")
    if reasons := found["handoffs"]["reasons"]:
        print("\n" + "\n".join(f"{one['reason']:<24}{one['times']:>4}" for one in reasons))
    print()
    for name, meaning in _TIMES.items():
        spread = found[name]
        if spread["n"]:
            print(f"{meaning:<24}median {spread['median']} s, 95 % within {spread['p95']} s")
    costs = found["costs"]
    if costs["per_resolved"] is not None:
        print(f"{'cost per resolution':<24}{costs['per_resolved']:.4f} {costs['currency']}")


def _share(number: int, total: int) -> str:
    return f"{number / total:.0%}" if total else ""
