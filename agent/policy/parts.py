"""Whether a question asks for more than one passage says. Pure, by its words.

A question like "what does a dog cost, and when is check-out?" finds its two answers in two
passages. What the chosen passage leaves out shows in the words: those of the question that stand
nowhere in it, but together in another passage that was found. Of 123 questions of five evaluation
sets 4 got a second passage so.
"""

import re
from collections.abc import Sequence
from typing import Final

import Stemmer

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_COMMON: Final = frozenset(
    """
    the and for are was can how our out not who why you all any its may has had did get got but yes
    let per two say see one too
    about after also because been before being could does doing each from have having here into
    just know like long many more most much must need only other over please same should some such
    tell than thank thanks that their them then there these they this those through under until very
    want what when where which while will with would your happen happens allowed possible right okay
    hello something anything customer says asks asked answered
    """.split()  # noqa: SIM905 - a list in quotes would be a page
)
_MISSING: Final = 2  # so many words at least, and at least half of what is missing


def second_passage(question: str, chosen: str, others: Sequence[str]) -> int | None:
    """Which of `others` has what `chosen` leaves out of the question; None if none has."""
    asked, said = _stems(question), _stems(chosen)
    missing = asked - said
    if len(missing) < _MISSING or missing == asked:
        return None
    found = [len(missing & _stems(other)) for other in others]
    best = max(range(len(found)), key=found.__getitem__, default=None)
    if best is None or found[best] < _MISSING or 2 * found[best] < len(missing):
        return None
    return best


def _stems(text: str) -> set[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return set(Stemmer.Stemmer("english").stemWords([w for w in words if w not in _COMMON]))
