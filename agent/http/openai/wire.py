"""Between OpenAI's JSON and an engine's values: pure functions in both directions.

Owns every name of OpenAI's that we answer with. Refuses to know HTTP and who asks. Invariant: a
stream's deltas, joined, are the message that the same request gets without `stream`.
"""

import time
from collections.abc import Sequence
from secrets import randbits, token_hex
from typing import Any, Final

from agent.domain import Message, now
from agent.errors import InvalidRequest
from agent.generation.requests import (
    ChatMessage,
    Finished,
    GenerationRequest,
    Priority,
    Sampling,
    TokenLogprob,
    ToolCall,
    ToolSpec,
    Usage,
)
from agent.http.openai.schemas import ChatIn, ChatMessageIn, NamedTool

DEFAULT_MAX_TOKENS: Final = 1024


def generation_request(body: ChatIn) -> GenerationRequest:
    """Raises InvalidRequest for what no engine of ours does."""
    if body.n not in (None, 1):
        raise InvalidRequest("Ask once per answer: only n = 1 is supported.", field="n")
    shape = body.response_format
    if shape is not None and shape.type != "text" and body.tools:
        raise InvalidRequest("Give either tools or a response_format.", field="response_format")
    schema: dict[str, Any] | None = None
    if shape is not None and shape.type == "json_object":
        schema = {"type": "object"}
    elif shape is not None and shape.json_schema is not None:
        schema = shape.json_schema.schema_
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return GenerationRequest(
        messages=tuple(chat_message(message) for message in body.messages),
        max_tokens=body.max_completion_tokens or body.max_tokens or DEFAULT_MAX_TOKENS,
        stop=tuple(text for text in stop if text),
        sampling=sampling(body),
        tools=tool_specs(body),
        tool_choice=_tool_choice(body),
        json_schema=schema,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        priority=Priority.STAFF,
    )


def sampling(body: ChatIn) -> Sampling:
    """OpenAI's defaults, not ours: temperature 1 and, without a seed, another answer each time."""
    return Sampling(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=randbits(31) if body.seed is None else body.seed & 0x7FFFFFFF,
        frequency_penalty=body.frequency_penalty or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
        logit_bias=body.logit_bias or {},
    )


def chat_message(message: ChatMessageIn) -> ChatMessage:
    return ChatMessage(
        role="system" if message.role == "developer" else message.role,
        pieces=(message.text,) if message.text else (),
        tool_calls=tuple(
            ToolCall(call.id, call.function.name, call.function.arguments)
            for call in message.tool_calls or ()
        ),
        tool_call_id=message.tool_call_id,
    )


def tool_specs(body: ChatIn) -> tuple[ToolSpec, ...]:
    if body.tool_choice == "none":
        return ()
    return tuple(
        ToolSpec(tool.function.name, tool.function.description, tool.function.parameters)
        for tool in body.tools or ()
    )


def _tool_choice(body: ChatIn) -> str:
    if isinstance(body.tool_choice, NamedTool):
        return body.tool_choice.function.name
    return body.tool_choice or "auto"


def question(body: ChatIn) -> tuple[str, tuple[Message, ...]]:
    """The last message, which must be the user's, and what was said before it.

    System messages have no say: the policies and the product's own prompts decide.
    """
    for given, name in ((body.tools, "tools"), (body.logprobs, "logprobs")):
        if given:
            raise InvalidRequest(f"The model 'frontdesk' takes no {name}.", field=name)
    if body.response_format is not None and body.response_format.type != "text":
        raise InvalidRequest("The model 'frontdesk' answers in text.", field="response_format")
    last = body.messages[-1]
    if last.role != "user" or not last.text.strip():
        raise InvalidRequest("The last message must be the user's question.", field="messages")
    history = [
        Message(
            id=f"m_{number}",
            role="customer" if message.role == "user" else "ai_agent",
            content=message.text,
            created_at=now(),
        )
        for number, message in enumerate(body.messages[:-1])
        if message.role in ("user", "assistant")
    ]
    return last.text.strip(), tuple(history)


def usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def usage_of(message: Message) -> Usage:
    timings = message.timings
    if timings is None:
        return Usage(0, 0, 0)
    return Usage(timings.prompt_tokens, timings.cached_tokens, timings.completion_tokens)


def logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    return {
        "content": [
            {
                **_token(one.text, one.logprob),
                "top_logprobs": [_token(text, value) for text, value in one.top],
            }
            for one in tokens
        ],
        "refusal": None,
    }


def _token(text: str, logprob: float) -> dict[str, Any]:
    # JSON has no minus infinity; this is what OpenAI sends for a token that cannot be.
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode())}


def tool_calls(calls: Sequence[ToolCall], *, indexed: bool) -> list[dict[str, Any]]:
    return [
        {
            **({"index": index} if indexed else {}),
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(calls)
    ]


def finish_reason(end: Finished) -> str:
    if end.tool_calls:
        return "tool_calls"
    return "length" if end.reason in ("length", "cancelled") else "stop"


def grounding(message: Message) -> dict[str, Any]:
    """What the model 'frontdesk' says beyond OpenAI's shape."""
    wire = message.wire()
    return {
        "citations": wire.get("citations", []),
        "outcome": message.outcome,
        "confidence": message.confidence,
    }


class Completion:
    """The frame of one answer: its id, its model, its moment."""

    def __init__(self, model: str) -> None:
        self._id = f"chatcmpl-{token_hex(12)}"
        self._model = model
        self._created = int(time.time())

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": None,
        }

    def whole(
        self,
        message: dict[str, Any],
        *,
        finish: str,
        used: Usage,
        logprobs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": None, "refusal": None, **message},
            "logprobs": logprobs,
            "finish_reason": finish,
        }
        return {**self._frame("chat.completion"), "choices": [choice], "usage": usage(used)}

    def chunk(
        self,
        delta: dict[str, Any],
        *,
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return {**self._frame("chat.completion.chunk"), "choices": [choice], **(extra or {})}

    def usage_chunk(self, used: Usage) -> dict[str, Any]:
        return {**self._frame("chat.completion.chunk"), "choices": [], "usage": usage(used)}
