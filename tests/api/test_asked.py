"""Questions are kept beside their conversations, and go with them."""

import time

import httpx
import pytest

from agent.storage.asked import Asked
from tests.api.conftest import Chat, Product

pytestmark = pytest.mark.model


def test_a_question_is_kept_with_its_answer_and_its_documents(product: Product) -> None:
    with product.client() as client:
        chat = new_chat(client)
        reply = chat.answer("What does a lost key cost?")["data"]["message"]
        kept = kept_of(product, reply["id"])
        assert kept.question == "What does a lost key cost?"
        assert (kept.answer, kept.outcome) == (reply["content"], "answered")
        assert kept.looked_up
        cited = [one.document_id for one in kept.documents if one.cited]
        assert cited == [reply["citations"][0]["document_id"]]
        again = product.services.records.asked.touching(cited, limit=5)
        assert kept in again

        address = f"/api/v1/conversations/{chat.id}"
        rated = client.post(
            f"{address}/messages/{reply['id']}/feedback",
            json={"rating": "down", "comment": "Too dear"},
            headers={"Authorization": f"Bearer {chat.token}"},
        )
        assert rated.status_code == 202
        found = product.services.records.asked.find(reply["id"])
        assert found is not None
        assert (found.rating, found.rating_comment) == ("down", "Too dear")

        client.delete(address, headers={"Authorization": f"Bearer {chat.token}"})
        assert product.services.records.asked.find(reply["id"]) is None


def test_a_greeting_is_no_question(product: Product) -> None:
    with product.client() as client:
        reply = new_chat(client).answer("hello")["data"]["message"]
        assert not kept_of(product, reply["id"]).looked_up


def kept_of(product: Product, message_id: str) -> Asked:
    """It is written a moment after the customer has the answer."""
    deadline = time.monotonic() + 20
    while (kept := product.services.records.asked.find(message_id)) is None:
        assert time.monotonic() < deadline, "the question was not kept"
        time.sleep(0.05)
    return kept


def new_chat(client: httpx.Client) -> Chat:
    started = client.post("/api/v1/conversations", json={}).json()
    return Chat(started["id"], started["token"], client)
