"""How far the quality review's scores agree with people, as it was measured.

Printed by `python -m tests.benchmarks.reviews`; to be measured again when the model, a prompt of
the review or the comparison with sources changes. Knows nothing else.
"""

from typing import Any, Final

# On mtrag_judge_calibration's dev part; Spearman's rank correlation with its 95 % interval.
MEASURED: Final[dict[str, Any]] = {
    "command": "python -m tests.benchmarks.reviews",
    "correct": {"answers": 74, "spearman": 0.64, "low": 0.47, "high": 0.77, "auc": 0.84},
    "resolved": {"answers": 8, "spearman": -0.04, "low": -0.84, "high": 0.70, "auc": 0.47},
    "tone": {"answers": 8, "spearman": 0.25, "low": -0.26, "high": 0.78, "auc": 0.71},
    "text": (
        "“Held by its sources” agrees with people who rated the faithfulness of 74 published "
        "answers: rank correlation 0.64 (95 %: 0.47 to 0.77). The model’s two scores were compared "
        "on 8 of them only and showed no agreement that could be told from chance: take them as "
        "hints."
    ),
}
