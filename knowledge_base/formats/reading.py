"""What the reading of one file comes to: its Markdown, or the reason why there is none.

Owns the two results and the limits on them. Refuses to know any kind of file.
Invariant: a reason follows the file's name in a sentence and names the remedy.
"""

from dataclasses import dataclass

MAX_CHARACTERS = 5_000_000  # of Markdown, as for a Markdown file
MAX_PAGES = 2_000
MAX_ROWS = 20_000  # of one table
MAX_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Read:
    title: str  # empty where the file names none
    text: str  # Markdown
    warnings: tuple[str, ...] = ()  # sentences about what was left out


class Refused(Exception):
    """The file cannot be read; the sentence goes on after its name: "is encrypted; …"."""
