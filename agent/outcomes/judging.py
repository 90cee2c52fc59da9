"""What the model makes of a conversation: three questions that it answers with one word each.

Owns how it is asked. Refuses to know which conversations are reviewed and where that is kept.
Invariant: a score is the model's own probability of one word, never something it wrote.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from agent.domain import new_id
from agent.generation.requests import ChatMessage, Delta, Engine, GenerationRequest, Priority
from agent.prompting import Prompts

READ_MESSAGES: Final = 6
READ_CHARACTERS: Final = 1200  # of a source, of the question and the reply
READ_BEFORE: Final = 300  # of each message before them
READ_SOURCES: Final = 3
PATIENCE_S: Final = 600.0


class Scores(NamedTuple):
    """Each from 0 to 1; `correct` is None where there was no source to compare with."""

    resolved: float
    correct: float | None
    tone: float


class Judge:
    def __init__(self, engine: Engine, prompts: Prompts) -> None:
        self._engine = engine
        self.model = engine.model.name
        self._system = prompts.render("review").strip()
        self._asked = {name: prompts.render(f"review_{name}").strip() for name in Scores._fields}

    async def score(self, said: Sequence[tuple[bool, str]], sources: Sequence[str]) -> Scores:
        """`said` are (is the customer's, text), the reply that is judged last. Raises what the
        engine raises."""
        told, session = _told(said, sources), new_id("review")
        try:
            resolved = await self._yes("resolved", told, session)
            correct = await self._yes("correct", told, session) if sources else None
            return Scores(resolved, correct, await self._yes("tone", told, session))
        finally:
            self._engine.forget(session)

    async def _yes(self, name: str, told: str, session: str) -> float:
        """P(YES) among the two words that were asked for. What was told is read once for all three
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
