"""What a person gives back to the AI: the mark, the fresh start, and no endless to and fro."""

from tests.handoff.conftest import Colleague, Stage, eventually

QUESTION = "How much is the fee for a dog?"
MARK = "A person from our team had this conversation until here"


def test_the_end_of_the_human_stretch_is_marked_for_all(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat(locale="de")
    chat.post("handoff")
    ann.does(chat, "messages", {"content": "Your key is at the bakery."})
    ann.does(chat, "return_to_ai")
    line = chat.snapshot()["messages"][-1]
    assert (line["role"], line["notice"]) == ("system", "returned")
    assert "KI-Assistent" in line["content"]
    assert ann.sees(chat)["messages"][-1] == line
    chat.answer(QUESTION)
    assert MARK in stage.script.prompts[-1]
    assert stage.script.prompts[-1].index("bakery") < stage.script.prompts[-1].index(MARK)
    chat.answer("And what does a lost key cost?")
    assert MARK in stage.script.prompts[-1], "it stays where it was"


def test_what_waits_at_the_return_is_answered_behind_the_mark(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    chat.post("handoff")
    asked = chat.say(QUESTION)["event_id"]
    ann.does(chat, "return_to_ai")
    next(e for e in chat.events(asked) if e["type"] == "reply.completed")
    answers = [p for p in stage.script.prompts if MARK in p]
    assert answers
    assert answers[-1].index(MARK) < answers[-1].index(QUESTION)


def test_after_a_resolution_nothing_of_before_is_context(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    chat.answer("How much is the fee for a dog called Bello?")
    ann.does(chat, "resolve")
    chat.answer("What does a lost key cost?")
    assert "Bello" not in stage.script.prompts[-1]
    chat.post("handoff")
    assert "Bello" not in str(ann.sees(chat)["card"])


def test_a_customer_is_not_sent_to_and_fro(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    for _ in range(2):
        chat.answer("I want to talk to a person")
        ann.does(chat, "return_to_ai")
        assert ann.sees(chat)["notes"] == []
    chat.answer("I want to talk to a person")
    seen = ann.sees(chat)
    assert seen["status"] == "open"
    assert "stays with you" in seen["notes"][-1]["content"]
    refused = ann.post(chat, "return_to_ai")
    assert refused.status_code == 409
    assert "write to the customer" in refused.json()["detail"]

    ann.does(chat, "messages", {"content": "Hello, it is me, a person."})
    assert ann.does(chat, "return_to_ai")["status"] == "pending"


def test_an_answer_of_the_ai_counts_as_one(stage: Stage, ann: Colleague) -> None:
    chat = stage.chat()
    for _ in range(4):
        chat.answer("I want to talk to a person")
        ann.does(chat, "return_to_ai")
        chat.answer(QUESTION)
    assert eventually(lambda: ann.sees(chat)["status"] == "pending")
