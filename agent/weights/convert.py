"""Writes a BERT sentence encoder (safetensors and vocab.txt) as GGUF, so that llama.cpp runs it.

Owns the mapping of names, tokens and number formats; knows nothing of where the files came from.
Invariant: the same input gives the same bytes, and an input of another shape is refused.
"""

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from agent.weights.catalogue import BertShape
from agent.weights.errors import WeightsError

_WORD_START = "\u2581"
_SPECIAL = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]", "bos": "[CLS]"}
_F32_TENSORS = ("position_embd", "token_types")
"""Small tables that llama.cpp adds to activations in full precision."""


def bert_to_gguf(tensors: Path, vocabulary: Path, target: Path, shape: BertShape) -> None:
    """Read `tensors` and `vocabulary`, write `target` in half precision."""
    weights = _checked(load_file(tensors), shape)
    words = vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(words) != shape.vocabulary:
        raise WeightsError(
            f"The vocabulary of {shape.title} has {len(words)} entries, not {shape.vocabulary}: "
            "it is another model's. Fetch it again with `frontdesk models pull`."
        )
    writer = gguf.GGUFWriter(target, "bert")
    _write_shape(writer, shape)
    _write_vocabulary(writer, words)
    _write_tensors(writer, weights, shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _checked(
    tensors: dict[str, NDArray[np.generic]], shape: BertShape
) -> dict[str, NDArray[np.generic]]:
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.endswith("position_ids") and not name.startswith("pooler")
    }
    expected = {
        "embeddings.word_embeddings.weight": (shape.vocabulary, shape.width),
        "embeddings.position_embeddings.weight": (shape.context, shape.width),
    }
    for layer in range(shape.layers):
        inner = f"encoder.layer.{layer}.intermediate.dense.weight"
        expected[inner] = (shape.feed_forward, shape.width)
    for name, size in expected.items():
        found = kept[name].shape if name in kept else None
        if found != size:
            raise WeightsError(
                f"{shape.title}: tensor {name} is {found}, not {size}: these are another model's "
                "weights. Fetch them again with `frontdesk models pull`."
            )
    return kept


def _write_shape(writer: gguf.GGUFWriter, shape: BertShape) -> None:
    writer.add_name(shape.title)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(shape.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _write_vocabulary(writer: gguf.GGUFWriter, words: list[str]) -> None:
    """WordPiece marks what continues a word (`##`), llama.cpp what starts one."""
    tokens: list[bytes] = []
    types: list[int] = []
    for word in words:
        control = word.startswith("[") and word.endswith("]") and len(word) > 2
        if control:
            text = word
        elif word.startswith("##"):
            text = word.removeprefix("##")
        else:
            text = _WORD_START + word
        tokens.append(text.encode())
        types.append(gguf.TokenType.CONTROL if control else gguf.TokenType.NORMAL)
    number = {word: index for index, word in enumerate(words)}
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_type_count(2)
    writer.add_unk_token_id(number[_SPECIAL["unk"]])
    writer.add_sep_token_id(number[_SPECIAL["sep"]])
    writer.add_pad_token_id(number[_SPECIAL["pad"]])
    writer.add_mask_token_id(number[_SPECIAL["mask"]])
    writer.add_bos_token_id(number[_SPECIAL["bos"]])
    writer.add_eos_token_id(number[_SPECIAL["sep"]])


def _write_tensors(
    writer: gguf.GGUFWriter, weights: dict[str, NDArray[np.generic]], shape: BertShape
) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, shape.layers)
    for source in sorted(weights):
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise WeightsError(
                f"{shape.title}: tensor {source} has no place in a BERT encoder. "
                "Fetch the weights again with `frontdesk models pull`."
            )
        values = weights[source].astype(np.float32)
        if values.ndim == 2 and not any(table in name for table in _F32_TENSORS):
            writer.add_tensor(name, values.astype(np.float16))
        else:
            writer.add_tensor(name, values)
