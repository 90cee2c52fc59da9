"""How a knowledge base is opened.

Owns the choices and their defaults. Refuses to read the environment: whoever opens the library
fills this in. Invariant: two libraries opened with equal settings see the same documents.
"""

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from knowledge_base.sizes import PassageSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeSettings:
    """`database_url` is SQLAlchemy's (SQLite or `postgresql+psycopg://`); SQLite in `data_dir` when
    empty. `chroma_url` is a Chroma server's; embedded in `data_dir` when None. `time_zone` decides
    which day "today" is for effective dates.
    """

    data_dir: Path
    database_url: str = ""
    chroma_url: str | None = None
    time_zone: str = "UTC"
    passages: PassageSizes = field(default_factory=PassageSizes)

    def __post_init__(self) -> None:
        ZoneInfo(self.time_zone)  # a wrong name fails here, not in the first search
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.data_dir / 'knowledge.db'}")
