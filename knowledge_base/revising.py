"""What a new revision takes over from the one before it.

Pure. Refuses to know where revisions are kept. Invariant: a document for staff stays one until
somebody says otherwise: no edit and no new file makes it public by leaving something out.
"""

import hashlib
from collections.abc import Collection
from dataclasses import replace

from knowledge_base.errors import InvalidDocument
from knowledge_base.model import Revision
from knowledge_base.parsing import Parsed, Stated


def following(
    parsed: Parsed, before: Revision, stated: Stated, cleared: Collection[str] = ()
) -> Parsed:
    """`parsed` with what neither it nor `stated` says as it was; `cleared` names the dates that
    were taken away on purpose. Raises InvalidDocument."""
    unstated = stated.audience is None and "staff" in (parsed.audience, before.audience)
    starts = parsed.effective_from or before.effective_from
    ends = parsed.effective_to or before.effective_to
    kept = replace(
        parsed,
        audience="staff" if unstated else parsed.audience,
        effective_from=None if "effective_from" in cleared else starts,
        effective_to=None if "effective_to" in cleared else ends,
        url=parsed.url or before.url,
    )
    first, end = kept.effective_from, kept.effective_to
    if first and end and first >= end:
        raise InvalidDocument(
            f"This revision would end on {end} before it starts on {first}; correct one of the "
            "dates."
        )
    return replace(kept, sha256=hashlib.sha256(repr(_content(kept)).encode()).hexdigest())


def says_the_same(one: Parsed, other: Revision) -> bool:
    return _content(one) == _content(other)


def _content(one: Parsed | Revision) -> tuple[object, ...]:
    return one.title, one.text, one.audience, one.effective_from, one.effective_to, one.url
