"""Logs and numbers about the service itself; nothing here ever leaves the machine.

Owns the logging set-up, the id of the request being served, and the Prometheus registry that
`/metrics` prints. Refuses to know what is counted or said: a log line or a label never holds a
message, a token or an identifier of a customer. Invariant: every label has few values (a route
is its template, never a path).
"""

import json
import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)

REGISTRY: Final = CollectorRegistry()

HTTP_REQUESTS: Final = Counter(
    "frontdesk_http_requests_total",
    "Requests answered.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS: Final = Histogram(
    "frontdesk_http_request_seconds",
    "Time from a request's arrival to the end of its answer; event streams are left out.",
    ("method", "route"),
    registry=REGISTRY,
)
EVENT_STREAMS: Final = Gauge(
    "frontdesk_event_streams", "Event streams that are being read now.", registry=REGISTRY
)
TURNS: Final = Counter(
    "frontdesk_turns_total", "Turns that ended, by outcome.", ("outcome",), registry=REGISTRY
)
FIRST_TOKEN_SECONDS: Final = Histogram(
    "frontdesk_first_token_seconds",
    "Time from a question to the first text of its answer.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
    registry=REGISTRY,
)


def observe_turn(outcome: str, first_token_ms: float | None = None) -> None:
    """Count a turn that ended: `outcome` is a message's outcome, "failed" or "cancelled"."""
    TURNS.labels(outcome).inc()
    if first_token_ms:
        FIRST_TOKEN_SECONDS.observe(first_token_ms / 1000)


def exposition(engine: Mapping[str, float]) -> bytes:
    """The registry in Prometheus' text format, with the engine's own numbers behind it."""
    numbers = CollectorRegistry()
    numbers.register(_EngineNumbers(engine))
    return generate_latest(REGISTRY) + generate_latest(numbers)


class _EngineNumbers(Collector):
    def __init__(self, numbers: Mapping[str, float]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        for name, value in self._numbers.items():
            yield GaugeMetricFamily(f"frontdesk_engine_{name}", f"Engine: {name}.", value)


def configure_logging(level: str = "INFO", *, as_json: bool = False) -> None:
    """Send every log record to stderr, as plain lines or as one JSON object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They log the URL of every call they make, which may hold an operator's credentials.
    for name in ("httpx", "httpcore", "chromadb", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its lines hold whole URLs; RequestLog in agent.http.middleware writes route templates.
    logging.getLogger("uvicorn.access").disabled = True


class PlainLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        request_id = REQUEST_ID.get()
        return f"{line} [{request_id}]" if request_id else line


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
