"""The weights of one GGUF file, its vocabulary, and llama.cpp's log as Python's.

Knows no context. Everything here may be used from any thread.
"""

import ctypes
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path

import llama_cpp as native
import numpy as np

from agent.errors import EngineDead, SetupError
from agent.generation.backend import TemplateSource
from agent.generation.llama.pages import ask_for_huge_pages

log = logging.getLogger("frontdesk.llama")

_WARN, _ERROR = 3, 4  # ggml.h; the numbers in llama_cpp._logger are an older order
_last_error = ""


@native.llama_log_callback  # type: ignore[untyped-decorator]
def _log(level: int, text: bytes, _user: object) -> None:
    global _last_error
    if level not in (_WARN, _ERROR):
        return
    line = text.decode("utf-8", "replace").strip()
    if level == _ERROR:
        _last_error = line
        log.warning("%s", line)
    else:  # what llama.cpp warns of in files that work is no news to who runs the product
        log.info("%s", line)


@native.llama_progress_callback  # type: ignore[untyped-decorator]
def _filling(progress: float, _user: object) -> bool:
    if progress == 0:  # the weights' buffers are there and still empty
        ask_for_huge_pages()
    return True


@cache
def _start() -> None:
    native.llama_log_set(_log, ctypes.c_void_p(0))
    native.llama_backend_init()


class LlamaModel:
    """The weights of one GGUF file and its vocabulary; usable from any thread."""

    def __init__(self, path: Path, *, gpu_layers: int = -1) -> None:
        """`gpu_layers` go to a GPU where llama.cpp was built for one, -1: all. Raise SetupError if
        the file is not a model that llama.cpp can load."""
        _start()
        self.path = path
        _check_file(path)
        parameters = native.llama_model_default_params()
        # Weights are repacked for the processor as they are loaded; mapped, the file's own pages
        # would stay beside them: 1,790 MB resident instead of 1,190 with the 1.5B model.
        parameters.n_gpu_layers = gpu_layers
        parameters.load_mode = native.LLAMA_LOAD_MODE_NONE
        parameters.progress_callback = _filling
        self.handle = native.llama_model_load_from_file(os.fsencode(path), parameters)
        if not self.handle:
            raise SetupError(
                f"{path.name} is damaged or of a kind this build of llama.cpp does not know"
                f" ({_last_error or 'no reason given'}). Delete it and run `frontdesk models pull`."
            )
        self.vocab = native.llama_model_get_vocab(self.handle)
        self.size: int = native.llama_vocab_n_tokens(self.vocab)
        self.trained_context: int = native.llama_model_n_ctx_train(self.handle)
        self._pieces: dict[int, bytes] = {}
        self._users = 0
        self._left = threading.Condition()

    def close(self) -> None:
        """Only after every context of this model was closed. Waits for threads in `in_use`."""
        with self._left:
            handle, self.handle = self.handle, None
            self._left.wait_for(lambda: self._users == 0)
        if handle:
            native.llama_model_free(handle)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the model from being freed meanwhile. Raise EngineDead if it is closed."""
        with self._left:
            if self.handle is None:
                raise EngineDead("The model was closed: Frontdesk is shutting down.")
            self._users += 1
        try:
            yield
        finally:
            with self._left:
                self._users -= 1
                self._left.notify_all()

    def metadata(self, key: str) -> str | None:
        capacity = 256
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            length = native.llama_model_meta_val_str(self.handle, key.encode(), buffer, capacity)
            if length < capacity:
                return None if length < 0 else buffer.value.decode("utf-8", "replace")
            capacity = length + 1

    @cached_property
    def template(self) -> TemplateSource:
        source = native.llama_model_chat_template(self.handle, None)
        if not source:
            raise SetupError(
                f"{self.path.name} has no chat template, so it is not a chat model."
                " Choose an instruct model with `frontdesk models pull`."
            )
        bos, eos = native.llama_vocab_bos(self.vocab), native.llama_vocab_eos(self.vocab)
        return TemplateSource(source.decode(), self._name(bos), self._name(eos))

    @cached_property
    def _markers(self) -> re.Pattern[str] | None:
        """Names of tokens such as `<tool_call>`, which llama.cpp reads in any text although the
        chat template gives them a meaning."""
        with self.in_use():
            return self._find_markers()

    def _find_markers(self) -> re.Pattern[str] | None:
        source = native.llama_model_chat_template(self.handle, None)
        if not source:
            return None
        user_defined = native.LLAMA_TOKEN_ATTR_USER_DEFINED
        names = [
            name
            for token in range(self.size)
            if native.llama_vocab_get_attr(self.vocab, token) & user_defined
            and len(name := self._name(token)) > 1
            and name.strip()
            and name in source.decode()
        ]
        return re.compile("|".join(map(re.escape, names))) if names else None

    def _name(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes = native.llama_vocab_get_text(self.vocab, token)
        return text.decode("utf-8", "replace")

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        if control or self._markers is None:
            return self._tokenize(text, control=control, ends=False)
        tokens: list[int] = []
        start = 0
        for match in self._markers.finditer(text):
            tokens += self._tokenize(text[start : match.start() + 1], control=False, ends=False)
            start = match.start() + 1
        return tokens + self._tokenize(text[start:], control=False, ends=False)

    def tokenize_whole(self, text: str, limit: int) -> list[int]:
        """With the model's own first and last tokens; what is beyond `limit` is left out of the
        text's end."""
        tokens = self._tokenize(text, control=False, ends=True)
        return tokens if len(tokens) <= limit else [*tokens[: limit - 1], tokens[-1]]

    def _tokenize(self, text: str, *, control: bool, ends: bool) -> list[int]:
        if not text and not ends:
            return []
        with self.in_use():
            return self._native_tokens(text.encode("utf-8", "replace"), control, ends)

    def _native_tokens(self, raw: bytes, control: bool, ends: bool) -> list[int]:
        capacity = len(raw) + 8
        tokens = np.empty(capacity, np.int32)
        pointer = tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        count = native.llama_tokenize(self.vocab, raw, len(raw), pointer, capacity, ends, control)
        found: list[int] = tokens[: max(count, 0)].tolist()
        return found

    def opening(self) -> list[int]:
        with self.in_use():
            adds = native.llama_vocab_get_add_bos(self.vocab)
            return [native.llama_vocab_bos(self.vocab)] if adds else []

    def piece(self, token: int) -> bytes:
        known = self._pieces.get(token)
        if known is None:
            buffer = ctypes.create_string_buffer(256)
            length = native.llama_token_to_piece(self.vocab, token, buffer, 256, 0, False)
            known = self._pieces[token] = buffer.raw[: max(length, 0)]
        return known

    @cached_property
    def endings(self) -> list[int]:
        return [token for token in range(self.size) if self.ends(token)]

    def ends(self, token: int) -> bool:
        return bool(native.llama_vocab_is_eog(self.vocab, token))


def usable_threads() -> int:
    """The processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise SetupError(
            f"The model file {path} cannot be read ({error.strerror}). Run `frontdesk models pull`."
        ) from error
    if magic != b"GGUF":
        raise SetupError(
            f"{path.name} is not a GGUF model file. Delete it and run `frontdesk models pull`."
        )
