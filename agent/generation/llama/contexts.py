"""llama.cpp contexts: one that continues texts in many sequences, one that embeds them.

Knows no thread: each context belongs to the one that its owner uses it from.
"""

import ctypes
import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from agent.errors import GenerationFailed, SetupError
from agent.generation.backend import Chunk, Sampler
from agent.generation.llama.model import LlamaModel, usable_threads
from agent.generation.llama.sampling import LlamaSampler, open_sampler
from agent.generation.requests import Sampling, TokenLogprob

log = logging.getLogger("frontdesk.llama")

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


_OUTPUTS = 96
KvType = Literal["f16", "q8_0"]
_KV_TYPES: dict[KvType, int] = {"f16": native.GGML_TYPE_F16, "q8_0": native.GGML_TYPE_Q8_0}


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a context computes: `micro_batch` tokens at a time, keys and values as `kv_type`."""

    threads: int = field(default_factory=usable_threads)
    micro_batch: int = 512
    flash_attention: bool = True
    kv_type: KvType = "f16"


class _Batch:
    """One `llama_batch` whose arrays are numpy's, filled anew for each decode."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._ones = np.ones(capacity, np.int32)
        self._sequences = np.zeros(capacity, np.int32)
        self._outputs = np.zeros(capacity, np.int8)
        address = self._sequences.ctypes.data
        self._rows = np.arange(address, address + 4 * capacity, 4, dtype=np.uint64)
        self._count = np.arange(capacity, dtype=np.int32)
        self.native = native.llama_batch()
        self.native.token = _pointer(self._tokens, ctypes.c_int32)
        self.native.pos = _pointer(self._positions, ctypes.c_int32)
        self.native.n_seq_id = _pointer(self._ones, ctypes.c_int32)
        self.native.seq_id = _pointer(self._rows, ctypes.POINTER(ctypes.c_int32))
        self.native.logits = _pointer(self._outputs, ctypes.c_int8)

    def fill(self, chunks: Sequence[Chunk], *, every_output: bool = False) -> list[int]:
        """The place of each chunk's first token with logits."""
        end = 0
        firsts = []
        self._outputs[:] = every_output
        for chunk in chunks:
            start, end = end, end + len(chunk.tokens)
            if end > self.capacity:
                raise ValueError(f"more than {self.capacity} tokens for one batch")
            self._tokens[start:end] = chunk.tokens
            self._positions[start:end] = self._count[: end - start] + chunk.start
            self._sequences[start:end] = chunk.sequence
            self._outputs[end - chunk.logits : end] |= 1
            firsts.append(end - chunk.logits)
        self.native.n_tokens = end
        return firsts


