"""How the widget looks and what it says first, as an admin set it: one document in SQL.

Owns the document. Refuses to know limits: those are the HTTP edge's. Every method blocks: call it
through `asyncio.to_thread`. Invariant: where nothing was set, everything is as the product brings
it.
"""

from typing import Final, Literal

from pydantic import Field
from sqlalchemy import Column, String, Table, Text, select

from agent.domain import Noun, now
from agent.errors import StoreUnavailable
from agent.storage.sql import Database, metadata

Locale = Literal["en", "de", "fr", "es", "zh"]
_THE_ONE: Final = "widget"

_settings = Table(
    "widget_settings",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("settings", Text, nullable=False),
    Column("updated_at", String(32), nullable=False),
)


class WidgetSettings(Noun):
    """`colour` is `#rrggbb`; None, and a language without words, mean what the product brings."""

    colour: str | None = None
    position: Literal["right", "left"] = "right"
    default_locale: Locale | None = None
    greetings: dict[Locale, str] = Field(default_factory=dict)
    suggested_questions: dict[Locale, tuple[str, ...]] = Field(default_factory=dict)

    def greeting(self, locale: str | None) -> str | None:
        """What the admin wants said in this language (a BCP 47 tag)."""
        language = (locale or "en").replace("_", "-").split("-")[0].lower()
        return next((text for name, text in self.greetings.items() if name == language), None)


class WidgetRecords:
    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> WidgetSettings:
        query = select(_settings.c.settings).where(_settings.c.name == _THE_ONE)
        with self._database.begin() as connection:
            kept = connection.scalar(query)
        return WidgetSettings() if kept is None else WidgetSettings.model_validate_json(kept)

    def shown(self) -> WidgetSettings:
        """For customers, who get a chat whether or not the database answers."""
        try:
            return self.read()
        except StoreUnavailable:
            return WidgetSettings()

    def write(self, settings: WidgetSettings) -> None:
        values = {"settings": settings.model_dump_json(), "updated_at": now()}
        statement = self._database.upsert(_settings).values(name=_THE_ONE, **values)
        with self._database.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=[_settings.c.name], set_=values)
            )
