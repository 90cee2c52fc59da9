"""Which of the found passages are answered from unasked, and which the judge is asked of.

Pure functions of scores. Refuses to know the model. Invariant: the same hits give the same choice.
"""

import re
from collections.abc import Sequence
from typing import Final

from agent.policy import guardrails
from knowledge_base.model import Hit

# A first passage that was found with a good score and well before the second is answered from at
# once; otherwise the model is asked of each of up to three passages whether it answers: told in the
# prompt that it may refuse, the 1.5B refused 7 of 12 answerable questions. Its P(NO) as first token
# tells better. Read off 108 questions of five sets with tests/benchmarks/designs.py (see
# agent/README.md: twenty other ways are there); measure again when prompts or the model change.
TRUSTED_SCORE: Final = 0.5
CLOSE: Final = 0.05
JUDGED: Final = 3


def stands_out(hits: Sequence[Hit]) -> bool:
    """Whether the first is found well, and well before the second."""
    lead = score_of(hits) - score_of(hits[1:])
    return score_of(hits) >= TRUSTED_SCORE and lead >= CLOSE


def to_judge(question: str, hits: Sequence[Hit]) -> Sequence[Hit]:
    """Those that the judge is asked of, one after the other, until it is sure; none if the first
    is answered from unasked."""
    if guardrails.asks_amount(question):
        return _with_figures(hits)[:JUDGED]
    return () if stands_out(hits) else hits[:JUDGED]


def score_of(hits: Sequence[Hit]) -> float:
    return hits[0].score if hits else 0.0


def _with_figures(hits: Sequence[Hit]) -> Sequence[Hit]:
    """The first and those after it with a figure: "never costs a fee" has none and answers too."""
    first, *others = hits
    return [first, *(hit for hit in others if re.search(r"\d", hit.passage.text))]
