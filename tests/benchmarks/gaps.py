# ruff: noqa: T201 - the table goes to stdout
"""How well questions that mean the same are put together.

    python -m tests.benchmarks.gaps

Customers' questions that people labelled: banking77's development part (77 near intents of one
bank) and clinc_oos' (150 intents of ten domains), and 300 of banking77, few of each intent, as gaps
are. Pairs: of two questions that are put together, how many have one label (precision), and of two
with one label how many are put together (recall). Adjusted Rand and V-measure (homogeneity,
completeness) as everybody has them.
"""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from math import comb, log

import numpy as np

from agent.generation.embedding import LlamaEmbeddings
from agent.policy.clustering import clustered
from agent.settings import load_settings
from agent.weights.store import resolve
from tests.benchmarks.retrieval import EVAL, _lines

THRESHOLDS = (0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80)


def main() -> None:
    model = resolve(None, load_settings().weights_dir, kind="embedding")
    embeddings = LlamaEmbeddings(model.path)
    try:
        bank = list(_lines(EVAL / "intents_banking77" / "test_dev.jsonl"))
        many = list(_lines(EVAL / "intents_clinc_oos" / "test_dev.jsonl"))
        clinc = [line for line in many if line["label"] not in ("oos", "out_of_scope")]
        few = random.Random(1).sample(bank, 300)
        for name, lines in (("banking77", bank), ("clinc_oos", clinc), ("300 of banking77", few)):
            labels = [line["label"] for line in lines]
            vectors = np.array(embeddings.embed_documents([x["text"] for x in lines]), np.float32)
            _table(name, labels, vectors)
    finally:
        embeddings.close()


def _table(name: str, labels: Sequence[str], vectors: np.ndarray) -> None:
    print(f"\n{name}: {len(labels)} questions, {len(set(labels))} labels")
    print("| threshold | groups | precision | recall | pair F1 | Rand | V | homog. | compl. | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for threshold in THRESHOLDS:
        began = time.perf_counter()
        groups = clustered(vectors, threshold)
        took = time.perf_counter() - began
        found = [0] * len(labels)
        for at, group in enumerate(groups):
            for row in group:
                found[row] = at
        figures = [f"{value:.2f}" for value in agreement(labels, found)]
        print(f"| {threshold:.2f} | {len(groups)} | {' | '.join(figures)} | {took:.1f} |")


def agreement(labels: Sequence[str], found: Sequence[int]) -> tuple[float, ...]:
    """Pair precision, recall and F1, adjusted Rand index, V-measure, homogeneity, completeness."""
    both, gold, mine = Counter(zip(labels, found, strict=True)), Counter(labels), Counter(found)
    pairs, of_gold, of_mine = (
        sum(comb(count, 2) for count in counts.values()) for counts in (both, gold, mine)
    )
    precision, recall = pairs / max(of_mine, 1), pairs / max(of_gold, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    expected = of_gold * of_mine / comb(len(labels), 2)
    rand = (pairs - expected) / max((of_gold + of_mine) / 2 - expected, 1e-12)
    shared = _entropy(both.values())
    homogeneity = 1 - (shared - _entropy(mine.values())) / max(_entropy(gold.values()), 1e-12)
    completeness = 1 - (shared - _entropy(gold.values())) / max(_entropy(mine.values()), 1e-12)
    v = 2 * homogeneity * completeness / max(homogeneity + completeness, 1e-12)
    return precision, recall, f1, rand, v, homogeneity, completeness


def _entropy(counts: Iterable[int]) -> float:
    sizes = list(counts)
    total = sum(sizes)
    return -sum(size / total * log(size / total) for size in sizes)


if __name__ == "__main__":
    main()
