"""Answers that enough customers liked are given again at once, while their sources stand."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import Chat, Product

pytestmark = pytest.mark.model

POLICY = "# Bicycles\n\nA bicycle costs {fee} euros a day. A helmet is free of charge."


@pytest.fixture
def bicycles(product: Product) -> Iterator[str]:
    """A document that no other test asks about; retired at the end."""
    document = publish(product, 12)
    yield document
    product.services.library.retire(document)


def publish(product: Product, fee: int) -> str:
    text = POLICY.format(fee=fee)
    (added,) = product.services.library.add_texts(
        [("bicycles.md", text, "Bicycles")], source="memory", publish=True
    )
    assert added.document_id is not None
    return added.document_id


def new_chat(client: httpx.Client) -> Chat:
    started = client.post("/api/v1/conversations", json={}).json()
    return Chat(started["id"], started["token"], client)


def asked(client: httpx.Client, question: str) -> tuple[Chat, dict[str, Any]]:
    chat = new_chat(client)
    return chat, dict(chat.answer(question)["data"]["message"])


def like(client: httpx.Client, question: str) -> Chat:
    chat, message = asked(client, question)
    assert message["outcome"] == "answered", message
    rated = chat.post(f"messages/{message['id']}/feedback", {"rating": "up"})
    assert rated.is_success
    return chat


def test_what_three_customers_liked_is_given_again_until_its_source_changes(
    client: httpx.Client, product: Product, bicycles: str
) -> None:
    question = "What does a bicycle cost a day?"
    chats = [like(client, question) for _ in range(3)]
    _, again = asked(client, "what does a bicycle cost a day")
    assert again["timings"]["completion_tokens"] == 0
    assert "12" in again["content"]
    assert again["citations"][0]["document_id"] == bicycles

    _, other = asked(client, "What does a helmet cost a day?")
    assert other["content"] != again["content"]

    publish(product, 19)
    _, new = asked(client, question)
    assert new["timings"]["completion_tokens"] > 0
    assert "19" in new["content"]

    product.services.library.rollback(bicycles, 1)
    for chat in chats:
        assert client.delete(chat.path, headers=chat.headers).status_code == 202


def test_one_customer_alone_cannot_teach_it(
    client: httpx.Client, product: Product, bicycles: str
) -> None:
    question = "Is there a fee for a helmet?"
    chat, message = asked(client, question)
    for _ in range(5):
        chat.post(f"messages/{message['id']}/feedback", {"rating": "up"})
    _, again = asked(client, question)
    assert again["timings"]["completion_tokens"] > 0
