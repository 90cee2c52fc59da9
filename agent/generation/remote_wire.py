"""OpenAI's chat completions as JSON: a request's body, and a reply put together from its chunks.

Knows no HTTP. What OpenAI lacks (`grammar`, `top_k`, `min_p`, `repeat_penalty`) is sent under the
names of llama.cpp's server, and only when it is asked for.
"""

import time
from collections.abc import Sequence
from typing import Any

from agent.generation.requests import (
    ChatMessage,
    Delta,
    Finished,
    FinishReason,
    GenerationRequest,
    Sampling,
    TokenLogprob,
    ToolCall,
    ToolSpec,
    Usage,
)

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


def body_of(request: GenerationRequest, model: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(request.sampling),
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools and request.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = _choice(request.tool_choice)
    if request.json_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": request.json_schema, "strict": True},
        }
    if request.grammar is not None:
        body["grammar"] = request.grammar
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    return body


class Reply:
    """What has arrived of one reply."""

    def __init__(self, started: float) -> None:
        self.reason: FinishReason | None = None
        self._started = started
        self._first: float | None = None
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._usage = Usage(0, 0, 0)

    def take(self, event: dict[str, Any]) -> Delta | None:
        if isinstance(usage := event.get("usage"), dict):
            details = usage.get("prompt_tokens_details") or {}
            self._usage = Usage(
                int(usage.get("prompt_tokens") or 0),
                int(details.get("cached_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
            )
        for choice in event.get("choices") or ():
            if reason := choice.get("finish_reason"):
                self.reason = _REASONS.get(reason, "stop")
            delta = choice.get("delta") or {}
            self._take_calls(delta.get("tool_calls") or ())
            if text := delta.get("content"):
                self._first = self._first or time.monotonic()
                self._text.append(text)
                return Delta(text, _logprobs(choice.get("logprobs")))
        return None

    def finished(self, reason: FinishReason) -> Finished:
        now = time.monotonic()
        calls = tuple(
            ToolCall(call["id"], call["name"], call["arguments"] or "{}")
            for _, call in sorted(self._calls.items())
        )
        return Finished(
            "".join(self._text),
            "tool_calls" if calls and reason == "stop" else reason,
            self._usage,
            calls,
            first_token_ms=((self._first or now) - self._started) * 1000,
            total_ms=(now - self._started) * 1000,
        )

    def _take_calls(self, parts: Sequence[dict[str, Any]]) -> None:
        for part in parts:
            self._first = self._first or time.monotonic()
            call = self._calls.setdefault(
                int(part.get("index") or 0), {"id": "", "name": "", "arguments": ""}
            )
            function = part.get("function") or {}
            call["id"] = part.get("id") or call["id"]
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""


def _message(message: ChatMessage) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _sampling(sampling: Sampling) -> dict[str, Any]:
    default = Sampling()
    wire: dict[str, Any] = {"temperature": sampling.temperature, "seed": sampling.seed}
    for name in (
        "top_p", "frequency_penalty", "presence_penalty", "top_k", "min_p", "repeat_penalty",
    ):  # fmt: skip
        if getattr(sampling, name) != getattr(default, name):
            wire[name] = getattr(sampling, name)
    if sampling.logit_bias:
        wire["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    return wire


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def _choice(choice: str) -> Any:
    if choice in ("auto", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _logprobs(found: Any) -> tuple[TokenLogprob, ...]:
    if not isinstance(found, dict):
        return ()
    return tuple(
        TokenLogprob(
            entry["token"],
            entry["logprob"],
            tuple((top["token"], top["logprob"]) for top in entry.get("top_logprobs") or ()),
        )
        for entry in found.get("content") or ()
    )