class LlamaBackend:
    """`backend.Backend` on one llama.cpp context. All cells are in one pool (`kv_unified`), so
    that sequences can share them."""

    def __init__(
        self,
        model: LlamaModel,
        *,
        context_tokens: int,
        batch_tokens: int,
        sequences: int,
        tuning: Tuning | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self.vocabulary = model
        self.batch_tokens = batch_tokens
        self.sequences = sequences
        parameters = native.llama_context_default_params()
        parameters.n_ctx = min(context_tokens, model.trained_context)
        parameters.n_batch = batch_tokens
        parameters.n_ubatch = min(batch_tokens, tuning.micro_batch)
        parameters.n_seq_max = sequences + 1
        self._scratch = sequences
        # Rows of logits for every sequence and for guesses: the default keeps room for one a token,
        # 311 MB.
        parameters.n_outputs_max = max(sequences + 1, _OUTPUTS)
        parameters.kv_unified = True
        parameters.flash_attn_type = (
            native.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if tuning.flash_attention
            else native.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        parameters.type_k = parameters.type_v = _KV_TYPES[tuning.kv_type]
        self._kinds = [
            f"{name}={getattr(parameters, name)}"
            for name in ("type_k", "type_v", "flash_attn_type", "rope_freq_base", "rope_freq_scale")
        ]
        self._context: int | None = _open_context(model, parameters, tuning.threads)
        self.context_tokens = min(int(parameters.n_ctx), native.llama_n_ctx(self._context))
        self._memory = native.llama_get_memory(self._context)
        self._batch = _Batch(batch_tokens)
        self._firsts: list[int] = []
        self._candidates = np.empty(model.size, _CANDIDATE)
        self._ids = np.arange(model.size, dtype=np.int32)
        self._array: Any = native.llama_token_data_array()
        self._one: Any = native.llama_token_data()

    def sampler(self, sampling: Sampling, grammar: str | None, max_tokens: int) -> LlamaSampler:
        return open_sampler(self.vocabulary, sampling, grammar, max_tokens)

    def decode(self, chunks: Sequence[Chunk]) -> bool:
        self._firsts = self._batch.fill(chunks)
        code = native.llama_decode(self._context, self._batch.native)
        if code != 0:
            log.error("llama_decode of %d tokens failed with %d", self._batch.native.n_tokens, code)
        return bool(code == 0)

    def sample(self, sampler: Sampler, chunk: int, output: int = 0) -> int | None:
        if not isinstance(sampler, LlamaSampler):
            raise TypeError("a sampler of another backend")
        row = self._firsts[chunk] + output
        if sampler.grammar is None:
            return int(native.llama_sampler_sample(sampler.chain, self._context, row))
        # Checking the likeliest token alone is far cheaper than the whole vocabulary, and it is
        # nearly always allowed.
        token = self._choose(sampler, row, constrained=False)
        if token is None or not self._allowed(sampler, token):
            token = self._choose(sampler, row, constrained=True)
        if token is not None:
            native.llama_sampler_accept(sampler.grammar, token)
            native.llama_sampler_accept(sampler.chain, token)
        return token

    def _choose(self, sampler: LlamaSampler, row: int, *, constrained: bool) -> int | None:
        candidates = self._candidates
        candidates["id"] = self._ids
        candidates["logit"] = self._logits(row)
        candidates["p"] = 0
        array = self._array
        array.data = _pointer(candidates, native.llama_token_data)
        array.size, array.selected, array.sorted = len(candidates), -1, False
        if constrained:
            native.llama_sampler_apply(sampler.grammar, ctypes.byref(array))
            if not np.isfinite(candidates["logit"]).any():
                return None
        native.llama_sampler_apply(sampler.chain, ctypes.byref(array))
        chosen = array.data[array.selected]
        return int(chosen.id) if math.isfinite(chosen.logit) else None

    def _allowed(self, sampler: LlamaSampler, token: int) -> bool:
        one, array = self._one, self._array
        one.id, one.logit, one.p = token, 1.0, 0.0
        array.data = ctypes.pointer(one)
        array.size, array.selected, array.sorted = 1, -1, False
        native.llama_sampler_apply(sampler.grammar, ctypes.byref(array))
        return math.isfinite(one.logit)

    def _logits(self, row: int) -> NDArray[np.float32]:
        pointer = native.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary.size,))

    def logprobs(self, chunk: int, output: int, token: int, top: int) -> TokenLogprob:
        logits = self._logits(self._firsts[chunk] + output)
        highest = logits.max()
        # Single precision: 0.2 ms for each token of an answer, of 150,000 logits; double: 2 ms.
        all_ = float(highest) + math.log(np.exp(logits - highest).sum(dtype=np.float64))
        best: list[int] = []
        if top:
            best = np.argpartition(logits, -top)[-top:].tolist()
            best.sort(key=lambda index: -logits[index])
        return TokenLogprob(
            self._text(token),
            float(logits[token]) - all_,
            tuple((self._text(index), float(logits[index]) - all_) for index in best),
        )

    def _text(self, token: int) -> str:
        return self.vocabulary.piece(token).decode("utf-8", "replace")

    def copy(self, source: int, target: int) -> None:
        native.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def drop(self, sequence: int) -> None:
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def cut(self, sequence: int, start: int) -> None:
        native.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def save(self, sequence: int, start: int) -> bytes:
        native.llama_memory_seq_cp(self._memory, sequence, self._scratch, start, -1)
        try:
            size = native.llama_state_seq_get_size(self._context, self._scratch)
            state = np.empty(size, np.uint8)
            pointer = _pointer(state, ctypes.c_uint8)
            native.llama_state_seq_get_data(self._context, pointer, size, self._scratch)
        finally:
            self.drop(self._scratch)
        return state.tobytes()

    def load(self, sequence: int, state: bytes | memoryview) -> bool:
        """Half a millisecond for 300 tokens of a 1.5B model (8.6 MB)."""
        # Setting a sequence's state empties it first, so it goes through one that is empty.
        raw = np.frombuffer(state, np.uint8)
        pointer = _pointer(raw, ctypes.c_uint8)
        read = native.llama_state_seq_set_data(self._context, pointer, len(raw), self._scratch)
        if read == len(raw):
            native.llama_memory_seq_cp(self._memory, self._scratch, sequence, -1, -1)
        self.drop(self._scratch)
        return bool(read == len(raw))

    @cached_property
    def fingerprint(self) -> str:
        """Of llama.cpp's build and of how keys and values are computed and stored; of the weights
        only what their file says of itself (the caller knows their hash)."""
        architecture = self.vocabulary.metadata("general.architecture")
        rope = [
            f"{name}={value}"
            for name in ("freq_base", "scaling.type", "scaling.factor", "dimension_count")
            if (value := self.vocabulary.metadata(f"{architecture}.rope.{name}"))
        ]
        return " ".join([*self._kinds, *rope, build()])

    def free(self) -> None:
        """Gives the context back; the model stays open."""
        context, self._context = self._context, None
        if context:
            native.llama_free(context)

    def close(self) -> None:
        """Also closes the model."""
        self.free()
        self.vocabulary.close()


