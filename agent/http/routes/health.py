"""What operators' programs ask: is it alive, is it ready, how is it doing.

Owns `/healthz`, `/readyz`, `/metrics` and `/openapi.json`. Refuses to know what a dependency is.
Invariant: liveness depends on nothing but the event loop, so that a store that is down never makes
a supervisor kill a healthy process.
"""

import asyncio
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from agent import telemetry
from agent.errors import Unavailable
from agent.generation.engine import LlamaEngine
from agent.http.dependencies import ServicesDep, operator

router = APIRouter(tags=["operations"])

PING_S: Final = 5.0


@router.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz")
async def ready(services: ServicesDep) -> dict[str, str]:
    """200 when answers are right; 503 with the reason while a dependency is missing."""
    try:
        async with asyncio.timeout(PING_S):
            await services.ping()
    except TimeoutError:
        raise Unavailable(
            f"A dependency did not answer within {PING_S:.0f} s; see the log for which."
        ) from None
    return {"status": "ready"}


@router.get("/metrics", dependencies=[Depends(operator)])
async def metrics(services: ServicesDep) -> Response:
    engine = services.engine
    # A remote engine counts for itself.
    numbers: dict[str, float] = {}
    if isinstance(engine, LlamaEngine):
        warmth = services.warmer.progress
        numbers = asdict(engine.stats) | {
            f"cache_{name}": size for name, size in asdict(engine.cache_sizes).items()
        }
        numbers |= {"warmed_passages": warmth.done, "passages_to_warm": warmth.total}
    return Response(telemetry.exposition(numbers), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", dependencies=[Depends(operator)], include_in_schema=False)
async def description(request: Request) -> JSONResponse:
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)
