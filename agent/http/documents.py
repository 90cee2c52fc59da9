"""How documents, revisions and passages look over HTTP.

Pure. Refuses to know how they are kept. Invariant: a moment is in UTC with a Z, a day is bare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, Final

from knowledge_base.differences import Difference, Line, Row
from knowledge_base.model import DocumentSummary, Passage, Revision, Showing
from knowledge_base.previewing import Preview

PREVIEWED: Final = 200

Uses = Mapping[int, int]  # how many questions were answered from each revision


def moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_force(starts: date | None, ends: date | None, today: date) -> bool:
    return (starts is None or starts <= today) and (ends is None or today < ends)


def summary(one: DocumentSummary, uses: Uses, today: date) -> dict[str, Any]:
    """`waiting`: there is a revision newer than what is shown. `in_force`: today is one of the days
    for which it holds."""
    return {
        **asdict(one),
        **_days(one.effective_from, one.effective_to),
        "changed_at": moment(one.changed_at),
        "waiting": one.revision is not None and one.latest > one.revision,
        "in_force": in_force(one.effective_from, one.effective_to, today),
        "uses": sum(uses.values()),
    }


def revision_item(one: Revision, uses: Uses, showings: Sequence[Showing]) -> dict[str, Any]:
    """Without its text. `published_at` is when it was last shown, `replaced_at` when that ended;
    both are null while it never was."""
    mine = [each for each in showings if each.revision == one.number]
    return {
        "document_id": one.document_id,
        "number": one.number,
        "title": one.title,
        "status": one.status,
        "audience": one.audience,
        "author": one.author,
        "note": one.note,
        "created_at": moment(one.created_at),
        **_days(one.effective_from, one.effective_to),
        "published_at": moment(mine[-1].since) if mine else None,
        "replaced_at": moment(mine[-1].until) if mine else None,
        "url": one.url,
        "uses": uses.get(one.number, 0),
    }


def passage_item(one: Passage) -> dict[str, Any]:
    return {"id": one.id, "position": one.position, "section": one.section, "text": one.text}


def preview_of(found: Preview) -> dict[str, Any]:
    """At most `PREVIEWED` passages; `count` says how many there would be."""
    one = found.parsed
    return {
        "title": one.title,
        "text": one.text,
        "audience": one.audience,
        **_days(one.effective_from, one.effective_to),
        "url": one.url,
        "warnings": list(found.warnings),
        "count": len(found.passages),
        "passages": [
            {"position": at, "section": each.section, "page": each.page, "text": each.text}
            for at, each in enumerate(found.passages[:PREVIEWED])
        ],
    }


def difference_of(old: Revision, new: Revision, found: Difference) -> dict[str, Any]:
    """`fields` are what changed beside the text; `rows` are lines, old and new, each as parts
    `[text, changed]`; a row that is `skipped` stands for so many lines that are the same."""
    fields = ("title", "audience", "effective_from", "effective_to", "url")
    return {
        "from": old.number,
        "to": new.number,
        "fields": [
            {"field": name, "from": _plain(before), "to": _plain(after)}
            for name in fields
            if (before := getattr(old, name)) != (after := getattr(new, name))
        ],
        "rows": [_row(one) for one in found.rows],
        "unified": found.unified,
        "truncated": found.truncated,
    }


def _row(one: Row) -> dict[str, Any]:
    if one.kind == "skipped":
        return {"kind": "skipped", "lines": one.skipped}
    return {"kind": one.kind, "old": _line(one.old), "new": _line(one.new)}


def _line(one: Line | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"number": one.number, "parts": [[part.text, part.changed] for part in one.parts]}


def _plain(value: str | date | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


def _days(starts: date | None, ends: date | None) -> dict[str, str | None]:
    return {"effective_from": _plain(starts), "effective_to": _plain(ends)}
