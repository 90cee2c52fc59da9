"""What a handoff card may say."""

import pytest

from agent.domain import Message, Role
from agent.policy.handoff import better_card, invents, plain_card

SAID = ["I booked for 14 March with Emma, two adults, for 640 euros: https://t.example/b/7"]


def said(role: Role, content: str) -> Message:
    return Message(id=content, role=role, content=content, created_at="2026-03-01T10:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "The customer booked for 14 March with Emma for 640 euros.",
        "The customer booked for two adults.",
        "Booked for 2 adults.",
    ],
)
def test_what_was_said_stands(text: str) -> None:
    assert not invents(text, SAID)


@pytest.mark.parametrize(
    "text",
    [
        "The customer booked for 15 March.",
        "The customer booked for 14 May.",
        "The customer booked for 460 euros.",
        "The customer booked for three adults.",
        "The customer booked with Anna.",
        "Anna booked for 14 March.",
        "The customer booked at https://t.example/b/8.",
        "The customer lost a blue suitcase at the station.",
    ],
)
def test_what_nobody_said_is_found(text: str) -> None:
    assert invents(text, SAID)


def test_small_talk_and_the_wish_for_a_person_are_no_open_questions() -> None:
    messages = [said("customer", "hello"), said("customer", "talk to a person please")]
    card = plain_card("customer_request", messages)
    assert (card.open_questions, card.intent) == ((), "Not said yet.")


def test_each_field_falls_back_by_itself() -> None:
    messages = [said("customer", SAID[0])]
    plain = plain_card("customer_request", messages)
    written = {
        "intent": "Booked for 14 March",
        "summary": "Emma owes 99 euros.",
        "sentiment": "positive",
    }
    card = better_card(plain, written, messages, "Tidelark")
    assert (card.intent, card.summary) == ("Booked for 14 March", plain.summary)
    assert card.sentiment == "positive"
