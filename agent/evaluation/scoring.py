"""The numbers of an evaluation report: pure functions of answers and gold.

Facts are compared by code, never by the model that wrote the answer. Every mean leaves out the
items it does not apply to, and is None where it applies to none.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import quantiles
from typing import Any

from agent.evaluation.dataset import Item
from agent.policy import grounding

Record = dict[str, Any]
_POLARITY = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_MARKER = re.compile(r" ?\[\d+\]")


def summarize(items: Sequence[Item], records: Sequence[Record]) -> dict[str, Any]:
    """The report without its head: retrieval, answers, abstention, latency."""
    pairs = list(zip(items, records, strict=True))
    answered = [(i, r) for i, r in pairs if i.answerable and r["outcome"] == "answered"]
    return {
        "n": len(pairs),
        "retrieval": _retrieval(pairs),
        "answers": {
            "token_f1": _mean(
                token_f1(r["answer"], i.answer) for i, r in pairs if i.answerable and i.answer
            ),
            "token_precision": _mean(
                token_precision(r["answer"], i.answer) for i, r in answered if i.answer
            ),
            "key_fact_accuracy": _mean(
                accuracy
                for i, r in pairs
                if i.answerable and i.answer
                if (accuracy := key_facts(r["answer"], i.answer)) is not None
            ),
            "unsupported_number_rate": _mean(
                bool(unsupported(r)) for _, r in pairs if r["outcome"] == "answered"
            ),
            "citation_precision": _mean(
                citation["document_id"] in i.gold
                for i, r in answered
                if i.gold
                for citation in r["citations"]
            ),
        },
        "abstention": _abstention(pairs),
        "latency": {
            "first_token_ms": _percentiles([r["first_token_ms"] for r in records]),
            "total_ms": _percentiles([r["total_ms"] for r in records]),
        },
    }


def token_f1(answer: str, gold: str) -> float:
    """The harmonic mean of token precision and recall, as in SQuAD's evaluation."""
    found, wanted = _tokens(answer), _tokens(gold)
    same = (found & wanted).total()
    if not same:
        return float(found == wanted)
    precision, recall = same / found.total(), same / wanted.total()
    return 2 * precision * recall / (precision + recall)


def token_precision(answer: str, gold: str) -> float:
    found = _tokens(answer)
    return (found & _tokens(gold)).total() / found.total() if found else 0.0


def key_facts(answer: str, gold: str) -> float | None:
    """The share of gold's figures and yes/no that the answer has; None if gold has neither."""
    facts = [figure in grounding.figures(answer) for figure in grounding.figures(gold)]
    if polarity := _POLARITY.match(gold):
        said = _POLARITY.match(answer)
        facts.append(said is not None and said[1].lower() == polarity[1].lower())
    return sum(facts) / len(facts) if facts else None


def unsupported(record: Record) -> set[str]:
    """Figures of the answer that its cited passages do not contain."""
    text = _MARKER.sub("", record["answer"])
    return grounding.unsupported_figures(text, [c["text"] for c in record["citations"]])


def _retrieval(pairs: Sequence[tuple[Item, Record]]) -> dict[str, float | None]:
    ranks = []
    for item, record in pairs:
        if not item.gold or not item.answerable:
            continue
        found = list(dict.fromkeys(record["retrieved"]))[:5]
        ranks.append(next((i for i, name in enumerate(found, 1) if name in item.gold), None))
    return {
        "recall_at_1": _mean(rank == 1 for rank in ranks),
        "recall_at_5": _mean(rank is not None for rank in ranks),
        "mrr_at_5": _mean(1 / rank if rank else 0.0 for rank in ranks),
    }


def _abstention(pairs: Sequence[tuple[Item, Record]]) -> dict[str, float | None]:
    abstained = [r["outcome"] != "answered" for _, r in pairs]
    should = [not i.answerable for i, _ in pairs]
    both = sum(a and s for a, s in zip(abstained, should, strict=True))
    precision = both / sum(abstained) if any(abstained) else None
    recall = both / sum(should) if any(should) else None
    f1 = None
    if precision is not None and recall is not None:
        f1 = 2 * precision * recall / (precision + recall) if both else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "false_refusal_rate": _mean(a for a, s in zip(abstained, should, strict=True) if not s),
        "answered_unanswerable_rate": _mean(
            not a for a, s in zip(abstained, should, strict=True) if s
        ),
    }


def _tokens(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", _MARKER.sub("", text).lower()))


def _mean(values: Iterable[float]) -> float | None:
    known = [float(value) for value in values]
    return round(sum(known) / len(known), 4) if known else None


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) == 1:
        return {"p50": values[0], "p95": values[0]}
    cuts = quantiles(values, n=20, method="inclusive")
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}
