"""How far the quality review's scores agree with people, as it was measured.

Printed by `python -m tests.benchmarks.reviews`; to be measured again when the model or a prompt of
the review changes. Knows nothing else.
"""

from typing import Any, Final

MEASURED: Final[dict[str, Any]] = {
    "command": "python -m tests.benchmarks.reviews",
    "text": "How far it agrees with people was not measured yet.",
}
