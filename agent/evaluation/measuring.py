"""One evaluation from its items to its report, going on where an interrupted one stopped."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from agent.evaluation.dataset import Item
from agent.evaluation.journal import Journal
from agent.evaluation.runner import Line, Progress
from agent.evaluation.scoring import Record, summarize


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
