"""One evaluation from its items to its report, going on where an interrupted one stopped."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.answering import thresholds
from agent.evaluation.dataset import Item
from agent.evaluation.journal import Journal, fingerprint
from agent.evaluation.page import page
from agent.evaluation.runner import Line, Progress
from agent.evaluation.scoring import Record, summarize
from agent.prompting import Prompts
from agent.settings import Settings
from agent.weights.store import resolve


def measurement(settings: Settings, file: Path, folder: Path | None, baseline: str | None) -> str:
    """Names what is measured: with other items, knowledge, prompts or thresholds, or with another
    model, it is another measurement."""
    prompts = Prompts(company=settings.company, overrides=settings.prompts_dir)
    model = settings.engine_url or resolve(settings.model, settings.weights_dir).sha256
    return fingerprint(
        *(baseline or "frontdesk", model, prompts.revision(), repr(thresholds(settings))),
        *(file, folder or str(settings.data_dir)),
    )


@contextmanager
def opened_journal(out: Path | None, measured: str) -> Iterator[Journal | None]:
    """Beside the report, and gone when the report is there; None where none is to be written."""
    if out is None:
        yield None
        return
    with Journal(out.with_suffix(".partial.jsonl"), measured) as journal:
        yield journal
        journal.done()


def write(report: dict[str, Any], out: Path) -> None:
    """As JSON, and beside it as a page for people."""
    text = json.dumps(report, ensure_ascii=False, indent=1)
    out.write_text(text + "\n", encoding="utf-8")
    out.with_suffix(".html").write_text(page(report), encoding="utf-8")


async def measure(
    items: Sequence[Item],
    ask: Callable[[list[Item]], AsyncIterator[Line]],
    journal: Journal | None,
    progress: Progress,
) -> dict[str, Any]:
    """The report of the contract; `ask` gives the lines of `runner.answers` for what is left."""
    known = journal.records if journal is not None else []
    records = {_name(record): record for record in known}
    answered: dict[str, Any] = {}
    async for line in ask([item for item in items if (item.id, item.question) not in records]):
        answered = line.get("result", answered)
        if "record" in line:
            record = line["record"]
            records[_name(record)] = record
            if journal is not None:
                journal.add(record)
            progress(len(records), len(items))
    in_order = [records[item.id, item.question] for item in items]
    return {**summarize(items, in_order), **answered, "per_item": in_order}


def _name(record: Record) -> tuple[str, str]:
    return record["id"], record["question"]
