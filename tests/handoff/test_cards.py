"""The handoff card: a plain one at once, the model's better one soon, nothing invented."""

import threading

from tests.api.conftest import Chat
from tests.handoff.conftest import Colleague, Stage, eventually

QUESTION = "How much is the fee for a dog?"


def handed_off(stage: Stage) -> Chat:
    chat = stage.chat()
    chat.answer(QUESTION)
    chat.post("handoff")
    return chat


def test_the_better_card_replaces_the_plain_one(stage: Stage, ann: Colleague) -> None:
    chat = handed_off(stage)
    card = eventually(lambda: (c := ann.sees(chat)["card"])["intent"] == "Bring a dog" and c)
    assert card["summary"].endswith("The customer asks about the fee for a dog.")
    assert card["sentiment"] == "negative"
    assert card["reason"] == "customer_request"
    assert card["citations"][0]["title"] == "Pets"
    assert "17 euros" in card["tried"][0]


def test_a_summary_with_what_nobody_said_is_not_used(stage: Stage, ann: Colleague) -> None:
    stage.script.card = (
        '{"intent": "Bring a dog", "summary": "The customer asks about the fee of 95 euros for a '
        'dog.", "sentiment": "neutral"}'
    )
    chat = handed_off(stage)
    card = eventually(lambda: (c := ann.sees(chat)["card"])["intent"] == "Bring a dog" and c)
    assert "95" not in card["summary"]
    assert QUESTION in card["summary"]


def test_while_the_model_writes_the_plain_card_is_there(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    chat.answer(QUESTION)
    go_on = threading.Event()
    stage.script.before = lambda: go_on.wait(20)
    chat.post("handoff")
    assert ann.sees(chat)["card"]["intent"] == QUESTION
    go_on.set()
    eventually(lambda: ann.sees(chat)["card"]["intent"] == "Bring a dog")


def test_what_is_no_card_leaves_the_plain_one(stage: Stage, ann: Colleague) -> None:
    stage.script.card = "I would rather not."
    chat = handed_off(stage)
    eventually(lambda: any("You write the note" in prompt for prompt in stage.script.prompts))
    other = stage.chat()
    other.answer(QUESTION)  # the model has gone on to something else
    assert ann.sees(chat)["card"]["intent"] == QUESTION


def test_a_conversation_that_was_resolved_gets_no_card(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    chat.answer(QUESTION)
    go_on = threading.Event()
    stage.script.before = lambda: go_on.wait(20)
    chat.post("handoff")
    ann.does(chat, "resolve")
    go_on.set()
    stage.chat().answer(QUESTION)
    assert ann.sees(chat)["card"]["intent"] == QUESTION


def test_what_the_customer_adds_while_waiting_is_on_the_card(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    chat.post("handoff")
    assert ann.sees(chat)["card"]["intent"] == "Not said yet."
    chat.say(QUESTION)
    card = eventually(lambda: (c := ann.sees(chat)["card"])["intent"] == "Bring a dog" and c)
    assert card["open_questions"] == [QUESTION]
    eventually(lambda: ann.sees(chat)["card"]["suggested_reply"])
    assert ann.sees(chat)["card"]["suggested_reply"] == stage.script.answer
