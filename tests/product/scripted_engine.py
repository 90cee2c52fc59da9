"""An engine without weights behind a real socket: it reads its policy aloud, one letter a step."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence

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


def amount_of(prompt: str) -> str:
    """The policy's sentence with an amount of euros for the thing that the customer names."""
    policy, _, asked = prompt.rpartition("<|im_start|>user")
    for thing in ("dog", "key", "sauna"):
        said = re.search(rf"(?m)^.*{thing}.*\d+ euros.*$", policy)
        if thing in asked and said:
            return said[0]
    return "The policy text does not say."


@contextlib.contextmanager
def scripted_engine(step_s: float = 0.0, reply: Callable[[str], str] = aloud) -> Iterator[str]:
    """Its URL, for FRONTDESK_ENGINE_URL; every step of all its answers takes `step_s`."""

    def pace(_chunks: Sequence[Chunk]) -> bool:
        time.sleep(step_s)
        return True

    backend = ScriptedBackend(
        reply, context_tokens=400_000, batch_tokens=16_384, before_decode=pace
    )
    engine = LlamaEngine(
        backend,
        name="scripted",
        sha256="1",
        settings=EngineSettings(shutdown_grace_s=0.0, queue_limit=64, max_sequences=32),
    )
    with serving(engine) as url:
        yield url
