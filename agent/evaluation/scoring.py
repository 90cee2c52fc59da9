"""The numbers of an evaluation report: pure functions of answers and gold.

Facts are compared by code, never by the model that wrote the answer. Every mean leaves out the
items it does not apply to, is None where it applies to none, and has its 95 % interval.
"""

from collections.abc import Sequence
from statistics import fmean, quantiles
from typing import Any, Final

from agent.evaluation.calibration import Judged, calibration, interval
from agent.evaluation.dataset import Item
from agent.policy import grounding
from agent.policy.facts import key_facts, polarity, token_f1, token_precision, without_marks

__all__ = ["is_right", "key_facts", "summarize", "token_f1", "token_precision"]

Record = dict[str, Any]
Pair = tuple[Item, Record]
Values = dict[str, list[float]]
# An answer with no fact that code can compare counts as right from this token F1 on.
RIGHT_F1: Final = 0.3
DECISIONS: Final = ("yes", "no", "clarify")


def summarize(items: Sequence[Item], records: Sequence[Record]) -> dict[str, Any]:
    """The report without its head; `intervals` has each figure's 95 % interval by section."""
    pairs = list(zip(items, records, strict=True))
    sections = {
        "retrieval": _retrieval(pairs),
        "answers": _answers(pairs),
        "abstention": _abstention(pairs),
    }
    if decisions := _decisions(pairs):
        sections["decisions"] = decisions
    report: dict[str, Any] = {"n": len(pairs)}
    for name, figures in sections.items():
        report[name] = {figure: _mean(values) for figure, values in figures.items()}
    report["abstention"]["f1"] = _harmonic(
        report["abstention"]["precision"], report["abstention"]["recall"]
    )
    report["calibration"] = calibration(
        [Judged(r["confidence"], is_right(r)) for _, r in pairs if _is_sure_of_something(r)]
    )
    report["latency"] = {
        "first_token_ms": _percentiles([r["first_token_ms"] for r in records]),
        "total_ms": _percentiles([r["total_ms"] for r in records]),
    }
    report["intervals"] = {
        name: {figure: interval(values) for figure, values in figures.items() if values}
        for name, figures in sections.items()
    }
    return report


def is_right(record: Record) -> bool:
    """Whether an answer was one to give: to an answerable question, with most of its key facts,
    or much of its wording where it has none."""
    if not record["answerable"] or record["outcome"] != "answered":
        return False
    if not record["gold"]:
        return True
    facts = key_facts(record["answer"], record["gold"])
    if facts is not None:
        return facts >= 0.5
    return token_f1(record["answer"], record["gold"]) >= RIGHT_F1


def unsupported(record: Record) -> set[str]:
    """Figures of the answer that its cited passages do not contain."""
    text = without_marks(record["answer"])
    return grounding.unsupported_figures(text, [c["text"] for c in record["citations"]])


def decision(record: Record) -> str | None:
    """What was decided: yes, no or clarify; None if neither can be read off."""
    if record["outcome"] == "clarify":
        return "clarify"
    return polarity(record["answer"]) if record["outcome"] == "answered" else None


def _retrieval(pairs: Sequence[Pair]) -> Values:
    ranks = []
    for item, record in pairs:
        if not item.gold or not item.answerable:
            continue
        found = list(dict.fromkeys(record["retrieved"]))[:5]
        ranks.append(next((i for i, name in enumerate(found, 1) if name in item.gold), None))
    return {
        "recall_at_1": [float(rank == 1) for rank in ranks],
        "recall_at_5": [float(rank is not None) for rank in ranks],
        "mrr_at_5": [1 / rank if rank else 0.0 for rank in ranks],
    }


def _answers(pairs: Sequence[Pair]) -> Values:
    golden = [(r, i.answer) for i, r in pairs if i.answerable and i.answer]
    spoken = [(i, r) for i, r in pairs if r["outcome"] == "answered"]
    right = [(i, r) for i, r in spoken if i.answerable]

    facts = (key_facts(r["answer"], gold) for r, gold in golden)
    return {
        "token_f1": [token_f1(r["answer"], gold) for r, gold in golden],
        "token_precision": [token_precision(r["answer"], i.answer) for i, r in right if i.answer],
        "key_fact_accuracy": [share for share in facts if share is not None],
        "unsupported_number_rate": [float(bool(unsupported(r))) for _, r in spoken],
        "citation_precision": [
            float(citation["document_id"] in i.gold)
            for i, r in right
            if i.gold
            for citation in r["citations"]
        ],
        "replaced_rate": [float(bool(r.get("replaced"))) for _, r in pairs],
    }


def _abstention(pairs: Sequence[Pair]) -> Values:
    """Clarifying, refusing and handing off are all not answering."""
    both = [(r["outcome"] != "answered", not i.answerable) for i, r in pairs]
    return {
        "precision": [float(should) for abstained, should in both if abstained],
        "recall": [float(abstained) for abstained, should in both if should],
        "f1": [],
        "false_refusal_rate": [float(abstained) for abstained, should in both if not should],
        "answered_unanswerable_rate": [
            float(not abstained) for abstained, should in both if should
        ],
    }


def _decisions(pairs: Sequence[Pair]) -> Values:
    """Yes, no or a question back, for items that are labelled so."""
    labelled = [(i.label, decision(r)) for i, r in pairs if i.label in DECISIONS]
    if not labelled:
        return {}
    return {
        "accuracy": [float(label == found) for label, found in labelled],
        **{
            f"{name}_recall": [float(found == name) for label, found in labelled if label == name]
            for name in DECISIONS
        },
    }


def _is_sure_of_something(record: Record) -> bool:
    return record["outcome"] == "answered" and record["confidence"] is not None


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 4) if values else None


def _harmonic(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    return round(2 * a * b / (a + b), 4) if a + b else 0.0


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) == 1:
        return {"p50": values[0], "p95": values[0]}
    cuts = quantiles(values, n=20, method="inclusive")
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}
