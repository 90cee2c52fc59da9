"""The numbers of a report, on cases small enough to count by hand."""

import json
from pathlib import Path

import pytest

from agent.errors import InvalidRequest
from agent.evaluation.dataset import Item, load_items
from agent.evaluation.scoring import key_facts, summarize, token_f1


def a_record(**fields: object) -> dict[str, object]:
    return {
        "answer": "",
        "outcome": "answered",
        "answerable": True,
        "gold": None,
        "confidence": None,
        "citations": [],
        "retrieved": [],
        "first_token_ms": 1.0,
        "total_ms": 2.0,
    } | fields


def test_token_f1_ignores_case_markers_and_order() -> None:
    assert token_f1("35 EUR per stay [1]", "Per stay: 35 EUR") == 1.0
    assert token_f1("nothing shared", "at all") == 0.0
    assert token_f1("a b", "a c") == pytest.approx(0.5)


def test_key_facts_are_figures_names_links_and_polarity() -> None:
    assert key_facts("Yes, it costs 35 EUR.", "Yes, 35 EUR.") == 1.0
    assert key_facts("No, it costs 35 EUR.", "Yes, 35 EUR.") == 0.5
    assert key_facts("whatever", "The host decides.") is None
    assert key_facts("You pay with a card.", "You pay with Klarna or a card.") == 0.0
    assert key_facts("Ask help@stay.example.", "Write to help@stay.example, please.") == 1.0


def test_decisions_are_read_off_and_counted_by_label() -> None:
    items = [
        Item(id=str(n), question="q", label=label)
        for n, label in enumerate(("yes", "no", "clarify"))
    ]
    records = [
        a_record(answer="Yes, you may. [1]"),
        a_record(answer="That depends."),
        a_record(answer="Are you under 19?", outcome="clarify"),
    ]
    report = summarize(items, records)
    assert report["decisions"]["accuracy"] == pytest.approx(0.6667, abs=1e-4)
    assert report["decisions"]["clarify_recall"] == 1.0
    assert report["decisions"]["no_recall"] == 0.0
    assert report["intervals"]["decisions"]["accuracy"][0] < 0.6667


def test_confidence_is_measured_on_answers_alone() -> None:
    items = [
        Item(id="1", question="q", answer="35 EUR"),
        Item(id="2", question="q", answerable=False),
        Item(id="3", question="q", answer="20 EUR"),
    ]
    records = [
        a_record(answer="35 EUR", gold="35 EUR", confidence=0.9),
        a_record(answer="20 EUR", answerable=False, confidence=0.9),
        a_record(outcome="refused", gold="20 EUR", confidence=0.1),
    ]
    found = summarize(items, records)["calibration"]
    assert found["n"] == 2
    assert found["bins"] == [{"from": 0.9, "to": 1.0, "n": 2, "confidence": 0.9, "right": 0.5}]


def test_a_report_counts_retrieval_and_abstention() -> None:
    items = [
        Item(id="1", question="q", gold_docs=("a.md#x",), answer="35 EUR"),
        Item(id="2", question="q", gold_docs=("b.md",), answer="no"),
        Item(id="3", question="q", answerable=False),
        Item(id="4", question="q", answerable=False),
    ]
    passage = {"document_id": "a.md", "text": "The fee is 35 EUR."}
    records = [
        a_record(answer="35 EUR [1]", citations=[passage], retrieved=["a.md", "b.md"]),
        a_record(outcome="refused", retrieved=["c.md", "b.md"]),
        a_record(outcome="refused"),
        a_record(answer="99 EUR", citations=[passage]),
    ]
    report = summarize(items, records)
    assert report["n"] == 4
    assert report["retrieval"] == {"recall_at_1": 0.5, "recall_at_5": 1.0, "mrr_at_5": 0.75}
    assert report["answers"]["citation_precision"] == 1.0
    assert report["answers"]["unsupported_number_rate"] == 0.5
    assert report["abstention"]["precision"] == 0.5
    assert report["abstention"]["recall"] == 0.5
    assert report["abstention"]["false_refusal_rate"] == 0.5
    assert report["abstention"]["answered_unanswerable_rate"] == 0.5


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"id": "1", "question": "q"}) + "\n{broken\n")
    with pytest.raises(InvalidRequest, match="line 2"):
        load_items(path)
