"""Every path ends in an answer or a person, whatever breaks on the way."""

import tempfile
from pathlib import Path

import pytest

from tests.handoff.conftest import Opened, eventually
from tests.redis_servers import MortalServer

QUESTION = "How much is the fee for a dog?"


def test_a_dead_engine_ends_with_a_person(staged: Opened) -> None:
    with staged() as stage:
        ann = stage.colleague()
        chat, other = stage.chat(), stage.chat()

        def dies() -> bool:
            raise MemoryError

        stage.script.before = dies
        chat.say(QUESTION)
        eventually(lambda: chat.snapshot()["status"] == "open")
        seen = ann.sees(chat)
        assert seen["reason"] == "agent_error"
        assert seen["card"]["open_questions"] == [QUESTION]
        assert chat.post("messages", {"content": "Hello?"}).status_code == 202, "needs no engine"
        assert ann.sees(chat)["messages"][-1]["content"] == "Hello?"
        ann.does(chat, "messages", {"content": "17 euros a night."})

        assert other.post("handoff").status_code == 202
        assert other.snapshot()["status"] == "open"


def test_what_is_written_while_waiting_is_kept_and_the_ai_is_silent(staged: Opened) -> None:
    with staged() as stage:
        ann = stage.colleague()
        chat = stage.chat()
        chat.post("handoff")
        for n in range(3):
            chat.say(f"Message {n}")
        said = ann.sees(chat)["messages"]
        assert [m["content"] for m in said] == ["Message 0", "Message 1", "Message 2"]
        assert ann.sees(chat)["status"] == "open"


@pytest.mark.parametrize("when", ["while the AI answers", "while the customer waits"])
def test_after_an_outage_of_redis_the_customer_gets_on(staged: Opened, when: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fd-") as folder:
        server = MortalServer("valkey", Path(folder))
        try:
            with staged(redis_url=server.url) as stage:
                ann = stage.colleague()
                chat = stage.chat()
                if when == "while the AI answers":
                    down: list[bool] = []

                    def outage() -> bool:
                        if not down:
                            server.kill()
                            down.append(True)
                        return True

                    stage.script.before = outage
                    chat.say(QUESTION)
                    eventually(lambda: down)
                    server.restart()

                    def ended() -> bool:
                        seen = chat.snapshot()
                        answered = seen["messages"][-1].get("outcome") == "answered"
                        return answered or seen["status"] == "open"

                    eventually(ended, patience_s=60)
                else:
                    chat.post("handoff")
                    server.kill()
                    assert chat.post("messages", {"content": "Hello?"}).status_code == 503
                    server.restart()
                    eventually(
                        lambda: chat.post("messages", {"content": "Again"}).status_code == 202
                    )
                    ann.does(chat, "messages", {"content": "Hello, I am here."})
                    assert chat.snapshot()["messages"][-1]["role"] == "human_agent"
        finally:
            server.stop()
