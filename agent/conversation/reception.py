"""What a customer is told who asks for a person when nobody is there, and the address they leave.

Knows no HTTP and no store. Invariant: a customer is told a time only if somebody is there then by
the working hours; an address is taken only from a message of the customer's own, once it was asked
for, and is marked as stated by them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from agent.conversation.attendance import Attendance
from agent.domain import Conversation, Message, Notice, new_id, now
from agent.policy.hours import WorkingHours
from agent.policy.language import language_of
from agent.prompting import Prompts

_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LONGEST: Final = 254


@dataclass(frozen=True, slots=True)
class Reception:
    hours: WorkingHours
    attendance: Attendance
    prompts: Prompts

    async def away(self, header: Conversation, messages: Sequence[Message]) -> Message | None:
        """What to tell the customer if nobody is there now."""
        moment = datetime.now(UTC)
        closed = not self.hours.is_open(moment)
        if not closed and not await self.attendance.nobody():
            return None
        opening = self.hours.next_opening(moment) if closed else None
        said = " ".join(m.content for m in messages[-6:] if m.role == "customer")
        return self._notice(
            "away",
            language_of(said) or header.locale,
            **_when(opening, moment),
            email=known_email(header) is None,
        )

    def thanks(self, header: Conversation, email: str) -> Message:
        return self._notice("email_kept", header.locale, email=email)

    def _notice(self, name: Notice, locale: str | None, **values: object) -> Message:
        said = self.prompts.say(name, locale, **values)
        return Message(id=new_id("m"), role="system", content=said, created_at=now(), notice=name)


def known_email(header: Conversation) -> str | None:
    found = header.identity.claims.get("email") or header.identity.stated.get("email")
    return str(found) if found else None


def email_in(header: Conversation, content: str) -> str | None:
    """The address that the customer writes down, if it was asked for and none is known."""
    if not header.email_asked or known_email(header) is not None:
        return None
    match = _EMAIL.search(content)
    return match[0] if match and len(match[0]) <= _LONGEST else None


def _when(opening: datetime | None, moment: datetime) -> dict[str, Any]:
    if opening is None:
        return {"opens": False, "days": 0, "weekday": 0, "date": "", "time": ""}
    days = (opening.date() - moment.astimezone(opening.tzinfo).date()).days
    return {
        "opens": True,
        "days": days,
        "weekday": opening.weekday(),
        "date": opening.date().isoformat(),
        "time": f"{opening:%H:%M} ({opening.tzname()})",
    }
