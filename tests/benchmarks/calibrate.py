# ruff: noqa: T201 - what was measured goes to stdout
"""Fits `agent/policy/fitted.py`, cross-validated by document.

    python -m tests.benchmarks.calibrate verdicts OUT.jsonl   (goes on where it stopped)
    python -m tests.benchmarks.calibrate fit REPORT.json… [--verdicts OUT.jsonl] [--write]

`verdicts` asks the model for its one word on cases of OR-ShARC's dev part and on questions of
DSTC9's FAQs, the right text given. Reports are what `frontdesk eval --out` writes. Weights are
fitted with an L2 penalty; what is printed is of documents that were not fitted on, ten folds.
"""

import argparse
import asyncio
import json
import random
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.conversation.reading import Reader
from agent.evaluation.calibration import Judged, calibration
from agent.evaluation.scoring import is_right
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.policy import cases
from agent.policy.cases import DECISIONS, Case, Verdict, own_case
from agent.policy.confidence import Evidence
from agent.policy.fitted import DECISION
from agent.prompting import Prompts
from agent.settings import load_settings
from agent.weights.store import resolve
from knowledge_base.model import Hit, Passage
from tests.benchmarks.retrieval import EVAL, _lines

RULES = EVAL / "or_sharc"
FITTED = Path("agent/policy/fitted.py")
FOLDS: Final = 10
FAQS: Final = 120
FEW: Final = 0.2  # the L2 penalty where there are a hundred answers and ten features
A_RULE: Final = 6  # cases of one rule, so that many rules are seen
Values = NDArray[np.float64]
Labels = NDArray[np.int64]


class Asked(NamedTuple):
    """A case, the text that decides it, and how."""

    id: str
    rule: str
    title: str
    text: str
    label: str
    case: Case


def the_cases() -> Iterator[Asked]:
    """Conversations about rules, and plain questions whose FAQ says yes or no: nothing to ask."""
    yield from _rule_cases()
    yield from _faq_cases()


def _rule_cases() -> Iterator[Asked]:
    lines = list(_lines(RULES / "dev.jsonl"))
    random.Random(7).shuffle(lines)
    seen: Counter[str] = Counter()
    for line in sorted(lines, key=lambda one: one["gold_docs"][0]):
        said = [(turn["role"] != "agent", turn["text"]) for turn in line["turns"]]
        case = own_case([*said, (True, line["question"])])
        (rule,) = line["gold_docs"]
        seen[rule] += 1
        if case is not None and seen[rule] <= A_RULE:
            text = (RULES / "docs" / rule).read_text("utf-8")
            title = text.splitlines()[0].strip("# ")
            yield Asked(line["id"], rule, title, text, line["label"], case)


def _faq_cases() -> Iterator[Asked]:
    lines = list(_lines(EVAL / "dstc9_track1_val_subset" / "docs.jsonl"))
    random.Random(7).shuffle(lines)
    found = 0
    for line in lines:
        case = own_case([(True, line["title"])])
        text = line["text"].removeprefix(line["title"]).strip()
        says = re.match(r"(yes|no)\b", text, re.IGNORECASE)
        if case is not None and says is not None and found < FAQS:
            found += 1
            yield Asked(
                line["id"],
                line["id"],
                line.get("entity") or line["domain"],
                text,
                says[1].lower(),
                case,
            )


async def verdicts(out: Path, wanted: Sequence[Asked]) -> None:
    settings = load_settings()
    model = resolve(settings.model, settings.weights_dir)
    engine = await LlamaEngine.open(
        model.path, name=model.name, sha256=None, settings=EngineSettings(queue_limit=64)
    )
    reader = Reader(engine=engine, prompts=Prompts(company=settings.company), time_zone="UTC")
    with out.open("a", encoding="utf-8") as file:
        for number, asked in enumerate(wanted, 1):
            verdict = await reader.verdict(asked.case, _hit(asked))
            file.write(json.dumps({"id": asked.id, "verdict": verdict}) + "\n")
            file.flush()
            print(f"\r{number} of {len(wanted)}", end="", flush=True)
    await engine.close()


def _hit(asked: Asked) -> Hit:
    passage = Passage(
        *(asked.rule, asked.rule, 1, asked.title, None, asked.text, 0, "public", None, None, None)
    )
    return Hit(passage, 1.0, 1.0, 1, 1, 1.0)


def fitted(x: Values, y: Labels, classes: int, l2: float = 0.01) -> Values:
    """Multinomial logistic regression by gradient descent on standardized features; weights of the
    features as they are, one row a class. The bias is not held back: it is the share of each class,
    and with l2 on it answers that were right in 86 of 100 cases were said to be in 71."""
    mean, spread = x.mean(0), x.std(0)
    mean[0], spread[0] = 0.0, 1.0  # the bias
    spread[spread < 1e-9] = 1.0
    z, wanted = (x - mean) / spread, np.eye(classes)[y]
    w = np.zeros((x.shape[1], classes))
    held_back = np.full((x.shape[1], 1), l2)
    held_back[0] = 0.0
    for _ in range(3000):
        w -= 0.3 * (z.T @ (_softmax(z @ w) - wanted) / len(y) + held_back * w)
    w /= spread[:, None]
    w[0] -= (mean[1:, None] * w[1:]).sum(0)
    return w.T


