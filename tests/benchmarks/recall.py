# ruff: noqa: T201 - the table goes to stdout
"""How often a remembered answer would be given to a question that means something else.

    python -m tests.benchmarks.recall

Questions of banking77's training part, half of them remembered, half of them asked; two questions
of different intents (of 77 near ones) must never meet. Counts, by threshold, how many of the asked
are recalled, how many of those wrongly, and how many wrongly without the comparison of figures,
names and "not".
"""

import random
from collections.abc import Sequence

import numpy as np

from agent.conversation.memory import same_matter
from agent.generation.embedding import LlamaEmbeddings
from agent.settings import load_settings
from agent.weights.store import resolve
from tests.benchmarks.retrieval import EVAL, _lines

THRESHOLDS = (0.80, 0.84, 0.88, 0.90, 0.92, 0.94, 0.96)


def main() -> None:
    lines = list(_lines(EVAL / "intents_banking77" / "train.jsonl"))
    lines = random.Random(1).sample(lines, 6000)
    known, asked = lines[::2], lines[1::2]
    model = resolve(None, load_settings().weights_dir, kind="embedding")
    embeddings = LlamaEmbeddings(model.path)
    vectors = [_unit(embeddings, [line["text"] for line in part]) for part in (known, asked)]
    embeddings.close()
    nearest = (vectors[1] @ vectors[0].T).argmax(1)
    print(f"{len(known)} remembered, {len(asked)} asked")
    print("| threshold | recalled | wrongly | wrongly by the vector alone |")
    print("|---|---|---|---|")
    for threshold in THRESHOLDS:
        recalled = wrong = by_vector = 0
        for at, line in enumerate(asked):
            other = known[nearest[at]]
            if vectors[1][at] @ vectors[0][nearest[at]] < threshold:
                continue
            differs = line["label"] != other["label"]
            by_vector += differs
            if same_matter(line["text"], other["text"]):
                recalled += 1
                wrong += differs
        print(f"| {threshold:.2f} | {recalled} | {wrong} | {by_vector} |")


def _unit(embeddings: LlamaEmbeddings, texts: Sequence[str]) -> np.ndarray:
    vectors = np.array(embeddings.embed_documents(list(texts)), np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
