"""`frontdesk doctor`: what is missing, what would leave the machine, what to do about it.

Changes nothing and fetches nothing. Invariant: each finding says what to do, and every address
that the product could contact with these settings is listed with its reason.
"""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx
import sqlalchemy

from agent.errors import FrontdeskError, StoreUnavailable
from agent.generation import tuned
from agent.lock import holder
from agent.settings import Settings
from agent.silence import silence_dependencies
from agent.storage.redis import ConversationStore
from agent.weights.errors import WeightsError
from agent.weights.store import resolve

Level = Literal["fine", "note", "missing"]
_MARKS: Final[dict[Level, str]] = {"fine": "ok     ", "note": "note   ", "missing": "MISSING"}
_LOW_DISK: Final = 2 * 10**9
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str
    detail: str

    @property
    def mark(self) -> str:
        return _MARKS[self.level]


async def examine(settings: Settings) -> list[Finding]:
    return [
        _data_directory(settings.data_dir),
        _weights(settings, settings.model, "chat model"),
        _weights(settings, None, "embedding model"),
        *_speed(settings),
        await _redis(settings),
        await _database(settings),
        await _reachable("policies (Chroma)", settings.chroma_url, "/api/v2/heartbeat"),
        await _reachable("engine", settings.engine_url, "/models"),
        *([await _provider(settings.oidc_issuer)] if settings.oidc_issuer else []),
        *_outbound(settings),
    ]


def _data_directory(path: Path) -> Finding:
    found = holder(path)
    if found is not None:
        where = f"serves at {found.url}" if found.url else "is using it"
        return Finding("fine", "data directory", f"{path}; process {found.pid} {where}")
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            "missing", "data directory", f"{path} cannot be written: give another by --data-dir"
        )
    free = shutil.disk_usage(existing).free
    if free < _LOW_DISK:
        return Finding(
            "missing",
            "data directory",
            f"{path} has {free / 1e9:.1f} GB free; 2 GB are needed: free some or move it",
        )
    return Finding("fine", "data directory", f"{path}, {free / 1e9:.0f} GB free, not in use")


def _weights(settings: Settings, model: str | None, subject: str) -> Finding:
    if subject == "chat model" and settings.engine_url is not None:
        return Finding("fine", subject, "not needed: FRONTDESK_ENGINE_URL is set")
    try:
        kind: Literal["chat", "embedding"] = "chat" if subject == "chat model" else "embedding"
        weights = resolve(model, settings.weights_dir, kind=kind)
    except WeightsError as error:
        return Finding("missing", subject, str(error))
    return Finding("fine", subject, f"{weights.name} at {weights.path}")


def _speed(settings: Settings) -> list[Finding]:
    if settings.engine_url is not None:
        return []
    try:
        weights = resolve(settings.model, settings.weights_dir)
    except WeightsError:
        return []
    found = tuned.recall(settings.weights_dir, weights.sha256)
    if found is None:
        when = "at the next start" if settings.tune else "never: FRONTDESK_TUNE is off"
        return [Finding("note", "engine", f"not measured on this machine yet; {when}")]
    return [Finding("fine", "engine", str(found))]


async def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("fine", "sessions (Redis)", "embedded Valkey on a Unix socket, no port")
    try:
        store = await ConversationStore.open(settings.redis_url)
        try:
            await store.ping()
        finally:
            await store.close()
    except StoreUnavailable as error:
        return Finding("missing", "sessions (Redis)", str(error))
    return Finding("fine", "sessions (Redis)", _host(settings.redis_url))


async def _database(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding("fine", "records (SQL)", "SQLite in the data directory")

    def connect() -> None:
        engine = sqlalchemy.create_engine(settings.sql_url)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
        engine.dispose()

    try:
        await asyncio.wait_for(asyncio.to_thread(connect), _TIMEOUT_S)
    except (sqlalchemy.exc.SQLAlchemyError, TimeoutError, ImportError):
        return Finding(
            "missing",
            "records (SQL)",
            f"{_host(settings.sql_url)} does not answer: check FRONTDESK_DATABASE_URL",
        )
    return Finding("fine", "records (SQL)", _host(settings.sql_url))


async def _reachable(subject: str, url: str | None, path: str) -> Finding:
    if url is None:
        return Finding("fine", subject, "in this process")
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            answer = await client.get(url.rstrip("/") + path)
            if answer.status_code >= 500:
                raise httpx.HTTPError(f"status {answer.status_code}")
    except httpx.HTTPError:
        return Finding(
            "missing", subject, f"{_host(url)} does not answer: start it or mend its URL"
        )
    return Finding("fine", subject, _host(url))


async def _provider(issuer: str) -> Finding:
    where = issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            (await client.get(where)).raise_for_status()
    except httpx.HTTPError:
        detail = f"{_host(issuer)} describes itself nowhere: see to FRONTDESK_OIDC_ISSUER"
        return Finding("missing", "sign-in (OpenID Connect)", detail)
    return Finding("fine", "sign-in (OpenID Connect)", _host(issuer))


def _outbound(settings: Settings) -> list[Finding]:
    """Everything that these settings allow to be contacted."""
    named = {
        "sessions": settings.redis_url,
        "records": settings.database_url,
        "policies": settings.chroma_url,
        "answers": settings.engine_url,
        "sign-ins": settings.oidc_issuer,
        "a Chatwoot inbox": settings.chatwoot_url,
    }
    told = [("webhooks", url) for url in settings.webhooks]
    findings = [
        Finding("note", "would contact", f"{_host(url)} for {reason}, as you set it")
        for reason, url in (*named.items(), *told)
        if url is not None
    ]
    if _anything_to_fetch(settings):
        hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        findings.append(
            Finding(
                "note",
                "would contact",
                f"{_host(hub)}, else your package index, only by `frontdesk models pull`, "
                "for model weights",
            )
        )
    if not findings:
        findings.append(Finding("fine", "would contact", "nothing: all parts are on this machine"))
    if cleared := silence_dependencies():
        findings.append(
            Finding("note", "telemetry", f"cleared at start: {', '.join(sorted(cleared))}")
        )
    return findings


def _anything_to_fetch(settings: Settings) -> bool:
    try:
        resolve(None, settings.weights_dir, kind="embedding")
        if settings.engine_url is None:
            resolve(settings.model, settings.weights_dir)
    except FrontdeskError:
        return True
    return False


def _host(url: str) -> str:
    """A URL without its credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or parts.path}" + (
        f":{parts.port}" if parts.port else ""
    )
