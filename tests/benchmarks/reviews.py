# ruff: noqa: T201 - what was measured goes to stdout
"""How far the quality review agrees with people: `python -m tests.benchmarks.reviews`.

Spearman's rank correlation of each score with the mean of people's ratings of the same answers in
mtrag_judge_calibration's dev part (answerable questions, the references left out), each with a 95 %
interval (1,000 resamplings of the answers), and the area under the curve for answers that people
rated full marks against the others. What is compared with the sources is so for all of them; the
model is asked about `--limit` answers drawn by lot (0: none), or those it reads in `--minutes`.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from agent.generation.engine import EngineSettings, LlamaEngine
from agent.outcomes.judging import Judge, Scores, supported
from agent.prompting import Prompts
from agent.settings import load_settings
from agent.weights.store import resolve
from tests.benchmarks.judges import _rating, spearman
from tests.benchmarks.retrieval import EVAL, _lines

AGAINST: Final = {"resolved": ("completeness", "appropriateness"), "tone": ("naturalness",)}
Pairs = Sequence[tuple[float, float]]


def auc(pairs: Pairs) -> float:
    """How often an answer with the best rating has the higher score than one without."""
    best = max((rating for _, rating in pairs), default=0.0)
    good = [score for score, rating in pairs if rating == best]
    bad = [score for score, rating in pairs if rating < best]
    if not good or not bad:
        return float("nan")
    wins = sum((a > b) + 0.5 * (a == b) for a in good for b in bad)
    return wins / len(good) / len(bad)


def interval(pairs: Pairs, measure: Callable[[Pairs], float]) -> tuple[float, float]:
    lots = np.random.default_rng(0)
    found = []
    for _ in range(1000):
        some = [pairs[at] for at in lots.integers(0, len(pairs), len(pairs))]
        with np.errstate(invalid="ignore"):
            found.append(measure(some))
    low, high = np.nanpercentile(found, (2.5, 97.5))
    return float(low), float(high)


def shown(name: str, of: str, found: Sequence[tuple[float, dict[str, Any]]]) -> str:
    """A line of the table, of a score and the answer that it is of."""
    known = [(score, rating) for score, line in found if (rating := _rating(line, of)) is not None]
    cells = [
        f"{figure(known):.2f} ({low:.2f} to {high:.2f})"
        for figure in (spearman, auc)
        for low, high in [interval(known, figure)]
    ]
    return f"| {name} | {of} | {len(known)} | {' | '.join(cells)} |"


async def judged(
    lines: Sequence[dict[str, Any]], minutes: float
) -> list[tuple[Scores, dict[str, Any]]]:
    settings = load_settings()
    weights = resolve(settings.model, settings.weights_dir)
    engine = await LlamaEngine.open(
        weights.path, name=weights.name, sha256=weights.sha256, settings=EngineSettings()
    )
    judge = Judge(engine, Prompts(company="the company"))
    found: list[tuple[Scores, dict[str, Any]]] = []
    begun = time.monotonic()
    for line in lines:
        if time.monotonic() - begun > minutes * 60:
            break
        said = [(turn["role"] == "user", turn["text"]) for turn in line["turns"]]
        said += [(True, line["question"]), (False, line["response"])]
        found.append((await judge.score(said, _sources(line)), line))
        print(len(found), line["id"], *found[-1][0], flush=True)
    await engine.close()
    return found


def measure(limit: int, minutes: float) -> None:
    lines = [
        line
        for line in _lines(EVAL / "mtrag_judge_calibration" / "dev.jsonl")
        if "ANSWERABLE" in line["answerability"] and line["model"] != "reference"
    ]
    drawn = random.Random(0).sample(lines, min(limit, len(lines)))
    found = asyncio.run(judged(drawn, minutes)) if drawn else []
    print("| score | people's | answers | Spearman | AUC of full marks |\n|---|---|---|---|---|")
    compared = [(supported(line["response"], _sources(line)), line) for line in lines]
    print(shown("correct", "faithfulness", compared))
    for name, against in AGAINST.items():
        for of in against if len(found) > 1 else ():
            print(shown(name, of, [(getattr(score, name), line) for score, line in found]))


def _sources(line: dict[str, Any]) -> list[str]:
    return [one["text"] for one in line["contexts"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=120)
    given = parser.parse_args()
    measure(given.limit, given.minutes)


if __name__ == "__main__":
    main()
