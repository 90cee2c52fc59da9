"""What a conversation's last reply is worth: compared with its sources, and in the model's view.

Owns how it is compared and how the model is asked. Refuses to know which conversations are reviewed
and where that is kept. Invariant: a score is a share of words or the model's own probability of one
word, never something it wrote.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final, NamedTuple

from agent.domain import new_id
from agent.generation.requests import ChatMessage, Delta, Engine, GenerationRequest, Priority
from agent.policy import grounding
from agent.policy.citing import without_markers
from agent.prompting import Prompts

READ_MESSAGES: Final = 6
READ_CHARACTERS: Final = 1200  # of a source, of the question and the reply
READ_BEFORE: Final = 300  # of each message before them
READ_SOURCES: Final = 3
PATIENCE_S: Final = 600.0
ASKED: Final = ("resolved", "tone")


class Scores(NamedTuple):
    """Each from 0 to 1. `resolved` and `tone` are the model's; `correct` is the share of the
    reply's words that its sources have, None where there was no source to compare with."""

    resolved: float
    correct: float | None
    tone: float


def supported(answer: str, sources: Sequence[str]) -> float:
    """The mean share of a sentence's words that the sources have. Asked the same, the model needs a
    minute and knows less (agent/README.md)."""
    said = grounding.sentences(without_markers(answer))
    return fmean(grounding.support(one, sources).share for one in said) if said else 0.0


class Judge:
    def __init__(self, engine: Engine, prompts: Prompts) -> None:
        self._engine = engine
        self.model = engine.model.name
        self._system = prompts.render("review").strip()
        self._asked = {name: prompts.render(f"review_{name}").strip() for name in ASKED}

    async def score(self, said: Sequence[tuple[bool, str]], sources: Sequence[str]) -> Scores:
        """`said` are (is the customer's, text), the reply that is judged last. Raises what the
        engine raises."""
        told, session = _told(said, sources), new_id("review")
        try:
            resolved = await self._yes("resolved", told, session)
            tone = await self._yes("tone", told, session)
        finally:
            self._engine.forget(session)
        correct = round(supported(said[-1][1], sources), 4) if sources else None
        return Scores(resolved, correct, tone)

    async def _yes(self, name: str, told: str, session: str) -> float:
        """P(YES) among the two words that were asked for. What was told is read once for both
        questions and then forgotten: it is nobody's policy."""
        request = GenerationRequest(
            (
                ChatMessage.of("system", self._system, told),
                ChatMessage.of("user", self._asked[name]),
            ),
            max_tokens=1,
            logprobs=20,
            session=session,
            priority=Priority.BACKGROUND,
            deadline_s=PATIENCE_S,
        )
        chances = dict.fromkeys(("yes", "no"), 0.0)
        async for part in self._engine.generate(request):
            for token in part.logprobs if isinstance(part, Delta) else ():
                for text, logprob in token.top:
                    begun = text.strip().lower()
                    for word in chances:
                        chances[word] += math.exp(logprob) * bool(begun and word.startswith(begun))
        known = sum(chances.values())
        return round(chances["yes"] / known, 4) if known else 0.5


def _told(said: Sequence[tuple[bool, str]], sources: Sequence[str]) -> str:
    policies = "\n\n".join(_cut(one) for one in sources[:READ_SOURCES]) or "(none)"
    told = said[-READ_MESSAGES:]
    lines = [
        f"{'Customer' if is_customers else 'Assistant'}: "
        + _cut(text, READ_CHARACTERS if at >= len(told) - 2 else READ_BEFORE)
        for at, (is_customers, text) in enumerate(told)
    ]
    return f"\n\nPolicy text:\n{policies}\n\nConversation:\n" + "\n".join(lines)


def _cut(text: str, length: int = READ_CHARACTERS) -> str:
    return " ".join(text.split())[:length]
