"""What a customer keeps when processes die: everything, once."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent.storage import valkey
from tests.product.running import Customer, Product

pytestmark = pytest.mark.model

QUESTION = "Please explain all the rules about pets: fees, how many, and what is forbidden."


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path / "data").start()
    yield product
    product.stop()


def after_restart(product: Product, customer: Customer) -> Customer:
    return Customer(product.url, customer.id, customer.token)


def assert_whole(customer: Customer, question: str = QUESTION) -> None:
    """The question and exactly one finished answer to it, in the snapshot and in the log."""
    messages = customer.snapshot()["messages"]
    assert [m["content"] for m in messages if m["role"] == "customer"] == [question]
    replies = [m for m in messages if m["role"] == "ai_agent"]
    assert len(replies) == 1
    assert replies[0]["outcome"] == "answered"
    types = Counter(event["type"] for event in log_of(customer))
    assert types["turn.started"] == 1
    assert types["reply.completed"] + types["turn.failed"] + types["turn.cancelled"] == 1


def log_of(customer: Customer) -> list[dict[str, object]]:
    """All stored events, read from the event stream until it falls silent."""
    import json

    events: list[dict[str, object]] = []
    last = customer.snapshot()["last_event_id"]
    with httpx.stream(
        "GET", f"{customer.path}/events", headers=customer.headers, timeout=30
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line[5:]))
                if events[-1]["id"] == last:
                    break
    return events


def test_killing_everything_in_the_middle_of_an_answer_loses_nothing(product: Product) -> None:
    customer = Customer(product.url)
    customer.say(QUESTION)
    before = customer.wait_for_text()
    assert before
    product.kill()
    product.start()
    customer = after_restart(product, customer)
    reply = customer.wait_for_reply()
    assert reply["content"]
    assert_whole(customer)
    events = log_of(customer)
    assert sum(event["type"] == "reply.reset" for event in events) == 1
    text = ""
    for event in events:
        if event["type"] == "reply.reset":
            text = ""
        elif event["type"] == "reply.delta":
            text += event["data"]["text"]  # type: ignore[index]
    completed = next(event for event in events if event["type"] == "reply.completed")
    if not completed["data"].get("replaced"):  # type: ignore[attr-defined]
        assert text == reply["content"]


def test_a_turn_that_was_running_in_two_deaths_goes_to_a_person(product: Product) -> None:
    customer = Customer(product.url)
    customer.say(QUESTION)
    for _ in range(2):
        customer.wait_for_text()
        product.kill()
        product.start()
        customer = after_restart(product, customer)
    snapshot = customer.snapshot()
    assert snapshot["status"] == "open"
    types = Counter(event["type"] for event in log_of(customer))
    assert (types["turn.started"], types["turn.failed"], types["reply.completed"]) == (1, 1, 0)


def test_the_server_comes_back_by_itself_when_only_it_dies(product: Product) -> None:
    customer = Customer(product.url)
    customer.say(QUESTION)
    customer.wait_for_text()
    os.kill(product.server_pid(), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{product.url}/readyz", timeout=2).status_code == 200:
                break
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    customer.wait_for_reply()
    assert_whole(customer)


def test_a_message_sent_right_before_the_crash_is_answered_after_it(product: Product) -> None:
    customer = Customer(product.url)
    customer.say(QUESTION)
    product.kill()
    product.start()
    customer = after_restart(product, customer)
    customer.wait_for_reply()
    assert_whole(customer)


def test_an_orderly_stop_in_the_middle_of_an_answer_loses_nothing(product: Product) -> None:
    customer = Customer(product.url)
    customer.say(QUESTION)
    customer.wait_for_text()
    assert product.stop() == 0
    product.start()
    customer = after_restart(product, customer)
    customer.wait_for_reply()
    assert_whole(customer)


def test_while_redis_is_gone_the_customer_hears_so_and_nothing_is_lost(tmp_path: Path) -> None:
    server = valkey.start(tmp_path / "redis")
    product = Product(tmp_path / "data", {"FRONTDESK_REDIS_URL": server.url}).start()
    try:
        customer = Customer(product.url)
        customer.ask("How much is the pet fee for the first pet?")
        server.stop()
        ready = httpx.get(f"{product.url}/readyz", timeout=30)
        assert ready.status_code == 503
        assert "Redis" in ready.json()["detail"]
        refused = httpx.post(
            f"{customer.path}/messages",
            json={"content": "Hello?"},
            headers=customer.headers,
            timeout=60,
        )
        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
        server = valkey.start(tmp_path / "redis")
        assert customer.snapshot()["messages"][0]["content"].startswith("How much")
        assert customer.ask("And for a second pet?")["content"]
    finally:
        product.stop()
        server.stop()


def test_the_embedded_store_comes_back_when_it_dies_alone(product: Product) -> None:
    customer = Customer(product.url)
    customer.ask("hello")
    (store,) = [
        pid for pid in product.pids() if b"valkey" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(store, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while httpx.get(f"{product.url}/readyz", timeout=10).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert customer.ask("thanks")["content"]
    assert len(customer.snapshot()["messages"]) == 4
