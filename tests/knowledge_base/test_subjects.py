"""What a question is about is what was named last, of the things that documents have names for."""

import pytest

from knowledge_base.library import Library

HOUSES = {
    "gonville": "Gonville Hotel",
    "ab": "A and B Guest House",
    "curry": "Curry King",
}
FACTS = {
    "pets": ("Are dogs allowed?", {"gonville": "No.", "ab": "Yes, two.", "curry": "Outside only."}),
    "parking": ("Is there parking?", {"gonville": "12 EUR.", "ab": "Free.", "curry": "None here."}),
    "hours": ("When are they open?", {"gonville": "Always.", "ab": "From 7.", "curry": "To 23."}),
}


@pytest.fixture
def houses(library: Library) -> Library:
    """The same questions about three houses; only some of the answers say which."""
    texts = [
        (f"{place}/{fact}", f"{question} {answers[place]}", question)
        for place in HOUSES
        for fact, (question, answers) in FACTS.items()
    ]
    texts += [
        (f"{place}/about", f"Welcome to {name}. Stay at {name}.", "Welcome")
        for place, name in HOUSES.items()
    ]
    texts += [(f"{place}/more", f"More on {name}.", "More") for place, name in HOUSES.items()]
    library.add_texts(texts, source="houses", publish=True)
    return library


def first(library: Library, question: str, *before: str) -> str:
    hit = library.search(question, before=before)[0]
    return hit.passage.text


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("I have a room at the gonville hotel.", "No."),
        ("We stay at A and B Guest House", "Yes, two."),
        ("How about Curry King?", "Outside only."),
        ("is the Gonville any good", "No."),
    ],
)
def test_a_question_is_about_what_was_named_before(houses: Library, said: str, answer: str) -> None:
    assert first(houses, "Are dogs allowed there?", said).endswith(answer)


def test_what_was_named_last_counts_most(houses: Library) -> None:
    asked = "Is there parking?"
    said = ["I know the Gonville Hotel.", "Now I look at Curry King."]
    assert first(houses, asked, *said).endswith("None here.")
    assert first(houses, asked, *reversed(said)).endswith("12 EUR.")
    assert first(houses, "Is there parking, at the Gonville?", *said).endswith("12 EUR.")


def test_words_that_are_no_names_change_nothing(houses: Library) -> None:
    asked = "When are they open?"
    plain = [hit.score for hit in houses.search(asked)]
    for said in ("I come on Monday, with two dogs.", "Are there more?", ""):
        assert [hit.score for hit in houses.search(asked, before=[said])] == plain


def test_scores_stay_between_0_and_1(houses: Library) -> None:
    hits = houses.search("Are dogs allowed at A and B Guest House?", k=50, before=["Curry King"])
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_a_first_question_is_found_by_its_own_words(houses: Library) -> None:
    asked = "Are dogs allowed at the Gonville?"
    alone = {hit.passage.id: hit.score for hit in houses.search(asked, k=50)}
    later = {hit.passage.id: hit.score for hit in houses.search(asked, k=50, before=["Hello"])}
    assert alone.keys() == later.keys()
    assert alone != later
