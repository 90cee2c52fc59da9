"""`python -m tests.benchmarks.ingest FOLDER…`: what becomes of a folder of documents, and how soon.

Each folder goes with `Library.add_paths` into a knowledge base of its own, by the product's
embedder. Printed are documents, passages, seconds, the peak of memory, what was refused, and what
is left in the texts of front matter and templates (code is looked at too: what a page shows as an
example is no leftover, so each is printed to be judged).
"""

import re
import resource
import sys
import tempfile
import time
from pathlib import Path

from agent.generation.embedding import LlamaEmbeddings
from agent.settings import cache_dir
from agent.weights.store import resolve
from knowledge_base.files import found_files
from knowledge_base.library import Library
from knowledge_base.model import Added
from knowledge_base.settings import KnowledgeSettings

_LEFTOVERS = re.compile(
    r"\{\{|\{%|\{:|<!--|\A---$|\A\+\+\+$|^:::|\[!\w+\]|</?(?:div|span|br|p|table|font)\b",
    re.MULTILINE,
)


def ingest(folder: Path, embeddings: LlamaEmbeddings, name: str) -> None:
    files = found_files([folder], None)
    with (
        tempfile.TemporaryDirectory() as place,
        Library.open(KnowledgeSettings(data_dir=Path(place)), embeddings, name) as library,
    ):
        began = time.perf_counter()
        added = library.add_paths([folder], publish=True)
        seconds = time.perf_counter() - began
        _print(folder, len(files), added, seconds)
        for one in added:
            if one.document_id and one.revision:
                _leftovers(one.key, library.revision(one.document_id, one.revision).text)


def _print(folder: Path, files: int, added: list[Added], seconds: float) -> None:
    kept = [one for one in added if not one.error]
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    _say(
        f"{folder}: {files} files, {len(kept)} documents, {sum(p.passages for p in kept)} passages"
    )
    _say(f"  {seconds:.1f} s, {own:.0f} MB at most, {children:.0f} MB in a parser's process")
    for one in added:
        if one.error:
            _say(f"  refused {one.key}: {one.error}")
        for warning in one.warnings:
            _say(f"  warning {one.key}: {warning}")


def _leftovers(key: str, text: str) -> None:
    for found in _LEFTOVERS.finditer(text):
        around = text[max(0, found.start() - 30) : found.end() + 30]
        _say(f"  leftover in {key}: {' '.join(around.split())}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    weights = resolve(None, cache_dir() / "weights", kind="embedding")
    embeddings = LlamaEmbeddings(weights.path)
    try:
        for folder in sys.argv[1:]:
            ingest(Path(folder), embeddings, weights.name)
    finally:
        embeddings.close()


if __name__ == "__main__":
    main()
