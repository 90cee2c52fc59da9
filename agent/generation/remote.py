"""A chat model behind a URL, as an `Engine`: any server that speaks OpenAI's chat completions.

Knows no model and no queue of its own beyond a bound on what is under way. Invariants: a stream
that is left closes its connection, which is how such servers learn to stop; nothing is sent
anywhere but to the given URL (proxies of the environment are not used).
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

import httpx

from agent.errors import (
    BadConstraint,
    EngineBusy,
    EngineUnreachable,
    FrontdeskError,
    GenerationFailed,
    InvalidRequest,
    PromptTooLong,
)
from agent.generation.permits import PermitPool
from agent.generation.remote_wire import Reply, body_of
from agent.generation.requests import (
    Delta,
    Finished,
    GenerationRequest,
    ModelCard,
    Permit,
    Priority,
)

CONNECT_TIMEOUT_S = 5.0
# A server that prefills a long prompt for somebody else may be silent for long.
SILENCE_TIMEOUT_S = 120.0
MAX_UNDER_WAY = 32
RETRY_AFTER_S = 2.0
# English has about four characters a token; counting too many is the safe side.
_BYTES_A_TOKEN = 3
_BY_CODE: dict[str, type[GenerationFailed]] = {
    "context_length_exceeded": PromptTooLong,
    "exceed_context_size_error": PromptTooLong,
    PromptTooLong.code: PromptTooLong,
    BadConstraint.code: BadConstraint,
}


class RemoteEngine:
    def __init__(self, url: str, model: ModelCard, *, key: str | None = None) -> None:
        self.model = model
        self._url = _base(url)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._tls = ssl.create_default_context()
        self._permits = PermitPool(
            MAX_UNDER_WAY,
            kept_for_customers=MAX_UNDER_WAY // 4,
            retry_after=lambda: RETRY_AFTER_S,
        )

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        model: str | None = None,
        key: str | None = None,
        context_tokens: int = 8192,
    ) -> Self:
        """Ask the server for its models and take `model`, or the first. `context_tokens` is
        believed where the server does not tell. Raise EngineUnreachable if it does not answer."""
        engine = cls(url, ModelCard(model or "", None, context_tokens), key=key)
        entries = await engine._models()
        entry = next((e for e in entries if model in (None, e.get("id"))), None)
        if entry is None:
            raise EngineUnreachable(
                f"The engine at {engine._url} does not serve a model named {model}."
                " Check FRONTDESK_ENGINE_MODEL."
            )
        engine.model = ModelCard(str(entry["id"]), None, _context_of(entry) or context_tokens)
        return engine

    @property
    def busy(self) -> bool:
        return False  # whatever it does, it does on another machine

    def reserve(self, priority: Priority = Priority.CUSTOMER) -> Permit:
        return self._permits.take(priority)

    async def generate(
        self, request: GenerationRequest, permit: Permit | None = None
    ) -> AsyncIterator[Delta | Finished]:
        permit = permit or self.reserve(request.priority)
        try:
            async for item in self._stream(request):
                yield item
        finally:
            permit.release()

    async def count_tokens(self, text: str) -> int:
        """An estimate on the safe side: the protocol has no way to ask."""
        return -(-len(text.encode()) // _BYTES_A_TOKEN)

    async def warm(
        self, requests: Sequence[GenerationRequest], progress: Callable[[int, int], None]
    ) -> None:
        """What a server keeps of prompts is its own affair."""
        progress(len(requests), len(requests))

    def forget(self, session: str) -> None:
        """No session is named to a server."""

    async def ping(self) -> None:
        await self._models()

    async def close(self) -> None:
        """Nothing is held between requests."""

    async def _stream(self, request: GenerationRequest) -> AsyncIterator[Delta | Finished]:
        started = time.monotonic()
        reply = Reply(started)
        body = body_of(request, self.model.name)
        try:
            async with (
                asyncio.timeout(request.deadline_s),
                self._client() as client,
                client.stream("POST", f"{self._url}/chat/completions", json=body) as response,
            ):
                if response.status_code != 200:
                    raise _refusal(response, await response.aread())
                async for event in _events(response):
                    if "error" in event:
                        raise _failure(event["error"])
                    delta = reply.take(event)
                    if delta is not None:
                        yield delta
        except TimeoutError:
            yield reply.finished("cancelled")
            return
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if reply.reason is None:
            raise GenerationFailed("The engine's answer broke off in the middle; try again.")
        yield reply.finished(reply.reason)

    async def _models(self) -> list[dict[str, Any]]:
        try:
            async with self._client() as client:
                response = await client.get(f"{self._url}/models", timeout=CONNECT_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.status_code in (401, 403):
            raise EngineUnreachable(
                f"The engine at {self._url} refuses its key. Check FRONTDESK_ENGINE_KEY."
            )
        try:
            entries = response.raise_for_status().json()["data"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise EngineUnreachable(
                f"What answers at {self._url} is no OpenAI-compatible engine."
                " Check FRONTDESK_ENGINE_URL."
            ) from error
        return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]

    def _client(self) -> httpx.AsyncClient:
        # One for each request: a client belongs to one event loop, an engine to none.
        return httpx.AsyncClient(
            headers=self._headers,
            verify=self._tls,
            timeout=httpx.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )

    def _unreachable(self, error: httpx.HTTPError) -> EngineUnreachable:
        return EngineUnreachable(
            f"The engine at {self._url} does not answer ({type(error).__name__})."
            " Check that it runs and FRONTDESK_ENGINE_URL."
        )


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each `data:` line. Lines end in line feeds alone: JSON may contain the other
    characters that Python takes for line ends."""
    rest = b""
    async for part in response.aiter_bytes():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            payload = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or payload == b"[DONE]":
                continue
            try:
                event = json.loads(payload)
            except ValueError as error:
                raise GenerationFailed("The engine sent what is not JSON; try again.") from error
            if isinstance(event, dict):
                yield event


def _refusal(response: httpx.Response, body: bytes) -> FrontdeskError:
    status = response.status_code
    if status in (429, 503):
        return EngineBusy(
            "The engine is busy; try again in a moment.",
            retry_after=_seconds(response.headers.get("Retry-After")),
        )
    if status in (401, 403):
        return EngineUnreachable(
            "The engine refuses the key it was given. Check FRONTDESK_ENGINE_KEY."
        )
    try:
        error = json.loads(body)
    except ValueError:
        error = {}
    if isinstance(error, dict):
        error = error.get("error", error)
    return _failure(error, status)


def _failure(error: Any, status: int = 500) -> FrontdeskError:
    fields = error if isinstance(error, dict) else {"message": str(error)}
    message = str(fields.get("message") or f"The engine answered with status {status}.")
    for name in (fields.get("code"), fields.get("type")):
        if name in _BY_CODE:
            return _BY_CODE[name](message)
    if status in (400, 422):
        return InvalidRequest(f"The engine refused the request: {message}")
    return GenerationFailed(f"The engine failed: {message}")


def _seconds(header: str | None) -> float:
    try:
        return max(float(header or RETRY_AFTER_S), 0.0)
    except ValueError:  # a date
        return RETRY_AFTER_S


def _base(url: str) -> str:
    """With the path `/v1` if the URL names no path."""
    parsed = httpx.URL(url.rstrip("/"))
    return str(parsed) if parsed.path.strip("/") else f"{str(parsed).rstrip('/')}/v1"


def _context_of(entry: dict[str, Any]) -> int | None:
    """As vLLM and llama.cpp's server tell it."""
    meta = entry.get("meta")
    found = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return int(found) if isinstance(found, int) else None
