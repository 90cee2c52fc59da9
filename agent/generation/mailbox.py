"""Carries one generation's output from the engine's thread to the event loop that asked for it.

Knows no engine. Invariant: it never holds more than one merged delta, however slow its reader is,
and wakes the reader's loop at most once for it.
"""

import asyncio
import threading

from agent.errors import FrontdeskError
from agent.generation.requests import Delta, Finished, TokenLogprob


class Mailbox:
    """Made on the reader's loop; `put` and `end` are for the engine's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._lock = threading.Lock()
        self._text: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._end: Finished | FrontdeskError | None = None
        self._told = False

    def put(self, text: str, logprobs: list[TokenLogprob]) -> bool:
        """False when nobody can read it any more."""
        with self._lock:
            self._text.append(text)
            self._logprobs += logprobs
            return self._tell()

    def end(self, outcome: Finished | FrontdeskError) -> None:
        with self._lock:
            if self._end is None:
                self._end = outcome
                self._tell()

    async def take(self) -> Delta | Finished:
        """Everything since the last call as one delta; at the end the outcome, raised if it is
        an error."""
        await self._filled.wait()
        with self._lock:
            if self._text:
                delta = Delta("".join(self._text), tuple(self._logprobs))
                self._text, self._logprobs = [], []
                if self._end is None:
                    self._filled.clear()
                    self._told = False
                return delta
            outcome = self._end
        if isinstance(outcome, Finished):
            return outcome
        assert outcome is not None, "woken without mail"  # noqa: S101 - the class's own invariant
        raise outcome

    def _tell(self) -> bool:
        if self._told:
            return True
        try:
            self._loop.call_soon_threadsafe(self._filled.set)
        except RuntimeError:  # the reader's loop was closed
            return False
        self._told = True
        return True