class LlamaEmbedder:
    """Sentence vectors from one llama.cpp context of its own."""

    def __init__(self, path: Path, *, batch_tokens: int, batch_texts: int, threads: int) -> None:
        self._model = LlamaModel(path)
        self.batch_tokens = batch_tokens
        self.batch_texts = batch_texts
        self.text_tokens = min(self._model.trained_context, batch_tokens)
        self.dimensions: int = native.llama_model_n_embd(self._model.handle)
        parameters = native.llama_context_default_params()
        # A pooled batch has to be one micro-batch, or llama.cpp ends the process.
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = batch_tokens
        parameters.n_seq_max = batch_texts
        parameters.embeddings = parameters.kv_unified = True
        architecture = self._model.metadata("general.architecture")
        if self._model.metadata(f"{architecture}.pooling_type") is None:
            parameters.pooling_type = native.LLAMA_POOLING_TYPE_MEAN
        self._context: int | None = _open_context(self._model, parameters, threads)
        self._memory = native.llama_get_memory(self._context)
        self._batch = _Batch(batch_tokens)

    def tokenize(self, text: str) -> list[int]:
        """At most `text_tokens` of them."""
        # Beyond 32 characters a token there is only white space: a text of megabytes is cut first.
        return self._model.tokenize_whole(text[: self.text_tokens * 32], self.text_tokens)

    def embed(self, texts: Sequence[list[int]]) -> NDArray[np.float32]:
        """One row of length 1 for each text; together at most `batch_tokens` in `batch_texts`.
        Raise GenerationFailed if llama.cpp cannot compute them."""
        chunks = [Chunk(index, 0, tokens, logits=0) for index, tokens in enumerate(texts)]
        self._batch.fill(chunks, every_output=True)
        if self._memory:
            native.llama_memory_clear(self._memory, True)
        compute = native.llama_decode if self._memory else native.llama_encode
        if compute(self._context, self._batch.native) != 0:
            raise GenerationFailed("The texts could not be embedded; try again.")
        rows = np.empty((len(texts), self.dimensions), np.float32)
        for index in range(len(texts)):
            pointer = native.llama_get_embeddings_seq(self._context, index)
            rows[index] = np.ctypeslib.as_array(pointer, shape=(self.dimensions,))
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows

    def close(self) -> None:
        context, self._context = self._context, None
        if context:
            native.llama_free(context)
            self._model.close()


@cache
def build() -> str:
    """Of the very libraries that compute: a build of the same version for another processor, or
    with another option, may give other numbers."""
    digest = hashlib.sha256()
    for library in sorted(Path(native.__file__).parent.glob("lib/*.so")):
        digest.update(library.read_bytes())
    return digest.hexdigest()


def _open_context(model: LlamaModel, parameters: Any, threads: int) -> int:
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.no_perf = True
    context: int | None = native.llama_init_from_model(model.handle, parameters)
    if context is None:
        raise SetupError(
            f"There is not enough memory for a context of {parameters.n_ctx} tokens"
            f" of {model.path.name}. Close other programs or choose a smaller context."
        )
    return context


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))