def _softmax(logits: Values) -> Values:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def held_out(x: Values, y: Labels, groups: Sequence[str], classes: int, l2: float) -> Values:
    """Probabilities of each row, by weights that were fitted without its group."""
    number = {group: at % FOLDS for at, group in enumerate(sorted(set(groups)))}
    fold = np.array([number[group] for group in groups])
    found = np.zeros((len(y), classes))
    for one in range(FOLDS):
        apart = fold == one
        if apart.any():
            found[apart] = _softmax(x[apart] @ fitted(x[~apart], y[~apart], classes, l2).T)
    return found


def decisions(path: Path) -> Values:
    records = {one["id"]: one for one in _lines(path)}
    rows, labels, rules = [], [], []
    for asked in the_cases():
        if asked.id in records:
            verdict = Verdict(*records[asked.id]["verdict"])
            rows.append(cases.features(asked.case, asked.text, verdict))
            labels.append([*DECISIONS].index(asked.label))  # type: ignore[arg-type]
            rules.append(asked.rule)
    x, y = np.array(rows), np.array(labels)
    faqs = np.array(["/" in rule for rule in rules])  # the FAQs' ids are paths
    for name, columns in (
        ("the model's word alone", [0, x.shape[1] - 2, x.shape[1] - 1]),
        ("the conversation alone", list(range(x.shape[1] - 2))),
        ("both", list(range(x.shape[1]))),
    ):
        found = held_out(x[:, columns], y, rules, len(DECISIONS), 0.01).argmax(1)
        each = [float((found[y == label] == label).mean()) for label in range(len(DECISIONS))]
        shown = ", ".join(f"{n} {share:.2f}" for n, share in zip(DECISIONS, each, strict=True))
        rules_right, faqs_right = (found == y)[~faqs].mean(), (found == y)[faqs].mean()
        print(
            f"decisions, {name}: right {rules_right:.3f} of {(~faqs).sum()} on rules,"
            f" {faqs_right:.3f} of {faqs.sum()} on FAQs ({shown})"
        )
    return fitted(x, y, len(DECISIONS))


def confidences(reports: Sequence[Path]) -> Values:
    answers = [
        (record, report.stem)
        for report in reports
        for record in json.loads(report.read_text("utf-8"))["per_item"]
        if record["outcome"] in ("answered", "handed_off") and record.get("evidence")
        if record["evidence"]["support"]
    ]
    x = np.array([(1.0, *Evidence(**record["evidence"]).features()) for record, _ in answers])
    y = np.array([int(is_right(record | {"outcome": "answered"})) for record, _ in answers])
    groups = [f"{stem} {(record['gold_docs'] or [record['id']])[0]}" for record, stem in answers]
    found = held_out(x, y, groups, 2, FEW)[:, 1]
    judged = [Judged(float(p), bool(right)) for p, right in zip(found, y, strict=True)]
    told = calibration(judged)
    print(f"expected calibration error {told['expected_error']:.3f} of {told['n']} answers")
    for one in told["bins"]:
        print(f"  {one['from']:.1f}: {one['n']:4} answers, right {one['right']:.2f}")
    wrong = sum(not one.right for one in judged)
    for below in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        held = [one.right for one in judged if one.confidence < below]
        print(
            f"  handed off below {below}: {len(held)} answers, {sum(held)} of them right,"
            f" {len(held) - sum(held)} of {wrong} wrong ones"
        )
    both = fitted(x, y, 2, FEW)
    return np.asarray(both[1] - both[0])


def source(confidence: Values, decision: Values) -> str:
    lines = [
        '"""Weights that `python -m tests.benchmarks.calibrate` fitted; measure, do not edit."""',
        "",
        "from typing import Final",
        "",
        "# fmt: off",
        "# Of `confidence.Evidence.features`, the bias first.",
        f"CONFIDENCE: Final = {_numbers(confidence, 4)}",
        "# Of `cases.features`.",
        "DECISION: Final = {",
        *(f'    "{n}": {_numbers(row, 8)},' for n, row in zip(DECISIONS, decision, strict=True)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _numbers(row: Values, indent: int) -> str:
    numbers = textwrap.wrap(", ".join(f"{value:.4f}" for value in row), 90)
    lines = "\n".join(" " * indent + line for line in numbers)
    return f"(\n{lines},\n{' ' * (indent - 4)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    ask = parts.add_parser("verdicts")
    ask.add_argument("out", type=Path)
    ask.add_argument("--items", type=int, default=1000)
    fit = parts.add_parser("fit")
    fit.add_argument("reports", type=Path, nargs="+")
    fit.add_argument("--verdicts", type=Path, help="without it the decisions stay as they are")
    fit.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.part == "verdicts":
        known = {one["id"] for one in _lines(given.out)} if given.out.exists() else set()
        wanted = [one for one in list(the_cases())[: given.items] if one.id not in known]
        asyncio.run(verdicts(given.out, wanted))
        return
    decided = np.array([DECISION[name] for name in DECISIONS])
    if given.verdicts is not None:
        decided = decisions(given.verdicts)
    text = source(confidences(given.reports), decided)
    if given.write:
        FITTED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
