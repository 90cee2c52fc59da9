"""Tool calls are found in what models write, and never shown as text."""

import json

import pytest

from agent.generation.requests import ToolSpec
from agent.generation.tool_calls import ToolGate, call_schema

REFUND = ToolSpec("refund", "Refund an order", {"type": "object", "properties": {"id": {}}})
TOOLS = (REFUND, ToolSpec("track", "Where is it", {"type": "object"}))
CALL = '{"name": "refund", "arguments": {"id": 7}}'


def through(text: str, size: int) -> tuple[str, list[tuple[str, dict]], str]:
    gate = ToolGate(TOOLS)
    passed = "".join(gate.feed(text[at : at + size]) for at in range(0, len(text), size))
    rest, calls = gate.close()
    return passed, [(call.name, json.loads(call.arguments)) for call in calls], rest


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{CALL}",
        CALL,
        f"```json\n{CALL}\n```",
        f"\n[{CALL}]",
        f"<tool_call>{{{CALL}}}</tool_call>",
        '{"type": "function", "function": {"name": "refund", "parameters": {"id": 7}}}',
        '{"name": "refund", "arguments": "{\\"id\\": 7}"}',
    ],
)
def test_calls_are_read_in_every_form_and_not_shown(text: str, size: int) -> None:
    passed, calls, rest = through(text, size)
    assert calls == [("refund", {"id": 7})]
    assert (passed + rest).strip() == ""


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_several_calls_and_the_words_before_them(size: int) -> None:
    passed, calls, rest = through(f"One moment.\n<tool_call>{CALL}</tool_call>" * 2, size)
    assert passed == "One moment.\n"
    assert len(calls) == 2
    assert "tool_call" not in rest


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "Refunds take 5 < 7 days. <b>Sure</b>",
        "```python\nprint(1)\n```",
        '{"name": "drop_tables", "arguments": {}}',
        '<tool_call>{"name": "refund", "argum',
        "{ not json",
    ],
)
def test_what_is_no_call_of_an_offered_tool_is_shown_whole(text: str, size: int) -> None:
    passed, calls, rest = through(text, size)
    assert calls == []
    assert passed + rest == text


def test_definitions_of_two_tools_do_not_meet() -> None:
    def tool(name: str, kind: str) -> ToolSpec:
        schema = {
            "type": "object",
            "properties": {"at": {"$ref": "#/$defs/Where"}},
            "$defs": {"Where": {"type": kind}},
        }
        return ToolSpec(name, "", schema)

    schema = call_schema([tool("a", "string"), tool("b", "integer")], "required")
    found = [
        schema["$defs"][one["properties"]["arguments"]["properties"]["at"]["$ref"].split("/")[-1]]
        for one in schema["oneOf"]
    ]
    assert found == [{"type": "string"}, {"type": "integer"}]
