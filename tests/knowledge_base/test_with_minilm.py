"""With the real embedding model, a question finds the rule that answers it in other words."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings

from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings

pytestmark = pytest.mark.model

POLICIES = [
    ("cancel", "A booking can be called off free of charge until seven days before arrival."),
    (
        "pets",
        "Dogs and cats are welcome where the listing says so; the host may ask 20 €.",
    ),
    ("pool", "Children under twelve may swim only together with an adult."),
    ("payout", "Hosts are paid out on the first working day after the guest's arrival."),
    ("noise", "Quiet hours are from ten in the evening until seven in the morning."),
]


@pytest.fixture
def embeddings() -> Iterator[Embeddings]:
    from agent.generation.embedding import LlamaEmbeddings

    default = Path.home() / ".cache" / "frontdesk" / "weights"
    path = Path(os.environ.get("FRONTDESK_WEIGHTS_DIR", default)) / "all-MiniLM-L6-v2-f16.gguf"
    if not path.exists():
        pytest.fail(f"{path} is missing; run: make setup")
    with closing(LlamaEmbeddings(path)) as embeddings:
        yield embeddings


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("Can I bring my puppy?", "pets"),
        ("We changed our plans and do not want to come any more", "cancel"),
        ("When do I get my money as an owner?", "payout"),
        ("How long may we play loud music tonight?", "noise"),
    ],
)
def test_a_question_in_other_words_finds_its_rule(
    question: str, key: str, embeddings: Embeddings, tmp_path: Path
) -> None:
    with Library.open(KnowledgeSettings(data_dir=tmp_path), embeddings, "minilm") as library:
        texts = [(name, text, "House rules") for name, text in POLICIES]
        library.add_texts(texts, source="tests", publish=True)
        hit = library.search(question)[0]
        assert hit.passage.text == dict(POLICIES)[key]
