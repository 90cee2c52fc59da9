"""Makes an answer again from what was kept of it, and says whether the same words come out.

Batch shape alone moves a logit by up to 0.3 (other sums in another order), so the same words are
promised for answers that were computed alone, by the same build with the same settings; for others
the first token that differs is told, with how near the two were. Changes nothing.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from agent.domain import AnswerRecord
from agent.errors import NotFound
from agent.generation.requests import (
    ChatMessage,
    Delta,
    Engine,
    Finished,
    GenerationRequest,
    Priority,
    Sampling,
    TokenLogprob,
)
from agent.storage.records import Records

END: Final = "(end)"
_TOP: Final = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """At token `at`, from 0. `margin`: by how much, in natural logarithms, the model prefers the
    new token; None if the old one is not among its 20 likeliest any more."""

    at: int
    was: str
    is_now: str
    margin: float | None


@dataclass(frozen=True, slots=True)
class Replay:
    """`changed` names what is not as it was; `was_alone` and `is_alone`: without company in the
    batches then and now."""

    message_id: str
    verdict: Literal["identical", "differs"]
    changed: tuple[str, ...]
    was_alone: bool
    is_alone: bool
    difference: Difference | None
    text: str


class Replayer:
    def __init__(self, engine: Engine, records: Records) -> None:
        self._engine = engine
        self._records = records

    async def replay(self, message_id: str) -> Replay:
        """Raise NotFound if the model wrote no such message, or it was erased."""
        record = await asyncio.to_thread(self._records.answers.find, message_id)
        if record is None:
            raise NotFound(
                f"Nothing is kept of an answer '{message_id}': the model did not write it, or its "
                "conversation was erased."
            )
        tokens: list[TokenLogprob] = []
        end: Finished | None = None
        async for part in self._engine.generate(_request(record)):
            if isinstance(part, Delta):
                tokens += part.logprobs
            else:
                end = part
        difference = first_difference(record.tokens, tokens)
        return Replay(
            message_id,
            "differs" if difference else "identical",
            self._changed(record),
            record.alone,
            end is not None and end.alone,
            difference,
            end.text if end is not None else "",
        )

    def _changed(self, record: AnswerRecord) -> tuple[str, ...]:
        model = self._engine.model
        pairs = {
            "model": (record.sha256 or record.model, model.sha256 or model.name),
            "build or settings of the engine": (record.build, model.build),
        }
        return tuple(name for name, (was, is_now) in pairs.items() if was != is_now)


def first_difference(was: tuple[str, ...], is_now: list[TokenLogprob]) -> Difference | None:
    for at in range(max(len(was), len(is_now))):
        old = was[at] if at < len(was) else END
        new = is_now[at].text if at < len(is_now) else END
        if old != new:
            known = dict(is_now[at].top) if at < len(is_now) else {}
            margin = is_now[at].logprob - known[old] if old in known else None
            return Difference(at, old, new, None if margin is None else round(margin, 3))
    return None


def _request(record: AnswerRecord) -> GenerationRequest:
    return GenerationRequest(
        messages=tuple(
            ChatMessage(role=piece.role, pieces=piece.pieces)  # type: ignore[arg-type]
            for piece in record.prompt
        ),
        max_tokens=record.max_tokens,
        sampling=Sampling(temperature=record.temperature, seed=record.seed),
        logprobs=_TOP,
        shared_pieces=record.shared_pieces,
        priority=Priority.STAFF,
    )
