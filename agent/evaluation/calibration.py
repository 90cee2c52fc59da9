"""How far confidences can be believed, and how far a figure of so many items.

Pure. Expected calibration error as in Guo et al., "On Calibration of Modern Neural Networks"
(2017): answers are put into bins of equal width by their confidence; the error is the mean
distance between a bin's confidence and its share of right answers, weighted by its size.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean
from typing import Any, Final, NamedTuple

BINS: Final = 10
_Z: Final = 1.96


class Judged(NamedTuple):
    confidence: float
    right: bool


def calibration(answers: Sequence[Judged]) -> dict[str, Any]:
    """`{n, expected_error, bins: [{from, to, n, confidence, right}]}`; bins without answers are
    left out, the error is None without answers."""
    bins = []
    for number in range(BINS):
        inside = [a for a in answers if min(int(a.confidence * BINS), BINS - 1) == number]
        if inside:
            bins.append(
                {
                    "from": number / BINS,
                    "to": (number + 1) / BINS,
                    "n": len(inside),
                    "confidence": round(fmean(a.confidence for a in inside), 4),
                    "right": round(fmean(a.right for a in inside), 4),
                }
            )
    error = sum(one["n"] * abs(one["confidence"] - one["right"]) for one in bins)
    return {
        "n": len(answers),
        "expected_error": round(error / len(answers), 4) if answers else None,
        "bins": bins,
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Wilson's 95 % interval of the mean of values from 0 to 1: exact enough for shares, too wide
    for values in between, and honest at 0 and 1. Raise ValueError without values."""
    if not values:
        raise ValueError("an interval of nothing")
    n, mean = len(values), fmean(values)
    scale = 1 + _Z**2 / n
    middle = (mean + _Z**2 / (2 * n)) / scale
    reach = _Z * sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2)) / scale
    return round(max(middle - reach, 0.0), 4), round(min(middle + reach, 1.0), 4)
