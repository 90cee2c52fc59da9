"""Products whose model says what it is told, as for the ways to a person; and a real Chromium."""

from typing import Any

from tests.api.conftest import Chat
from tests.browser.conftest import browser
from tests.handoff.conftest import Stage, eventually, staged

__all__ = ["browser", "staged"]

PARKING = "# Parking\n\nGuests park their car for free in the yard behind the house."


def words(prompt: str) -> str:
    """It says yes to what is about cars and the sauna, and knows those alone."""
    if "You name what customers" in prompt:
        return '{"name": "Parking a car"}'
    if "You write one short help article" in prompt:
        return "Guests park for free in the yard. The yard has 40 places."
    if "YES or NO" in prompt:
        return "YES" if "behind the house" in prompt or "The sauna" in prompt else "NO"
    if "The sauna" in prompt:
        return "The sauna is open until 22:00."
    return "You park your car for free in the yard behind the house."


def answered(stage: Stage, chat: Chat, question: str) -> dict[str, Any]:
    """The reply, once it is kept among the questions: that is a moment after it is told."""
    reply = dict(chat.answer(question)["data"]["message"])
    eventually(lambda: stage.product.services.records.asked.find(reply["id"]))
    return reply
