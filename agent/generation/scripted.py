"""A backend whose answers are a function of the prompt: for trying everything above a model.

Knows no llama.cpp. Stricter than the real one: what would end a process or silently compute
nonsense there (a gap in the positions, a batch or a context that overflows) is an error here.
Tokens are bytes, so every character beyond ASCII crosses token borders.
"""

import json
from collections.abc import Callable, Sequence

from agent.generation.backend import Chunk, Sampler, TemplateSource
from agent.generation.requests import Sampling, TokenLogprob

_START, _END = "<|im_start|>", "<|im_end|>"
_CONTROL = {_START: 256, _END: 257}
_NAMES = {token: name.encode() for name, token in _CONTROL.items()}
_REPLY_BEGINS = f"{_START}assistant\n"
_TEMPLATE = (
    "{% for message in messages %}"
    f"{_START}{{{{ message.role }}}}\n{{{{ message.content }}}}{_END}\n"
    "{% endfor %}"
    f"{{{{ {_REPLY_BEGINS!r} }}}}"
)


class ScriptedVocabulary:
    template = TemplateSource(_TEMPLATE, "", _END)
    size = 258

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        if not control:
            return list(text.encode())
        tokens: list[int] = []
        while text:
            name = next((name for name in _CONTROL if text.startswith(name)), None)
            tokens += [_CONTROL[name]] if name else text[0].encode()
            text = text[len(name) if name else 1 :]
        return tokens

    def opening(self) -> list[int]:
        return []

    def piece(self, token: int) -> bytes:
        return b"" if token in _NAMES else bytes([token])

    def ends(self, token: int) -> bool:
        return token == _CONTROL[_END]

    def text(self, tokens: Sequence[int]) -> str:
        """With the names of control tokens."""
        raw = b"".join(_NAMES.get(token) or bytes([token]) for token in tokens)
        return raw.decode("utf-8", "replace")


class ScriptedSampler:
    def close(self) -> None:
        """Nothing is held."""


class ScriptedBackend:
    """`reply` is given the prompt's text up to the reply and returns the reply.

    `before_decode` sees every batch: it may block, raise, or return False to let it fail.
    """

    def __init__(
        self,
        reply: Callable[[str], str],
        *,
        context_tokens: int = 4096,
        batch_tokens: int = 512,
        sequences: int = 64,
        before_decode: Callable[[Sequence[Chunk]], bool] = lambda _chunks: True,
    ) -> None:
        self.vocabulary = ScriptedVocabulary()
        self.context_tokens = context_tokens
        self.batch_tokens = batch_tokens
        self.sequences = sequences
        self.closed = False
        self._reply = reply
        self._before_decode = before_decode
        self._cells: dict[int, list[_Cell]] = {number: [] for number in range(sequences)}
        self._chunks: Sequence[Chunk] = ()

    @property
    def used_cells(self) -> int:
        return len({id(cell) for cells in self._cells.values() for cell in cells})

    def sampler(self, _sampling: Sampling, _grammar: str | None, _max_tokens: int) -> Sampler:
        return ScriptedSampler()

    def decode(self, chunks: Sequence[Chunk]) -> bool:
        total = sum(len(chunk.tokens) for chunk in chunks)
        if not 0 < total <= self.batch_tokens:
            raise RuntimeError(f"a batch of {total} tokens")
        if self.used_cells + total > self.context_tokens:
            raise RuntimeError("no free cells")
        if sum(chunk.logits for chunk in chunks) > self.sequences:
            raise RuntimeError("more outputs than sequences")
        for chunk in chunks:
            if chunk.start != len(self._cells[chunk.sequence]):
                raise RuntimeError("a gap in the positions of a sequence")
        if not self._before_decode(chunks):
            return False
        for chunk in chunks:
            self._cells[chunk.sequence] += [_Cell(token) for token in chunk.tokens]
        self._chunks = chunks
        return True

    def sample(self, _sampler: Sampler, chunk: int, output: int = 0) -> int | None:
        asked = self._chunks[chunk]
        if not output < asked.logits:
            raise RuntimeError("no logits were asked for")
        end = asked.start + len(asked.tokens) - asked.logits + output + 1
        cells = self._cells[asked.sequence][:end]
        text = self.vocabulary.text([cell.token for cell in cells])
        prompt, _, _ = text.rpartition(_REPLY_BEGINS)
        begun = len(cells) - len(self.vocabulary.tokenize(prompt + _REPLY_BEGINS, control=True))
        reply = self._reply(prompt).encode()
        return reply[begun] if begun < len(reply) else _CONTROL[_END]

    def logprobs(self, _chunk: int, _output: int, token: int, top: int) -> TokenLogprob:
        text = self.vocabulary.text([token])
        return TokenLogprob(text, 0.0, ((text, 0.0),) if top else ())

    def copy(self, source: int, target: int) -> None:
        if self._cells[target]:
            raise RuntimeError("a copy into a sequence that is not empty")
        self._cells[target] = list(self._cells[source])

    def drop(self, sequence: int) -> None:
        self._cells[sequence] = []

    def cut(self, sequence: int, start: int) -> None:
        del self._cells[sequence][start:]

    def save(self, sequence: int, start: int) -> bytes:
        tokens = [cell.token for cell in self._cells[sequence][start:]]
        return json.dumps([start, tokens]).encode()

    def load(self, sequence: int, state: bytes | memoryview) -> bool:
        start, tokens = json.loads(bytes(state))
        if start != len(self._cells[sequence]):
            raise RuntimeError("a state of other positions")
        if self.used_cells + len(tokens) > self.context_tokens:
            return False
        self._cells[sequence] += [_Cell(token) for token in tokens]
        return True

    @property
    def fingerprint(self) -> str:
        return "scripted"

    def close(self) -> None:
        self.closed = True


class _Cell:
    def __init__(self, token: int) -> None:
        self.token = token
