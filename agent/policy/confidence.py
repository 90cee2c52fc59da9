"""How likely an answer is right, from what retrieval, the judge and the answer's own tokens show.

Pure. A logistic regression, fitted and cross-validated by `python -m tests.benchmarks.calibrate` on
published questions, whose key facts say what is right. Fit again when prompts or the model change.
"""

from dataclasses import dataclass
from math import exp

from agent.policy.fitted import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Evidence:
    """`score` of the passage answered from, and its `lead` before the next one found; `doubt`, the
    judge's P(NO), None if it was not asked. Of the answer, if there is one: its tokens' mean
    `logprob` and that of the `weakest`; `support`: the mean share of a sentence's words that the
    passages have; `decided`, the probability of the yes or no that it begins with, if the customer
    asked about a case of their own."""

    score: float
    lead: float
    doubt: float | None
    logprob: float = 0.0
    weakest: float = 0.0
    support: float = 0.0
    decided: float | None = None

    def features(self) -> tuple[float, ...]:
        return (
            self.score,
            max(self.lead, -0.5),
            float(self.doubt is not None),
            self.doubt or 0.0,
            max(self.logprob, -2.0),
            max(self.weakest, -8.0) / 4,
            self.support,
            float(self.decided is not None),
            self.decided or 0.0,
        )


def confidence(evidence: Evidence) -> float:
    """The probability, from 0 to 1, that the answer is right."""
    bias, *weights = CONFIDENCE
    total = bias + sum(w * f for w, f in zip(weights, evidence.features(), strict=True))
    return round(1 / (1 + exp(-total)), 4)
