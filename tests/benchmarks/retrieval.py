# ruff: noqa: T201 - the table on stdout is what this is for
"""Measures the retrieval on published help centres: `python -m tests.benchmarks.retrieval`.

Reads `../shared/eval` beside the checkout and prints one Markdown table. Where the sets are absent
it says so and exits 0. The questions of the help centres are the publishers' own headings, so these
are comparisons of configurations, not absolute numbers.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from langchain_core.embeddings import Embeddings

from agent.conversation.finding import REMEMBERED
from knowledge_base import embedding, fusion, index
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings

EVAL = Path(__file__).resolve().parents[3] / "shared" / "eval"
SETS = (
    "corpus_duckduckgo_help", "corpus_arduino_help", "or_sharc", "mtrag_un",
    "dstc9_track1_val_subset", "dstc11_track5",
)  # fmt: skip
HEAD = (
    "| set | documents | passages | ingest s | questions | hit@1 | hit@5 | MRR@5 | search ms |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
LIMIT = 400  # questions of a set


def _no_titles() -> None:
    for module in (embedding, index):
        module.indexed_text = lambda passage: passage.text  # type: ignore[attr-defined]


def _no_stems() -> None:
    index.Stemmer = type("NoStemmer", (), {"Stemmer": _Unstemmed})  # type: ignore[attr-defined]


class _Unstemmed:
    def __init__(self, _language: str) -> None: ...

    def stemWords(self, words: list[str]) -> list[str]:  # noqa: N802 - the stemmer's name for it
        return words


# What the search is without one of its parts.
WITHOUT: dict[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "dense": lambda: setattr(fusion, "DENSE_SHARE", 0.0),
    "lexical": lambda: setattr(fusion, "DENSE_SHARE", 1.0),
    "stems": _no_stems,
    "titles": _no_titles,
    "subjects": lambda: setattr(fusion, "SUBJECT_WEIGHT", 0.0),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the embedding model's GGUF file")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--alone", action="store_true", help="without what was said before")
    parser.add_argument("--without", default="nothing", choices=WITHOUT, help="leave a part out")
    given = parser.parse_args(arguments)
    WITHOUT[given.without]()
    if not EVAL.is_dir():
        print(f"The evaluation sets are not at {EVAL}; nothing was measured.")
        return 0
    from agent.generation.embedding import LlamaEmbeddings

    with closing(LlamaEmbeddings(given.model)) as embeddings:
        print(HEAD, flush=True)
        for name in given.sets:
            print(measured(name, embeddings, alone=given.alone), flush=True)
    return 0


def measured(name: str, embeddings: Embeddings, *, alone: bool) -> str:
    """One row of the table."""
    questions = list(_questions(name))
    if alone:
        questions = [(question, (), gold) for question, _, gold in questions]
    with tempfile.TemporaryDirectory() as directory:
        settings = KnowledgeSettings(data_dir=Path(directory))
        with Library.open(settings, embeddings, "benchmark") as library:
            began = time.perf_counter()
            added = _ingest(name, library)
            ingested = time.perf_counter() - began
            keys = {document.id: document.key for document in library.documents()}
            began = time.perf_counter()
            ranks = [_rank(library, keys, *asked) for asked in questions]
            each = (time.perf_counter() - began) / len(questions)
    cells = (
        name, len(keys), added, f"{ingested:.1f}", len(questions),
        f"{sum(rank == 1 for rank in ranks) / len(ranks):.3f}",
        f"{sum(rank > 0 for rank in ranks) / len(ranks):.3f}",
        f"{sum(1 / rank for rank in ranks if rank) / len(ranks):.3f}", f"{each * 1000:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _ingest(name: str, library: Library) -> int:
    folder = EVAL / name
    if (folder / "docs").is_dir():
        added = library.add_paths([folder / "docs"], publish=True)
    else:
        texts = [
            (document["id"], document["text"], document.get("title") or None)
            for document in _lines(folder / "docs.jsonl")
        ]
        added = library.add_texts(texts, source=name, publish=True)
    return sum(one.passages for one in added)


Asked = tuple[str, tuple[str, ...], set[str]]


def _questions(name: str) -> Iterator[Asked]:
    """Different questions with what was said before and their documents; OR-ShARC's are the first
    ones with the scenario."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for item in _lines(EVAL / name / "dev.jsonl"):
        gold = {document.split("#")[0] for document in item["gold_docs"] or ()}
        first = f"{item.get('scenario') or ''} {item.get('initial_question') or ''}".strip()
        question = first or item["question"]
        before = () if first else tuple(turn["text"] for turn in item["turns"][-REMEMBERED:])
        if gold and (question, before) not in seen and len(seen) < LIMIT:
            seen.add((question, before))
            yield question, before, gold


def _rank(
    library: Library, keys: dict[str, str], question: str, before: tuple[str, ...], gold: set[str]
) -> int:
    """The first right document's place among the first five documents, or 0."""
    hits = library.search(question, k=20, before=before)
    found = [keys[hit.passage.document_id] for hit in hits]
    for place, key in enumerate(list(dict.fromkeys(found))[:5], start=1):
        if key in gold:
            return place
    return 0


def _lines(path: Path) -> Iterator[dict]:  # type: ignore[type-arg]
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


if __name__ == "__main__":
    sys.exit(main())
