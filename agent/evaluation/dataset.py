"""Evaluation files: one JSON object a line, as the contract describes them.

Invariant: an item that loads is complete; a line that is not says which line and what is wrong.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.domain import Message, Role, now
from agent.errors import InvalidRequest


class Turn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["customer", "user", "agent"]
    text: str


class Item(BaseModel):
    """`gold_docs` are document ids or file names, best first, an anchor (`#…`) left out. `label` is
    what a published set calls the right decision (`yes`, `no`, `clarify`, …)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    question: Annotated[str, Field(min_length=1)]
    turns: tuple[Turn, ...] = ()
    answer: str | None = None
    gold_docs: tuple[str, ...] = ()
    answerable: bool = True
    label: str | None = None

    @property
    def gold(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.split("#")[0] for name in self.gold_docs))

    def asked(self) -> dict[str, Any]:
        """What every record of an answer begins with."""
        return {
            "id": self.id,
            "question": self.question,
            "gold": self.answer,
            "gold_docs": self.gold,
            "answerable": self.answerable,
            "label": self.label,
        }

    def history(self) -> tuple[Message, ...]:
        """As if all had been said just now: the model is told on what day."""
        at = now()
        return tuple(
            Message(
                id=f"{self.id}-{position}",
                role=_role(turn.role),
                content=turn.text,
                created_at=at,
            )
            for position, turn in enumerate(self.turns)
        )


def _role(role: str) -> Role:
    return "ai_agent" if role == "agent" else "customer"


def load_items(path: Path, limit: int | None = None) -> list[Item]:
    """Raises InvalidRequest naming the file and the line."""
    try:
        with path.open(encoding="utf-8") as lines:
            return parse_items(lines, path.name, limit)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.") from error


def parse_items(lines: Iterable[str], name: str, limit: int | None = None) -> list[Item]:
    """Raises InvalidRequest with the name and the line."""
    items: list[Item] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if limit is not None and len(items) >= limit:
            break
        try:
            items.append(Item.model_validate(json.loads(line)))
        except (ValueError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise InvalidRequest(f"{name}, line {number}: {reason}") from None
    if not items:
        raise InvalidRequest(f"{name} has no items.")
    return items
