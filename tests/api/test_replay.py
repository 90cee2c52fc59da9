"""An answer can be made again from what was kept of it, until its conversation is erased."""

import asyncio
import time
from typing import Any

import pytest

from agent.conversation.replaying import Replay, Replayer, first_difference
from agent.errors import NotFound
from agent.generation.requests import TokenLogprob
from tests.api.conftest import Chat, Product

pytestmark = pytest.mark.model


def replayed(product: Product, message_id: str) -> Replay:
    replayer = Replayer(product.services.engine, product.services.records)
    return asyncio.run_coroutine_threadsafe(replayer.replay(message_id), product.loop).result(120)


@pytest.fixture(autouse=True)
def all_is_read(product: Product) -> None:
    """Reading policies in the background is company."""
    generation = product.services.library.generation
    deadline = time.monotonic() + 60
    while not (product.services.warmer.read == generation and not product.services.engine.busy):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answered(chat: Chat) -> dict[str, Any]:
    done = chat.answer("What does a lost key cost?")
    assert done["data"]["message"]["outcome"] == "answered", done
    return dict(done["data"]["message"])


def test_an_answer_that_was_computed_alone_comes_out_the_same(product: Product, chat: Chat) -> None:
    message = answered(chat)
    found = replayed(product, message["id"])
    assert (found.was_alone, found.is_alone) == (True, True)
    assert (found.verdict, found.changed, found.difference) == ("identical", (), None)
    assert "45" in found.text


def test_nothing_of_an_erased_conversation_is_replayed(product: Product, chat: Chat) -> None:
    message = answered(chat)
    assert chat.client.delete(chat.path, headers=chat.headers).status_code == 202
    with pytest.raises(NotFound, match="erased"):
        replayed(product, message["id"])


def test_customers_see_nothing_of_what_an_answer_was_made_from(chat: Chat) -> None:
    message = answered(chat)
    allowed = {"id", "role", "content", "created_at", "citations", "confidence", "outcome"}
    assert set(message) <= allowed | {"timings"}


def test_the_first_token_that_differs_is_told_with_its_margin() -> None:
    now = [TokenLogprob("It", -0.1), TokenLogprob(" is", -0.5, ((" is", -0.5), (" costs", -0.9)))]
    found = first_difference(("It", " costs"), now)
    assert found is not None
    assert (found.at, found.was, found.is_now) == (1, " costs", " is")
    assert found.margin == pytest.approx(0.4)
    assert first_difference(("It", " is"), now) is None
    ended = first_difference(("It",), now)
    assert ended is not None
    assert (ended.was, ended.margin) == ("(end)", None)
