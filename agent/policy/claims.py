"""What a sentence claims against its sources beyond figures: names they lack, a "not" turned round.

Pure. Both look only at what was nearly copied, for there a difference is an error and not another
way of saying it; in doubt a sentence stands.
"""

import re
from collections.abc import Sequence
from typing import Final

from agent.policy import grounding

# A capital letter inside an English sentence: not its first word, not after a colon or a quote.
_NAME: Final = re.compile(r"(?<=[a-z0-9,;)] )[A-Z][\w&-]*[a-z][\w&-]*")
_COMMON: Final = frozenset({"please", "yes", "no"})
_NOT: Final = re.compile(r"\b(?:not|no|never|cannot|none|nor|neither)\b|n['’]t\b", re.IGNORECASE)
# What says no without a "not": with one of these in either, nothing can be told by counting.
_HIDDEN: Final = re.compile(
    r"\b(?:without|unless|except|only|forbid\w*|prohibit\w*|exclud\w*|refus\w*|den(?:y|ied|ies)|"
    r"declin\w*|unable|optional|im\w+ible|free|lacks?|fails?|until|instead|rather|but|if)\b",
    re.IGNORECASE,
)
_NEARLY_COPIED: Final = 0.85


def may_differ(sentence: str, other: str) -> bool:
    """True if one of the two has a word that can turn what it says round, and the other has not."""
    ours, theirs = (
        {match.lower() for match in (*_NOT.findall(text), *_HIDDEN.findall(text))}
        for text in (sentence, other)
    )
    return bool(ours ^ theirs)


def names(text: str) -> set[str]:
    """Words with a capital letter inside its sentences: products, places, companies, months."""
    return set(_NAME.findall(text))


def unsupported_names(sentence: str, sources: Sequence[str]) -> set[str]:
    """Names (products, places, companies) in the sentence that no source has in any case."""
    known = " ".join(sources).casefold()
    return {
        name
        for name in names(sentence)
        if name.casefold() not in _COMMON and name.casefold().rstrip("s") not in known
    }


def reverses(sentence: str, passage: str) -> bool:
    """True if the sentence says nearly the words of one sentence of the passage, but one of the two
    with a "not" and the other without."""
    words = grounding.content_words(sentence)
    if len(words) < 4 or _HIDDEN.search(sentence):
        return False
    closest, share = "", 0.0
    for said in grounding.sentences(passage):
        theirs = grounding.content_words(said)
        both = len(words & theirs) / max(len(words), len(theirs), 1)
        if both > share:
            closest, share = said, both
    if share < _NEARLY_COPIED or _HIDDEN.search(closest):
        return False
    return bool(_NOT.search(sentence)) != bool(_NOT.search(closest))
