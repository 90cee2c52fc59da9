"""What of a finished answer may stand, and the citations it stands with.

Knows no model and no storage. Invariant: every figure and link of what stands is in the cited
passage or in the customer's own words; a quote is verbatim from its passage.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.domain import Citation, Outcome
from agent.policy import grounding, guardrails
from agent.policy.citing import CitingStream
from agent.policy.premises import is_about, repeats
from knowledge_base.model import Passage

_ENGLISH: Final = frozenset({"the", "is", "you", "to", "of", "and", "a"})
_FEW_WORDS: Final = 8
_ITEM: Final = re.compile(r"(?m)^\d{1,2}\.(?= )")
_LEADS_NOWHERE: Final = re.compile(
    r"(?:^|(?<=[.!?\n]))[^.!?\n]*:\s*$"
)  # what it led to was left out
_QUOTE: Final = 300
_HEADING: Final = re.compile(r"(?m)^#+ .*$")
_AGREES: Final = re.compile(r"yes\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checked:
    """`replaced`: not what was shown; `said`: text that belongs behind what was shown."""

    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    replaced: bool = False
    said: str | None = None


def check(
    answer: CitingStream,
    passages: Sequence[Passage],
    *,
    refusal: str,
    cut_off: bool,
    mistaken: str | None = None,
) -> Checked:
    """`passages` are what the answer was written from, the best first. `cut_off`: the answer ran
    into its length limit, so its last sentence is not whole. `mistaken`: what the customer takes
    for granted and the first passage contradicts; an answer that accepts it gives way to what the
    passage says of it."""
    if mistaken is not None:
        return _correction(answer, passages, mistaken, refusal=refusal, cut_off=cut_off)
    if not answer.text.strip() or _declines_at_once(answer.sentences):
        return Checked(refusal, "refused", replaced=True)
    bad = set(answer.faults) | {s for s in answer.sentences if guardrails.declines(s)}
    if cut_off:
        bad.add(answer.sentences[-1])
    if not bad and answer.used():
        return Checked(answer.text, "answered", _citations(answer, passages))
    if not bad:
        return _uncited(answer.text, refusal, passages[0])
    kept = answer.anew()
    text = kept.feed(_mended(answer, bad, [passage.text for passage in passages]))
    text = (text + kept.finish()).strip()
    if not kept.used():
        return Checked(refusal, "refused", replaced=True)
    return Checked(text, "answered", _citations(kept, passages), replaced=True)


def _correction(
    answer: CitingStream,
    passages: Sequence[Passage],
    mistaken: str,
    *,
    refusal: str,
    cut_off: bool,
) -> Checked:
    """The answer if it stands and does not accept the mistake, else the policy's own words."""
    accepted = {s for s in answer.sentences if repeats(s, mistaken) or _AGREES.match(s)}
    rest = check(answer, passages, refusal="", cut_off=cut_off) if not accepted else None
    if rest is not None and rest.outcome == "answered":
        return rest
    quoted = _with_its_list(grounding.quote([mistaken], passages[0].text), passages[0].text)
    if not is_about(mistaken, quoted):
        return Checked(refusal, "refused", replaced=True)
    said = _HEADING.sub("", quoted).strip()
    return Checked(f"{said} [1]", "answered", (_citation(1, passages[0], quoted),), replaced=True)


def _with_its_list(quoted: str, passage: str) -> str:
    """A quote that ends in a colon says nothing without what follows."""
    if not quoted.endswith(":"):
        return quoted
    begins = passage.find(quoted)
    whole = passage[begins : begins + len(quoted) + _QUOTE]
    return whole if begins + len(whole) == len(passage) else whole.rpartition("\n")[0] or quoted


def _declines_at_once(sentences: Sequence[str]) -> bool:
    """Whether the answer, a bare yes or no aside, begins by saying that the policies do not say. A
    gap that is named behind an answer costs only its own sentence."""
    said = (sentence for sentence in sentences if len(sentence.split()) > 1)
    return guardrails.declines(next(said, ""))


def _mended(answer: CitingStream, bad: set[str], sources: Sequence[str]) -> str:
    """The answer, each bad sentence in the policy's own words if it has some for it, else left
    out."""
    good = " ".join(s for s in answer.sentences if s not in bad)
    text = ""
    for gap, sentence in zip(answer.gaps, answer.sentences, strict=True):
        said = sentence
        if sentence in bad:
            said = _in_its_own_words(sentence, sources)
            if not said or grounding.is_said(said, f"{good} {text}"):
                continue
        text += (gap if text else "") + said
    return _renumbered(_LEADS_NOWHERE.sub("", text))


def _renumbered(text: str) -> str:
    """Steps without gaps where some were left out."""
    last = 0

    def number(match: re.Match[str]) -> str:
        nonlocal last
        last = 1 if match[0] == "1." else last + 1
        return f"{last}."

    return _ITEM.sub(number, text)


def _in_its_own_words(sentence: str, sources: Sequence[str]) -> str:
    if guardrails.promises_work(sentence) or guardrails.declines(sentence):
        return ""
    return grounding.nearest(sentence, sources)


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
        effective_from=passage.effective_from and passage.effective_from.isoformat(),
        revised_on=passage.revised_on and passage.revised_on.isoformat(),
    )
