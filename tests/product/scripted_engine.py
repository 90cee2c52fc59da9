"""An engine without weights behind a real socket: it reads its policy aloud, one letter a step."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from agent.generation.backend import Chunk
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.scripted import ScriptedBackend
from tests.agent.generation.served import serving

_SENTENCE = 60  # a line this long says something


def aloud(prompt: str) -> str:
    """The last line of the policy that says something; "Yes" to whoever asks for a word."""
    lines = [line.strip() for line in prompt.splitlines()]
    said = [line for line in lines if len(line) >= _SENTENCE and line.endswith(".")]
    return said[-1][:200] if said else "Yes"


@contextlib.contextmanager
def scripted_engine(step_s: float = 0.0) -> Iterator[str]:
    """Its URL, for FRONTDESK_ENGINE_URL; every step of all its answers takes `step_s`."""

    def pace(_chunks: Sequence[Chunk]) -> bool:
        time.sleep(step_s)
        return True

    backend = ScriptedBackend(
        aloud, context_tokens=400_000, batch_tokens=16_384, before_decode=pace
    )
    engine = LlamaEngine(
        backend,
        name="scripted",
        sha256="1",
        settings=EngineSettings(shutdown_grace_s=0.0, queue_limit=64, max_sequences=32),
    )
    with serving(engine) as url:
        yield url
