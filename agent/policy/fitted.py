"""Weights that `python -m tests.benchmarks.calibrate` fitted; measure, do not edit."""

from typing import Final

# Of `confidence.Evidence.features`, the bias first.
JUDGED: Final = (0.0, 1.0, 1.0, -1.0, 1.0, 0.5, 1.0, 0.0, 0.0)
UNJUDGED: Final = (0.0, 1.0, 1.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.0)
# Of `cases.features`.
DECISION: Final = {
    "yes": (0.0,) * 24,
    "no": (0.0,) * 24,
    "clarify": (0.0,) * 24,
}
