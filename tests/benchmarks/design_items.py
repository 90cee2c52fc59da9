"""The questions that the designs of answering are compared on, and what the search finds for them.

Knows no model but the embedding one. From `../shared/eval`: help centres' own headings with the
text under them as gold (so the words of the question stand in the right passage: compare designs,
do not trust the numbers), MTRAG-UN with at most one exchange before the question (half a dozen
exchanges cost more to read than all passages), OR-ShARC's first questions with their scenario
whose gold is yes or no, and the sample company's colloquial questions with their key facts.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from agent.answering import seed_sample
from agent.conversation.turn import Answerer, Question
from agent.evaluation.dataset import Item
from agent.generation.embedding import LlamaEmbeddings
from agent.generation.requests import ChatMessage, Engine
from agent.policy import guardrails
from agent.prompting import Prompts
from knowledge_base.library import Library
from knowledge_base.model import Hit
from knowledge_base.settings import KnowledgeSettings
from tests.benchmarks.retrieval import EVAL, _ingest, _lines

SAMPLE = Path(__file__).resolve().parents[1] / "sample_questions.jsonl"
SETS = ("sample", "corpus_duckduckgo_help", "corpus_arduino_help", "mtrag_un", "or_sharc")
LIMIT = 45  # questions of a set, but for the sample, whose passages are few
FOUND = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its gold, the messages before it, and what was found for it, best first.

    `contexts` has the system prompt and each passage as the product's prompt has them.
    """

    set: str
    item: Item
    key_facts: tuple[str, ...]
    hits: tuple[Hit, ...]
    keys: tuple[str, ...]  # of the hits' documents
    contexts: tuple[tuple[ChatMessage, ...], ...]


def items(name: str) -> list[tuple[Item, tuple[str, ...]]]:
    """The set's questions, each with the facts that a right answer has to contain."""
    chosen = [
        (Item.model_validate(line), tuple(line.get("key_facts") or ())) for line in _chosen(name)
    ]
    return chosen if name == "sample" else chosen[:LIMIT]


def _chosen(name: str) -> Iterator[dict[str, Any]]:
    if name == "sample":
        yield from (
            line for line in _lines(SAMPLE) if guardrails.kind_of(line["question"]) == "question"
        )
        return
    trees = set()
    for line in _lines(EVAL / name / "dev.jsonl"):
        if name == "or_sharc":
            first = line["question"] == line["initial_question"] and line["answerable"]
            if first and line["tree_id"] not in trees:
                trees.add(line["tree_id"])
                question = f"{line['scenario']} {line['question']}".strip()
                yield line | {"question": question, "turns": []}
        elif name == "mtrag_un":
            if line["label"] != "underspecified" and len(line["turns"]) <= 2:
                yield line
        elif line["answer"]:
            yield line


def in_turn(names: tuple[str, ...] = SETS) -> list[tuple[str, str]]:
    """(set, item id), so mixed that every beginning has about the same share of each set."""
    places = [
        (place / len(chosen), name, item.id)
        for name in names
        for chosen in [items(name)]
        for place, (item, _) in enumerate(chosen)
    ]
    return [(name, id_) for _, name, id_ in sorted(places)]


class Search:
    """The product's retrieval over one library a set, kept in `folder`; close it."""

    def __init__(self, folder: Path, embedding_model: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self._embeddings = LlamaEmbeddings(embedding_model)
        self._open.callback(self._embeddings.close)
        self._sets: dict[str, tuple[Answerer, dict[str, str], dict[str, Any]]] = {}
        self.prompts = Prompts(company="Tidelark")

    def close(self) -> None:
        self._open.close()

    def ask(self, name: str, item_id: str) -> Asked:
        if name not in self._sets:
            self._sets[name] = self._prepare(name)
        answerer, keys, known = self._sets[name]
        item, facts = known[item_id]
        question = Question(item.question, item.history())
        hits = asyncio.run(answerer.finder.find(question)).hits[:FOUND]
        return Asked(
            name,
            item,
            facts,
            tuple(hits),
            tuple(keys[hit.passage.document_id] for hit in hits),
            tuple((answerer.reader._shared(hit.passage),) for hit in hits),
        )

    def _prepare(self, name: str) -> tuple[Answerer, dict[str, str], dict[str, Any]]:
        settings = KnowledgeSettings(data_dir=self._folder / name)
        library = self._open.enter_context(Library.open(settings, self._embeddings, "benchmark"))
        if not library.documents():
            if name == "sample":
                seed_sample(library)
            else:
                _ingest(name, library)
        keys = {document.id: document.key for document in library.documents()}
        answerer = Answerer(
            engine=cast("Engine", None), library=library, prompts=self.prompts, time_zone="UTC"
        )
        return answerer, keys, {item.id: (item, facts) for item, facts in items(name)}


def load(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
