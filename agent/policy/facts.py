"""What two texts say alike: facts that code can compare, and words.

Pure. Facts are figures (amounts, durations, dates, limits), links, names and a yes or no at the
beginning. Refuses to judge meaning: what cannot be compared by code is left to people.
"""

import re
from collections import Counter
from typing import Final

from agent.policy import claims, grounding

_POLARITY: Final = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_MARKER: Final = re.compile(r" ?\[\d+\]")
_NEARLY: Final = 0.7


def key_facts(answer: str, gold: str) -> float | None:
    """The share of gold's figures (amounts, durations, dates, percentages, limits), links, names
    and yes/no that the answer has; None if gold has none."""
    figures, said = grounding.figures(answer), answer.casefold()
    facts = [figure in figures for figure in grounding.figures(gold)]
    facts += [link.casefold() in said for link in grounding.links(gold)]
    facts += [name.casefold() in said for name in claims.names(gold)]
    if wanted := polarity(gold):
        facts.append(polarity(answer) == wanted)
    return sum(facts) / len(facts) if facts else None


def token_f1(answer: str, gold: str) -> float:
    """The harmonic mean of token precision and recall, as in SQuAD's evaluation."""
    found, wanted = _tokens(answer), _tokens(gold)
    same = (found & wanted).total()
    if not same:
        return float(found == wanted)
    precision, recall = same / found.total(), same / wanted.total()
    return 2 * precision * recall / (precision + recall)


def token_precision(answer: str, gold: str) -> float:
    found = _tokens(answer)
    return (found & _tokens(gold)).total() / found.total() if found else 0.0


def polarity(text: str) -> str | None:
    """yes or no, if it begins with one."""
    said = _POLARITY.match(text)
    return said[1].lower() if said else None


def without_marks(text: str) -> str:
    """The text without its [1] and the like."""
    return _MARKER.sub("", text)


def missing(text: str, other: str) -> frozenset[str]:
    """Facts of the text that the other one lacks, as they are written; figures in one form. A yes
    or no is missing only where the other begins with the opposite."""
    said, known = without_marks(text), without_marks(other)
    lost = grounding.unsupported_figures(said, [known])
    lost |= claims.unsupported_names(said, [known])
    ours, theirs = polarity(said), polarity(known)
    if ours and theirs and ours != theirs:
        lost.add(ours)
    return frozenset(lost)


def turned_round(text: str, other: str) -> bool:
    """Whether nearly the same is said, one with a word like "not" or "only" and one without."""
    said, known = without_marks(text), without_marks(other)
    return token_f1(said, known) >= _NEARLY and claims.may_differ(said, known)


def _tokens(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", without_marks(text).lower()))
