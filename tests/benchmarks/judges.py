# ruff: noqa: T201 - the table goes to stdout
"""How far the figures that code compares agree with people: `python -m tests.benchmarks.judges`.

Spearman's rank correlation with the mean of people's ratings (1 to 4) of the answers in
mtrag_judge_calibration's dev part, answerable questions only, the reference's own answers left out.
No model judges anything here.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from agent.evaluation.scoring import key_facts, token_f1, token_precision
from agent.outcomes.judging import supported
from agent.policy import grounding
from tests.benchmarks.retrieval import EVAL, _lines

RATED = ("faithfulness", "appropriateness", "completeness")


MEASURES: dict[str, Callable[[str, str, list[str]], float | None]] = {
    "token F1 with the reference": lambda said, gold, _: token_f1(said, gold),
    "token precision with the reference": lambda said, gold, _: token_precision(said, gold),
    "key facts of the reference": lambda said, gold, _: key_facts(said, gold),
    "words that the passages have": lambda said, _, contexts: supported(said, contexts),
    "figures that the passages have": lambda said, _, contexts: float(
        not grounding.unsupported_figures(said, contexts)
    ),
}


def main() -> None:
    lines = [
        line
        for line in _lines(EVAL / "mtrag_judge_calibration" / "dev.jsonl")
        if "ANSWERABLE" in line["answerability"] and line["model"] != "reference"
    ]
    print(f"{len(lines)} answers")
    print(f"| figure | {' | '.join(RATED)} |")
    print("|---|---|---|---|")
    for name, measure in MEASURES.items():
        found = [
            measure(line["response"], line["reference"], [c["text"] for c in line["contexts"]])
            for line in lines
        ]
        cells = [
            spearman([(value, _rating(line, of)) for value, line in zip(found, lines, strict=True)])
            for of in RATED
        ]
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


def _rating(line: dict[str, Any], of: str) -> float | None:
    ratings = [float(one) for one in (line["human"].get(of) or {}).values()]
    return fmean(ratings) if ratings else None


def spearman(pairs: Sequence[tuple[float | None, float | None]]) -> float:
    known = np.array([pair for pair in pairs if None not in pair], float)
    return float(np.corrcoef(_ranks(known[:, 0]), _ranks(known[:, 1]))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places in order, ties sharing their mean place."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[which])


if __name__ == "__main__":
    main()
