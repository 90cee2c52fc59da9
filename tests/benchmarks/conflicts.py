# ruff: noqa: T201
"""How many contradictions and repetitions are found, and how many alarms are false.

    python -m tests.benchmarks.conflicts [FOLDER]

Holds the passages of tests/sample_conflicts.jsonl against the sample company's documents, prints
what was missed and each false alarm, then what the company (or FOLDER) says against itself.
"""

import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from agent.generation.embedding import LlamaEmbeddings
from agent.settings import load_settings
from agent.weights.store import resolve
from knowledge_base.conflicts import Conflict
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings

ROOT = Path(__file__).parents[2]
PAIRS = ROOT / "tests" / "sample_conflicts.jsonl"


def shown(one: Conflict, keys: dict[str, str]) -> str:
    sides = (one.mine, one.theirs)
    where = " ~ ".join(keys[side.passage.document_id] for side in sides)
    quotes = "".join(f"\n    {' '.join(side.text.split())[:200]}" for side in sides)
    return f"  {one.kind} {one.about or ''} {one.alike} {one.excuse or ''} {where}{quotes}"


def pairs(library: Library) -> None:
    for half in (False, True):
        wanted = found = false = 0
        for line in PAIRS.read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            if item["held_out"] is not half:
                continue
            added = library.add_text(
                source="tried", key=item["id"], text=item["text"], title=item["title"]
            )
            keys = {one.id: one.key for one in library.documents()}
            alarms = [one for one in library.conflicts(added.document_id) if one.excuse is None]
            right = [
                one
                for one in alarms
                if one.kind == item["kind"]
                and keys[one.theirs.passage.document_id] in item["against"]
            ]
            wanted += item["kind"] != "none"
            found += bool(right)
            false += len(alarms) - len(right)
            if item["kind"] != "none" and not right:
                print("missed:", item["text"].split("\n")[-1])
            for one in alarms:
                if one not in right:
                    print("false:", shown(one, keys))
        print(f"{'held out' if half else 'chosen on'}: {found} of {wanted}, {false} false\n")


def main(folder: Path) -> None:
    weights = resolve(None, load_settings().weights_dir, kind="embedding")
    with closing(LlamaEmbeddings(weights.path)) as embeddings, tempfile.TemporaryDirectory() as at:
        settings = KnowledgeSettings(data_dir=Path(at))
        with Library.open(settings, embeddings, weights.name) as library:
            library.add_paths([folder], source="s", publish=True)
            if folder.name == "content":
                pairs(library)
            keys = {one.id: one.key for one in library.documents()}
            found = library.conflicts()
            for one in found:
                print(shown(one, keys))
            print(sum(one.excuse is None for one in found), "and", len(found), "with the excused")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "knowledge_base" / "content")
