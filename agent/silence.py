"""Dependencies that could report home are told not to, before they are imported.

Invariant: after `silence_dependencies`, no variable asks a dependency to trace, report or fetch.
"""

import os
from typing import Final

_OFF: Final = {
    "ANONYMIZED_TELEMETRY": "False",  # Chroma
    "CHROMA_TELEMETRY_IMPL": "chromadb.telemetry.product.noop.NoopTelemetry",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "OTEL_SDK_DISABLED": "true",
}
_CLEARED: Final = (
    "LANGCHAIN_API_KEY",
    "LANGCHAIN_ENDPOINT",
    "LANGCHAIN_TRACING",
    "LANGSMITH_API_KEY",
    "LANGSMITH_ENDPOINT",
    "LANGSMITH_TRACING_V2",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SENTRY_DSN",
)


def silence_dependencies() -> set[str]:
    """Returns the names of variables that were set otherwise."""
    changed = {name for name in _CLEARED if os.environ.pop(name, None)}
    for name, value in _OFF.items():
        before = os.environ.get(name)
        if before is not None and before.lower() != value.lower():
            changed.add(name)
        os.environ[name] = value
    return changed
