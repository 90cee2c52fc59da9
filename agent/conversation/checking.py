"""What of a finished answer may stand, and the citations it stands with.

Knows no model and no storage. Invariant: every figure and link of what stands is in the cited
passage or in the customer's own words; a quote is verbatim from its passage.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.domain import Citation, Outcome
from agent.policy import guardrails
from agent.policy.citing import CitingStream
from knowledge_base.model import Passage

_ENGLISH: Final = frozenset({"the", "is", "you", "to", "of", "and", "a"})
_FEW_WORDS: Final = 8
_QUOTE: Final = 300


@dataclass(frozen=True, slots=True)
class Checked:
    """`replaced`: not what was shown; `said`: text that belongs behind what was shown."""

    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    replaced: bool = False
    said: str | None = None


def check(
    answer: CitingStream, passages: Sequence[Passage], *, refusal: str, cut_off: bool
) -> Checked:
    """`passages` are what the answer was written from, the best first. `cut_off`: the answer ran
    into its length limit, so its last sentence is not whole."""
    if not answer.text.strip() or guardrails.declines(answer.text):
        return Checked(refusal, "refused", replaced=True)
    bad = set(answer.faults) | ({answer.sentences[-1]} if cut_off else set())
    if not bad and answer.used():
        return Checked(answer.text, "answered", _citations(answer, passages))
    if not bad:
        return _uncited(answer.text, refusal, passages[0])
    kept = answer.anew()
    text = kept.feed("\n".join(s for s in answer.sentences if s not in bad) + "\n")
    text = (text + kept.finish()).strip()
    if not kept.used():
        return Checked(refusal, "refused", replaced=True)
    return Checked(text, "answered", _citations(kept, passages), replaced=True)


def _uncited(text: str, refusal: str, passage: Passage) -> Checked:
    """No sentence shares enough words with the passage: a bare yes or no, another language.

    Both rest on it all the same. A long English answer that shares no words does not.
    """
    words = re.findall(r"[a-z]+", text.lower())
    english = sum(word in _ENGLISH for word in words)
    if len(words) > _FEW_WORDS and english / len(words) > 0.15:
        return Checked(refusal, "refused", replaced=True)
    quote = passage.text.strip()
    if len(quote) > _QUOTE:
        quote = quote[:_QUOTE].rsplit(" ", 1)[0]
    return Checked(f"{text} [1]", "answered", (_citation(1, passage, quote),), said=" [1]")


def _citations(answer: CitingStream, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    return tuple(
        _citation(number, passages[index], quote)
        for number, (index, quote) in enumerate(answer.used(), 1)
    )


def _citation(number: int, passage: Passage, quote: str) -> Citation:
    return Citation(
        n=number,
        document_id=passage.document_id,
        revision=passage.revision,
        title=passage.title,
        section=passage.section,
        quote=quote,
        url=passage.url,
    )
