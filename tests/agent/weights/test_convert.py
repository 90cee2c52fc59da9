"""A BERT encoder becomes a GGUF file that llama.cpp embeds with."""

from dataclasses import replace
from pathlib import Path

import llama_cpp
import numpy as np
import pytest
from safetensors.numpy import save_file

from agent.weights.catalogue import BertShape
from agent.weights.convert import bert_to_gguf
from agent.weights.errors import WeightsError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "refund", "##s", "are", "late", "."]
SHAPE = BertShape("tiny", len(WORDS), 64, 32, 64, 2, 4, 1e-12)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Path]:
    """Random weights and a vocabulary, as a model's authors publish them."""
    random = np.random.default_rng(7)
    wide, narrow = SHAPE.feed_forward, SHAPE.width
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (SHAPE.vocabulary, narrow),
        "embeddings.position_embeddings.weight": (SHAPE.context, narrow),
        "embeddings.token_type_embeddings.weight": (2, narrow),
        "embeddings.LayerNorm.weight": (narrow,),
        "embeddings.LayerNorm.bias": (narrow,),
        "pooler.dense.weight": (narrow, narrow),
    }
    for layer in range(SHAPE.layers):
        start = f"encoder.layer.{layer}"
        squares = [f"attention.self.{part}" for part in ("query", "key", "value")]
        sizes = dict.fromkeys([*squares, "attention.output.dense"], (narrow, narrow))
        sizes |= {"intermediate.dense": (wide, narrow), "output.dense": (narrow, wide)}
        for name, (rows, columns) in sizes.items():
            shapes[f"{start}.{name}.weight"] = (rows, columns)
            shapes[f"{start}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{start}.{name}.weight"] = shapes[f"{start}.{name}.bias"] = (narrow,)
    tensors = tmp_path / "model.safetensors"
    save_file(
        {name: random.normal(size=size).astype(np.float32) for name, size in shapes.items()},
        tensors,
    )
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n")
    return tensors, vocabulary


def embed(path: Path, texts: list[str]) -> np.ndarray:
    model = llama_cpp.Llama(str(path), embedding=True, n_ctx=64, verbose=False)
    try:
        vectors = np.array([model.embed(text, normalize=True) for text in texts])
    finally:
        model.close()
    return vectors


def test_the_converted_encoder_embeds_and_knows_its_words(
    published: tuple[Path, Path], tmp_path: Path
) -> None:
    target = tmp_path / "tiny.gguf"
    bert_to_gguf(*published, target, SHAPE)

    model = llama_cpp.Llama(str(target), embedding=True, n_ctx=64, verbose=False)
    tokens = model.tokenize(b"Refunds are late.")
    model.close()
    one, same, other = embed(target, ["refunds are late", "Refunds are late", "late"])

    assert tokens == [2, 5, 6, 7, 8, 9, 3]
    assert one.shape == (SHAPE.width,)
    assert one == pytest.approx(same)
    assert one @ other < 0.999


def test_the_same_input_gives_the_same_bytes(published: tuple[Path, Path], tmp_path: Path) -> None:
    bert_to_gguf(*published, tmp_path / "first.gguf", SHAPE)
    bert_to_gguf(*published, tmp_path / "second.gguf", SHAPE)

    first, second = ((tmp_path / name).read_bytes() for name in ("first.gguf", "second.gguf"))
    assert first == second


def test_weights_of_another_shape_are_refused(published: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="another model's weights"):
        bert_to_gguf(*published, tmp_path / "x.gguf", replace(SHAPE, layers=3))
    published[1].write_text("[PAD]\n")
    with pytest.raises(WeightsError, match="has 1 entries, not 10"):
        bert_to_gguf(*published, tmp_path / "x.gguf", SHAPE)


def test_the_real_encoder_puts_what_means_the_same_together(embedding_weights: Path) -> None:
    question, answer, other = embed(
        embedding_weights,
        [
            "When do I get my money back?",
            "Refunds are paid within five working days.",
            "Dogs are welcome in the garden.",
        ],
    )

    assert question.shape == (384,)
    assert question @ answer > 0.3 > question @ other
