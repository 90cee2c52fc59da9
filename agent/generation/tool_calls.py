"""Finds the tools a model calls in what it wrote, and the grammar that makes it call one.

Knows no model: Qwen's `<tool_call>{…}</tool_call>`, bare JSON and fenced JSON are all read.
Invariant: only tools that were offered are ever called, and what is shown as text plus what is
called is all the model said.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from secrets import token_hex
from typing import Any

from agent.errors import InvalidRequest
from agent.generation.requests import ToolCall, ToolSpec

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_FENCED = re.compile(r"```[a-z_]*\s*([\[{].*?)\s*(?:```|\Z)", re.DOTALL)
_BARE = re.compile(r"\A\s*([\[{].*[\]}])\s*\Z", re.DOTALL)
_DEFINITIONS = ("$defs", "definitions")
_OPENERS = ("<tool_call>", "```")


class ToolGate:
    """Lets text through until something begins that may be a call, and keeps the rest back."""

    def __init__(self, tools: Sequence[ToolSpec]) -> None:
        self._names = frozenset(tool.name for tool in tools)
        self._kept = ""
        self._started = False
        self._shut = False

    def feed(self, text: str) -> str:
        """What is surely no part of a call."""
        self._kept += text
        if self._shut:
            return ""
        if not self._started:
            begun = self._kept.lstrip()
            if not begun:
                return ""
            self._started = True
            self._shut = begun[0] in "{["
        at = len(self._kept) if not self._shut else 0
        for opener in _OPENERS:
            place = self._kept.find(opener)
            if place >= 0:
                self._shut = True
                at = min(at, place)
        if not self._shut:
            at -= _opener_begun(self._kept)
        passed, self._kept = self._kept[:at], self._kept[at:]
        return passed

    def close(self) -> tuple[str, tuple[ToolCall, ...]]:
        """The rest of the text, and the calls."""
        calls: list[ToolCall] = []
        rest = self._kept
        for pattern in (_TAGGED, _FENCED, _BARE):
            rest = pattern.sub(lambda match: self._read(match, calls), rest)
        return (rest.strip() if calls else rest), tuple(calls)

    def _read(self, match: re.Match[str], calls: list[ToolCall]) -> str:
        found = list(_calls(match[1], self._names))
        calls += found
        return "" if found else match[0]


def call_schema(tools: Sequence[ToolSpec], choice: str) -> Mapping[str, Any]:
    """The JSON schema of one call: of the tool named `choice`, or of any if it is "required".

    Raise InvalidRequest if no such tool was given."""
    chosen = [tool for tool in tools if choice in ("required", tool.name)]
    if not chosen:
        raise InvalidRequest(f"tool_choice names no tool of this request: {choice}.", field="tools")
    definitions: dict[str, Any] = {}
    alternatives = []
    for index, tool in enumerate(chosen):
        arguments = _renamed(_object(tool.parameters), f"tool{index}-")
        for place in _DEFINITIONS:
            found = arguments.pop(place, {})
            definitions |= {f"tool{index}-{name}": value for name, value in found.items()}
        alternatives.append(
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": arguments},
                "required": ["name", "arguments"],
            }
        )
    return {"oneOf": alternatives, "$defs": definitions}


def call_grammar(
    tools: Sequence[ToolSpec], choice: str, to_gbnf: Callable[[Mapping[str, Any]], str]
) -> str:
    """GBNF of one tagged call."""
    rules = re.sub(
        r"^root ::=", "tool-call-json ::=", to_gbnf(call_schema(tools, choice)), flags=re.MULTILINE
    )
    return f'root ::= "<tool_call>\\n" tool-call-json "\\n</tool_call>"\n{rules}'


def _object(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tools without parameters come with an empty schema, which would allow any JSON object."""
    if parameters.get("properties"):
        return parameters
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _renamed(value: Any, prefix: str) -> Any:
    """A copy whose references to definitions carry `prefix`: two tools may define the same name."""
    if isinstance(value, list):
        return [_renamed(item, prefix) for item in value]
    if not isinstance(value, Mapping):
        return value
    copy = {key: _renamed(item, prefix) for key, item in value.items()}
    reference = copy.get("$ref")
    for place in _DEFINITIONS:
        if isinstance(reference, str) and reference.startswith(f"#/{place}/"):
            copy["$ref"] = f"#/$defs/{prefix}{reference.removeprefix(f'#/{place}/')}"
    return copy


def _calls(text: str, names: frozenset[str]) -> Iterator[ToolCall]:
    # The template of Qwen2.5-Coder shows calls in doubled braces, and the model may copy them.
    undoubled = text[1:-1] if text.startswith("{{") else text
    for candidate in (text, undoubled):
        try:
            value = json.loads(candidate, strict=False)
        except ValueError:
            continue
        for item in value if isinstance(value, list) else [value]:
            call = _call(item, names)
            if call is not None:
                yield call
        return


def _call(item: Any, names: frozenset[str]) -> ToolCall | None:
    if isinstance(item, dict) and isinstance(item.get("function"), dict):
        item = item["function"]
    if not isinstance(item, dict) or item.get("name") not in names:
        return None
    arguments = item.get("arguments", item.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if not isinstance(arguments, dict):
        return None
    return ToolCall(
        f"call_{token_hex(12)}", item["name"], json.dumps(arguments, ensure_ascii=False)
    )


def _opener_begun(text: str) -> int:
    """How many characters at the end may be the beginning of an opener."""
    for length in range(max(map(len, _OPENERS)) - 1, 0, -1):
        if any(opener.startswith(text[-length:]) for opener in _OPENERS if len(text) >= length):
            return length
    return 0
