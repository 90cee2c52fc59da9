# ruff: noqa: T201 - what was measured goes to stdout
"""How far the quality review agrees with people: `python -m tests.benchmarks.reviews`.

Spearman's rank correlation of each score with the mean of people's ratings of the same answers in
mtrag_judge_calibration's dev part (answerable questions, the references left out), each with a 95 %
interval (1,000 resamplings of the answers), and the area under the curve for answers that people
rated full marks against the others. `--limit` answers drawn by lot, or as many of them as can be
judged in `--minutes`.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from agent.generation.engine import EngineSettings, LlamaEngine
from agent.outcomes.judging import Judge, Scores
from agent.prompting import Prompts
from agent.settings import load_settings
from agent.weights.store import resolve
from tests.benchmarks.judges import _rating, spearman
from tests.benchmarks.retrieval import EVAL, _lines

AGAINST: Final = {
    "resolved": ("completeness", "appropriateness"),
    "correct": ("faithfulness",),
    "tone": ("naturalness",),
}
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


async def measure(limit: int, minutes: float) -> None:
    lines = [
        line
        for line in _lines(EVAL / "mtrag_judge_calibration" / "dev.jsonl")
        if "ANSWERABLE" in line["answerability"] and line["model"] != "reference"
    ]
    lines = random.Random(0).sample(lines, min(limit, len(lines)))
    settings = load_settings()
    weights = resolve(settings.model, settings.weights_dir)
    engine = await LlamaEngine.open(
        weights.path, name=weights.name, sha256=weights.sha256, settings=EngineSettings()
    )
    judge = Judge(engine, Prompts(company="the company"))
    scores: list[Scores] = []
    begun = time.monotonic()
    for at, line in enumerate(lines):
        if time.monotonic() - begun > minutes * 60:
            break
        said = [(turn["role"] == "user", turn["text"]) for turn in line["turns"]]
        said += [(True, line["question"]), (False, line["response"])]
        scores.append(await judge.score(said, [one["text"] for one in line["contexts"]]))
        print(at + 1, line["id"], *scores[-1], flush=True)
    await engine.close()
    lines = lines[: len(scores)]
    print(f"{len(lines)} answers\n| score | people's | Spearman | AUC of full marks |")
    print("|---|---|---|---|")
    for name, against in AGAINST.items():
        for of in against:
            ratings = [_rating(line, of) for line in lines]
            known = [
                (float(getattr(score, name)), rating)
                for score, rating in zip(scores, ratings, strict=True)
                if rating is not None
            ]
            cells = [
                f"{figure(known):.2f} ({low:.2f} to {high:.2f})"
                for figure in (spearman, auc)
                for low, high in [interval(known, figure)]
            ]
            print(f"| {name} | {of} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=120)
    given = parser.parse_args()
    asyncio.run(measure(given.limit, given.minutes))


if __name__ == "__main__":
    main()
