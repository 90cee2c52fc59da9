"""How long passages are.

Owns the numbers and what was measured for them. Refuses to cut.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassageSizes:
    """In characters. Measured with MiniLM, hit@1 of the fused search at 600 / 900 / 1000 / 1200:
    DuckDuckGo help 0.966 / 0.977 / 0.977 / 0.977, Arduino help with the heading lines removed
    0.626 / 0.704 / 0.739 / 0.713, OR-ShARC 0.728 / 0.733 / 0.728 / 0.728, MTRAG-UN
    0.816 / 0.854 / 0.854 / 0.825. `tiny` at 0, 150 and 300 made no difference.
    """

    target: int = 1000
    table: int = 2000  # up to this a table stays whole, whatever the target
    tiny: int = 150  # a section below this goes with its following sibling
