"""The least OpenAI-compatible server: one engine behind a real socket."""

import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from agent.errors import EngineBusy, FrontdeskError, GenerationFailed
from agent.generation.requests import (
    ChatMessage,
    Delta,
    Engine,
    Finished,
    GenerationRequest,
    ToolSpec,
)


def app_of(engine: Engine) -> FastAPI:
    app = FastAPI()

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        card = engine.model
        return {"data": [{"id": card.name, "max_model_len": card.context_tokens}]}

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        stream = engine.generate(_asked(await request.json()))
        try:
            first = await anext(stream)
        except EngineBusy as busy:
            headers = {"Retry-After": f"{busy.retry_after:g}"}
            return JSONResponse({}, status_code=503, headers=headers)
        except FrontdeskError as error:
            status = 500 if type(error) is GenerationFailed else 400
            body = {"error": {"message": str(error), "code": error.code}}
            return JSONResponse(body, status_code=status)
        return StreamingResponse(_lines(first, stream), media_type="text/event-stream")

    return app


def _asked(body: dict[str, Any]) -> GenerationRequest:
    return GenerationRequest(
        tuple(ChatMessage.of(entry["role"], entry["content"]) for entry in body["messages"]),
        max_tokens=body["max_tokens"],
        stop=tuple(body.get("stop", ())),
        logprobs=body.get("top_logprobs"),
        tools=tuple(
            ToolSpec(tool["function"]["name"], "", tool["function"]["parameters"])
            for tool in body.get("tools", ())
        ),
    )


async def _lines(
    first: Delta | Finished, rest: AsyncIterator[Delta | Finished]
) -> AsyncIterator[str]:
    part = first
    try:
        while isinstance(part, Delta):
            yield _line(choices=[_choice(part)])
            part = await anext(rest)
    except FrontdeskError as error:
        yield _line(error={"message": str(error), "code": error.code})
        return
    calls = [
        {"index": n, "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
        for n, call in enumerate(part.tool_calls)
    ]
    yield _line(choices=[{"delta": {"tool_calls": calls}, "finish_reason": part.reason}])
    usage = part.usage
    yield _line(
        choices=[],
        usage={
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
    )
    yield "data: [DONE]\n\n"


def _choice(delta: Delta) -> dict[str, Any]:
    logprobs = [
        {
            "token": entry.text,
            "logprob": entry.logprob,
            "top_logprobs": [{"token": text, "logprob": value} for text, value in entry.top],
        }
        for entry in delta.logprobs
    ]
    return {"delta": {"content": delta.text}, "logprobs": {"content": logprobs}}


def _line(**event: Any) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


@contextlib.contextmanager
def serving(engine: Engine) -> Iterator[str]:
    """The URL of a server on a thread of its own."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app_of(engine), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    listening.listen()
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
