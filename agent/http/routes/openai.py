"""OpenAI's API for other programs: `/v1/chat/completions`, `/v1/embeddings`, `/v1/models`.

Owns which model answers and how an answer is streamed. Refuses to know how answers are made.
Invariant: a caller that leaves, however it asked, ends its generation.
"""

import base64
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from agent.errors import FrontdeskError, InvalidRequest, NotFound, Unavailable
from agent.http import sse
from agent.http.departure import while_connected
from agent.http.dependencies import ServicesDep, program
from agent.http.errors import problem_of
from agent.http.openai.answers import Answer, Bare, Grounded
from agent.http.openai.schemas import ChatIn, EmbeddingsIn
from agent.services import Services
from agent.weights.store import resolve
from knowledge_base.errors import KnowledgeError

router = APIRouter(prefix="/v1", tags=["openai"], dependencies=[Depends(program)])

GROUNDED: Final = "frontdesk"
MAX_INPUTS: Final = 2048
DONE: Final = b"data: [DONE]\n\n"


class ModelNotFound(NotFound):
    code = "model_not_found"


def embedding_model(services: Services) -> str:
    return _embedding_model(services.settings.weights_dir)


@cache
def _embedding_model(weights_dir: Path) -> str:
    return resolve(None, weights_dir, kind="embedding").name


def model_ids(services: Services) -> tuple[str, ...]:
    return (GROUNDED, services.engine.model.name, embedding_model(services))


def _unknown(model: str, services: Services) -> ModelNotFound:
    return ModelNotFound(
        f"There is no model {model!r}; choose of {', '.join(model_ids(services))}."
    )


@router.get("/models")
async def models(services: ServicesDep) -> dict[str, Any]:
    return {"object": "list", "data": [_model(one) for one in model_ids(services)]}


@router.get("/models/{model:path}")
async def model(model: str, services: ServicesDep) -> dict[str, Any]:
    if model not in model_ids(services):
        raise _unknown(model, services)
    return _model(model)


_STARTED: Final = int(time.time())


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "frontdesk"}


@router.post("/chat/completions", response_class=JSONResponse)
async def chat(request: Request, body: ChatIn, services: ServicesDep) -> Response:
    answer = _answer(body, services)
    pump = sse.Pump(answer.parts(), closing=request.app.state.closing)
    values = pump.values()
    try:
        if not body.stream:
            return JSONResponse(await while_connected(request, answer.whole(values)))
        # Until the first part is there, an error is still an error with a status of its own.
        first = await while_connected(request, anext(values, None))
        if first is None:
            raise Unavailable("Frontdesk is stopping; ask again in a moment.")
        return sse.EventStream(_frames(answer, first, values), pump)
    except BaseException:
        pump.stop()
        raise


def _answer(body: ChatIn, services: Services) -> Answer:
    if body.model == GROUNDED:
        return Grounded(body, services)
    if body.model == services.engine.model.name:
        return Bare(body, services)
    raise _unknown(body.model, services)


async def _frames(answer: Answer, first: Any, values: AsyncGenerator[Any]) -> AsyncGenerator[bytes]:
    async with aclosing(values):
        yield sse.frame(answer.opening())
        try:
            for frame in answer.frames(first):
                yield sse.frame(frame)
            async for part in values:
                for frame in answer.frames(part):
                    yield sse.frame(frame)
        except (FrontdeskError, KnowledgeError) as error:
            yield sse.frame(problem_of(error).as_openai())
            return
        yield DONE


@router.post("/embeddings")
async def embed(body: EmbeddingsIn, services: ServicesDep) -> dict[str, Any]:
    if body.model != embedding_model(services):
        raise _unknown(body.model, services)
    texts = _texts(body)
    vectors = np.asarray(await services.embeddings.aembed_documents(texts), dtype="<f4")
    if body.dimensions not in (None, vectors.shape[1]):
        raise InvalidRequest(
            f"This model's vectors have {vectors.shape[1]} dimensions.", field="dimensions"
        )
    # In the chat model's vocabulary: the embedding model's own is not told by LangChain's port.
    tokens = await services.engine.count_tokens("\n".join(texts))
    return {
        "object": "list",
        "model": body.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": _vector(row, body)}
            for index, row in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _texts(body: EmbeddingsIn) -> list[str]:
    given = [body.input] if isinstance(body.input, str) else body.input
    texts = [one for one in given if isinstance(one, str) and one.strip()]
    if not given or len(texts) != len(given):
        raise InvalidRequest(
            "Give texts that are not empty; lists of tokens are of another model's vocabulary.",
            field="input",
        )
    if len(texts) > MAX_INPUTS:
        raise InvalidRequest(f"Send at most {MAX_INPUTS:,} texts at once.", field="input")
    return texts


def _vector(row: Any, body: EmbeddingsIn) -> str | list[float]:
    if body.encoding_format == "base64":
        return base64.b64encode(row.tobytes()).decode()
    return [float(number) for number in row]
