"""An evaluation's report as a page that people read: one file, nothing loaded from anywhere.

Invariant: whatever documents, customers or models wrote is escaped.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from agent.evaluation import scoring

SECTIONS: Final = ("retrieval", "answers", "abstention", "decisions", "latency")


def page(report: dict[str, Any]) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = files("agent.evaluation").joinpath("page.html.j2").read_text(encoding="utf-8")
    items = [dict(record) | {"reasons": list(_reasons(record))} for record in report["per_item"]]
    sections = {name: report[name] for name in SECTIONS if name in report}
    return environment.from_string(source).render(
        report=report, sections=sections, items=items, diagram=diagram(report["calibration"])
    )


def diagram(calibration: dict[str, Any]) -> str:
    """A reliability diagram as SVG: a bar a bin, as high as its share of right answers, beside the
    line on which confidence and share are the same. Empty without answers."""
    if not calibration["bins"]:
        return ""
    side, bars = 200, []
    for one in calibration["bins"]:
        left, height = one["from"] * side, one["right"] * side
        title = f"confidence {one['confidence']:.2f}, right {one['right']:.2f}, {one['n']} answers"
        bars.append(
            f'<rect x="{left + 1:.0f}" y="{side - height:.1f}" width="{side / 10 - 2:.0f}"'
            f' height="{height:.1f}"><title>{title}</title></rect>'
        )
    return (
        f'<svg viewBox="-1 -1 {side + 2} {side + 2}" role="img" aria-label="Reliability diagram">'
        f'{"".join(bars)}<path d="M0 {side}L{side} 0M0 0V{side}H{side}"/></svg>'
    )


def _reasons(record: scoring.Record) -> Iterator[tuple[bool, str]]:
    """Why the item counts as it does: good or bad, in words."""
    gold_docs = [name.split("#")[0] for name in record["gold_docs"]]
    answerable, answered = record["answerable"], record["outcome"] == "answered"
    if gold_docs and answerable:
        ranks = (at for at, name in enumerate(record["retrieved"], 1) if name in gold_docs)
        rank = next(ranks, None)
        where = f"found at place {rank}" if rank else "not found"
        yield rank == 1, f"right document {where}"
    if record["outcome"] == "failed":
        yield False, f"failed: {record['error']}"
    elif record.get("label") in scoring.DECISIONS:
        found = scoring.decision(record)
        yield found == record["label"], f"decided {found or 'nothing'}, right is {record['label']}"
    elif answered and not answerable:
        yield False, "answered although nothing answers it"
    elif answerable and not answered:
        yield False, f"{record['outcome']} although it can be answered"
    elif answered and record["gold"]:
        f1 = scoring.token_f1(record["answer"], record["gold"])
        yield f1 >= scoring.RIGHT_F1, f"token F1 {f1:.2f}"
        facts = scoring.key_facts(record["answer"], record["gold"])
        if facts is not None:
            yield facts == 1, f"{facts:.0%} of the key facts"
    if answered and (figures := scoring.unsupported(record)):
        yield False, f"figures without a source: {', '.join(sorted(figures))}"
