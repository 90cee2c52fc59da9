"""Renders a conversation through a model's own chat template, and keeps text text.

Knows no tokens and no model. The template runs in a sandbox on stand-ins: every string that
people, documents or tools wrote is replaced by a random word and put back afterwards, as a segment
of its own. Invariant: nothing but the template's own words is ever in a segment with `control`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import GenerationFailed, InvalidRequest, SetupError
from agent.generation.backend import TemplateSource, Vocabulary
from agent.generation.requests import ChatMessage, ToolSpec

_VEIL = " veil"  # not an identifier, so no template can name it


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokenized on its own; control tokens may be in it only if `control`."""

    text: str
    control: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """The first `bounds[n]` tokens are the same for every prompt with the same n + 1 leading
    pieces."""

    tokens: list[int]
    bounds: tuple[int, ...]


class _Veil:
    """Random words that stand for texts while a template runs."""

    def __init__(self) -> None:
        self._mark = token_hex(12)
        self._pattern = re.compile(f"q{self._mark}n([0-9]+)q")
        self.texts: list[str] = []

    def hide(self, text: str) -> str:
        if not text:
            return ""
        self.texts.append(text)
        return f"q{self._mark}n{len(self.texts) - 1}q"

    def hide_all(self, value: Any) -> Any:
        """A copy with every string in it hidden; keys stay, for templates look things up by key."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {key: self.hide_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide_all(item) for item in value]
        return value

    def show_all(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._pattern.sub(lambda match: self.texts[int(match[1])], value)
        if isinstance(value, Mapping):
            return {self.show_all(key): self.show_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.show_all(item) for item in value]
        return value

    def to_json(self, value: Any, **options: Any) -> str:
        """The `tojson` filter: JSON of the real value, itself hidden."""
        allowed = {"indent", "separators", "sort_keys"} & options.keys()
        return self.hide(
            json.dumps(
                self.show_all(value),
                ensure_ascii=False,
                **{name: options[name] for name in allowed},
            )
        )

    def segments(self, rendered: str) -> list[tuple[Segment, int]]:
        """With the number of the hidden text, or -1 for the template's own words."""
        found: list[tuple[Segment, int]] = []
        for index, part in enumerate(self._pattern.split(rendered)):
            if index % 2:
                found.append((Segment(self.texts[int(part)], control=False), int(part)))
            elif part:
                found.append((Segment(part, control=True), -1))
        return found


class ChatTemplate:
    """A compiled template. `prompt` may be called from any thread."""

    def __init__(self, source: TemplateSource) -> None:
        """Raise SetupError if the template is not valid Jinja."""
        self._source = source
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        environment.filters["tojson"] = _to_json
        try:
            self._template = environment.from_string(source.text)
        except jinja2.TemplateError as error:
            raise SetupError(
                f"The model's chat template is broken ({error.message}). Choose another model."
            ) from error

    def segments(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec], shared_pieces: int
    ) -> tuple[list[Segment], tuple[int, ...]]:
        """The segments, and how many leading ones make up each shared beginning.

        Raise InvalidRequest if the template refuses the conversation."""
        veil = _Veil()
        shown = [_message(message, veil) for message in messages]
        rendered = self._render(veil, shown, [_tool(tool, veil) for tool in tools])
        numbered = veil.segments(rendered)
        pieces = [piece for message in messages for piece in message.pieces]
        shared = sum(1 for piece in pieces[:shared_pieces] if piece)
        if messages[0].role != "system":
            shared = 0
        ends: list[int] = []
        for at, (_, number) in enumerate(numbered, 1):
            if number >= 0 and number != len(ends):
                break  # the template put other text before a shared piece
            if number >= 0 and len(ends) < shared:
                ends.append(at)
        return [segment for segment, _ in numbered], tuple(ends)

    def prompt(
        self,
        vocabulary: Vocabulary,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec],
        shared_pieces: int,
    ) -> Prompt:
        segments, ends = self.segments(messages, tools, shared_pieces)
        tokens = vocabulary.opening()
        bounds = []
        for index, segment in enumerate(segments, 1):
            new = vocabulary.tokenize(segment.text, control=segment.control)
            if index == 1 and new[: len(tokens)] == tokens:
                tokens = []
            tokens += new
            if index in ends:
                bounds.append(len(tokens))
        return Prompt(tokens, tuple(bounds))

    def _render(
        self, veil: _Veil, messages: list[dict[str, Any]], tools: list[dict[str, Any]]
    ) -> str:
        try:
            return self._template.render(
                {
                    "messages": messages,
                    "tools": tools or None,
                    "add_generation_prompt": True,
                    "bos_token": self._source.bos,
                    "eos_token": self._source.eos,
                    _VEIL: veil,
                }
            )
        except _Refused as refusal:
            reason = veil.show_all(str(refusal))
            raise InvalidRequest(
                f"The model's chat template refuses this: {reason}", field="messages"
            ) from refusal
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise GenerationFailed(
                "The model's chat template cannot render this conversation; try it without tools."
            ) from error


class _Refused(Exception):
    pass


def _refuse(message: str) -> None:
    raise _Refused(message)


@jinja2.pass_context
def _to_json(context: jinja2.runtime.Context, value: Any, **options: Any) -> str:
    veil: _Veil = context[_VEIL]
    return veil.to_json(value, **options)


def _now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)


def _message(message: ChatMessage, veil: _Veil) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "role": message.role,
        "content": "".join(veil.hide(piece) for piece in message.pieces),
    }
    if message.tool_calls:
        shown["tool_calls"] = [
            {
                "id": veil.hide(call.id),
                "type": "function",
                "function": {
                    "name": veil.hide(call.name),
                    "arguments": _arguments(call.arguments, veil),
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        shown["tool_call_id"] = veil.hide(message.tool_call_id)
    return shown


def _arguments(text: str, veil: _Veil) -> Any:
    """Templates expect an object here; what is not one goes in as it is."""
    try:
        return veil.hide_all(json.loads(text))
    except ValueError:
        return veil.hide(text)


def _tool(tool: ToolSpec, veil: _Veil) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": veil.hide(tool.name),
            "description": veil.hide(tool.description),
            "parameters": veil.hide_all(tool.parameters),
        },
    }
