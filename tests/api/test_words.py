"""What the AI says by itself and in which style is an admin's to word, and to take back."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import Chat, Product
from tests.api.people import OPENED, Person, signed_in

pytestmark = pytest.mark.model


@pytest.fixture
def admin(product: Product) -> Iterator[Person]:
    person = signed_in(product, "admin")
    yield person
    person.call(
        "PUT",
        "admin/words",
        json={"style": "", "words": [{"name": "greeting", "language": "en", "text": ""}]},
    )
    while OPENED:
        OPENED.pop().close()


def greeted(product: Product) -> str:
    with product.client() as client:
        started = client.post("/api/v1/conversations", json={}).json()
        chat = Chat(started["id"], started["token"], client)
        return str(chat.answer("hello")["data"]["message"]["content"])


def worded(admin: Person, text: str) -> None:
    word = {"name": "greeting", "language": "en", "text": text}
    answer = admin.call("PUT", "admin/words", json={"words": [word]})
    assert answer.status_code == 200, answer.text


def test_other_words_are_said_at_once_and_the_products_own_come_back(
    product: Product, admin: Person
) -> None:
    standard = greeted(product)
    worded(admin, "Ahoy! What can I do for you?")
    assert greeted(product) == "Ahoy! What can I do for you?"
    worded(admin, "")
    assert greeted(product) == standard
    history = admin.call("GET", "admin/words").json()["history"]
    assert [one["text"] for one in history[:2]] == ["", "Ahoy! What can I do for you?"]
    assert {one["author"] for one in history[:2]} == {admin.email}


def test_the_style_reaches_the_model_and_marks_the_answers_made_with_it(
    product: Product, admin: Person
) -> None:
    before = product.services.prompts.revision()
    answer = admin.call("PUT", "admin/words", json={"style": "Call  guests\ntravellers."})
    assert answer.json()["style"] == "Call guests travellers."
    assert "Call guests travellers." in product.services.prompts.render("answer_system")
    assert product.services.prompts.revision() != before
    admin.call("PUT", "admin/words", json={"style": ""})
    assert product.services.prompts.revision() == before


def test_what_is_too_long_or_unknown_is_refused_with_its_field(
    product: Product, admin: Person
) -> None:
    too_long = admin.call("PUT", "admin/words", json={"style": "x" * 301})
    assert (too_long.status_code, too_long.json()["code"]) == (422, "invalid_request")
    unknown = {"name": "away", "language": "en", "text": "Gone."}
    assert admin.call("PUT", "admin/words", json={"words": [unknown]}).status_code == 422
    assert signed_in(product, "supervisor").call("GET", "admin/words").status_code == 403
