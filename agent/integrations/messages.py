"""LangChain's messages and tools as the engine's.

Pure functions. Refuses to guess: content that a text model cannot read is an error, never dropped.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages import ChatMessage as RoleMessage

from agent.generation.requests import ChatMessage, ChatRole, ToolCall, ToolSpec

_ROLES: Final[dict[str, ChatRole]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}
# Blocks whose meaning is in the message's tool calls, or which are not meant to be read again.
_ELSEWHERE: Final = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "reasoning", "thinking"}
)


def chat_messages(messages: Sequence[BaseMessage]) -> tuple[ChatMessage, ...]:
    return tuple(_message(message) for message in messages)


def _message(message: BaseMessage) -> ChatMessage:
    text = _text(message.content)
    pieces = (text,) if text else ()
    if isinstance(message, AIMessage):
        calls = [
            ToolCall(call["id"] or "", call["name"], json.dumps(call["args"], ensure_ascii=False))
            for call in message.tool_calls
        ]
        calls += [
            ToolCall(call["id"] or "", call["name"] or "", call["args"] or "{}")
            for call in message.invalid_tool_calls
        ]
        return ChatMessage("assistant", pieces, tuple(calls))
    if isinstance(message, ToolMessage):
        return ChatMessage("tool", pieces, tool_call_id=message.tool_call_id)
    if isinstance(message, SystemMessage):
        return ChatMessage("system", pieces)
    if isinstance(message, HumanMessage):
        return ChatMessage("user", pieces)
    if isinstance(message, RoleMessage) and message.role in _ROLES:
        return ChatMessage(_ROLES[message.role], pieces)
    raise ValueError(f"A message of type {message.type!r} cannot be sent to this model.")


def _text(content: str | list[str | dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    parts = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") == "text":
            parts.append(block["text"])
        elif block.get("type") not in _ELSEWHERE:
            raise ValueError(f"This model reads text only, not {block.get('type')!r}.")
    return "".join(parts)


def tool_spec(tool: dict[str, Any]) -> ToolSpec:
    """From OpenAI's form, which LangChain makes of every kind of tool."""
    function = tool["function"]
    return ToolSpec(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
    )


def tool_choice_of(choice: str | bool | dict[str, Any] | None) -> str:
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    if choice in (True, "any", "required"):
        return "required"
    return choice if isinstance(choice, str) and choice else "auto"
