"""An evaluation that was interrupted goes on where it stopped, and never mixes two measurements."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation.dataset import Item
from agent.evaluation.journal import Journal, fingerprint
from agent.evaluation.measuring import measure
from agent.evaluation.page import page

ITEMS = [
    Item(id=str(n), question=f"What does tour {n} cost?", answer=f"{n} EUR", gold_docs=("a.md",))
    for n in (10, 20, 30)
]


def record(item: Item, **changes: Any) -> dict[str, Any]:
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.answer,
        "gold_docs": list(item.gold_docs),
        "answerable": item.answerable,
        "label": item.label,
        "answer": f"It costs {item.answer}. [1]",
        "outcome": "answered",
        "replaced": False,
        "written": None,
        "confidence": 0.9,
        "citations": [
            {"n": 1, "document_id": "a.md", "quote": item.answer, "text": f"Cost: {item.answer}"}
        ],
        "retrieved": ["a.md"],
        "passages": [{"title": "Tours", "section": None, "text": "Cost"}],
        "first_token_ms": 100.0,
        "total_ms": 200.0,
    } | changes


class Asked:
    """Answers, and dies after `dies_after` of them."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.questions: list[str] = []
        self._dies_after = dies_after

    async def __call__(self, items: list[Item]) -> AsyncIterator[dict[str, Any]]:
        for item in items:
            if len(self.questions) == self._dies_after:
                raise KeyboardInterrupt
            self.questions.append(item.question)
            yield {"record": record(item)}
        yield {"result": {"model": "qwen", "revision": "abc"}}


async def run(path: Path, measured: str, asked: Asked) -> dict[str, Any]:
    with Journal(path, measured) as journal:
        return await measure(ITEMS, asked, journal, lambda _done, _total: None)


async def test_what_was_answered_before_an_interruption_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "report.partial.jsonl"
    with pytest.raises(KeyboardInterrupt):
        await run(path, "same", Asked(dies_after=2))
    rest = Asked()
    report = await run(path, "same", rest)
    assert rest.questions == [ITEMS[2].question]
    assert [one["id"] for one in report["per_item"]] == ["10", "20", "30"]
    assert report["n"] == 3
    assert report["model"] == "qwen"


async def test_another_measurement_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "report.partial.jsonl"
    with pytest.raises(KeyboardInterrupt):
        await run(path, "one", Asked(dies_after=2))
    other = Asked()
    await run(path, "other", other)
    assert len(other.questions) == 3


async def test_a_line_cut_off_by_the_interruption_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "report.partial.jsonl"
    with pytest.raises(KeyboardInterrupt):
        await run(path, "same", Asked(dies_after=2))
    path.write_text(path.read_text()[:-40])
    rest = Asked()
    await run(path, "same", rest)
    assert rest.questions == [ITEMS[1].question, ITEMS[2].question]


def test_a_changed_file_or_folder_is_another_measurement(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("one")
    before = fingerprint("frontdesk", document), fingerprint("frontdesk", tmp_path)
    document.write_text("other words")
    after = fingerprint("frontdesk", document), fingerprint("frontdesk", tmp_path)
    assert before[0] != after[0]
    assert before[1] != after[1]


async def test_the_page_says_why_an_item_counts_as_it_does_and_escapes_what_others_wrote() -> None:
    odd = Item(id="x", question="<script>alert(1)</script>?", answer="5 EUR", gold_docs=("b.md",))
    none = Item(id="y", question="Who won?", answerable=False)
    failed = Item(id="z", question="And now?", answer="7 EUR")
    given = {
        "x": record(odd, answer="It costs 99 EUR.", replaced=True, written="It costs 7 pounds."),
        "y": record(none, citations=[]),
        "z": record(failed, outcome="failed", error="The model stopped.", citations=[]),
    }

    async def ask(items: list[Item]) -> AsyncIterator[dict[str, Any]]:
        for item in items:
            yield {"record": given[item.id]}
        yield {"result": {"model": "qwen", "revision": "abc"}}

    report = await measure([odd, none, failed], ask, None, lambda _done, _total: None)
    text = page(report)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "right document not found" in text
    assert "0% of the key facts" in text
    assert "figures without a source: 99" in text
    assert "answered although nothing answers it" in text
    assert "failed: The model stopped." in text
    assert "It costs 7 pounds." in text
    assert "Reliability diagram" in text
    assert "expected calibration error" in text
