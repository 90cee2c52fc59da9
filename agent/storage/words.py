"""What an admin wants said in the product's own words' place, and the house style, in SQL.

Owns every version of each text. Refuses to know what the product would say itself. Every method
blocks: call it through `asyncio.to_thread`. Invariant: nothing is overwritten; what is in force is
the newest, and an empty text means the product's own.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Column, Integer, String, Table, Text, func, insert, select

from agent.domain import Noun, now
from agent.storage.sql import Database, metadata

STYLE: Final = ("style", "")  # the one text that is for the model and has no language

_words: Final = Table(
    "words",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(32), nullable=False, index=True),
    Column("language", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

Words = Mapping[tuple[str, str], str]


class Wording(Noun):
    """One version of a text: its name and language ("" for the style), who wrote it and when."""

    name: str
    language: str
    text: str
    author: str
    at: str


class WordRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> dict[tuple[str, str], str]:
        """The texts in force by name and language; the product's own are left out."""
        newest = select(func.max(_words.c.id)).group_by(_words.c.name, _words.c.language)
        query = select(_words).where(_words.c.id.in_(newest), _words.c.text != "")
        with self._database.begin() as connection:
            return {(row.name, row.language): row.text for row in connection.execute(query)}

    def write(self, texts: Words, author: str) -> None:
        """New versions of those that are not in force already."""
        known = self.read()
        changed = [
            {"name": name, "language": language, "text": text, "author": author, "at": now()}
            for (name, language), text in texts.items()
            if known.get((name, language), "") != text
        ]
        if changed:
            with self._database.begin() as connection:
                connection.execute(insert(_words), changed)

    def history(self, limit: int = 100) -> list[Wording]:
        """Newest first."""
        query = select(_words).order_by(_words.c.id.desc()).limit(limit)
        with self._database.begin() as connection:
            return [
                Wording(
                    name=row.name,
                    language=row.language,
                    text=row.text,
                    author=row.author,
                    at=row.at,
                )
                for row in connection.execute(query)
            ]
