"""What a corrected document changes in an answer that was given before."""

import pytest

from agent.policy.corrections import compare, quoted

OLD = (
    "# Pets\n\n## Dogs\n\nA guest may bring one dog. The fee for a dog is 17 euros a night.\n\n"
    "## Cats\n\nThe fee for a cat is 12 euros a night. Refunds are paid to the card."
)


def changed(text: str, other: str) -> str:
    assert text in OLD
    return OLD.replace(text, other)


def test_a_figure_that_is_another_now_is_found_with_both_sentences() -> None:
    found = compare("The fee for a dog is 17 euros a night. [1]", OLD, changed("17", "20"))
    assert found.verdict == "changed"
    (one,) = found.differences
    assert (one.was, one.now) == (
        "The fee for a dog is 17 euros a night.",
        "The fee for a dog is 20 euros a night.",
    )
    assert one.facts == ("17",)


def test_an_answer_in_another_language_is_followed_by_its_figures() -> None:
    found = compare("Ja, für 17 Euro pro Nacht. [1]", OLD, changed("17", "20"))
    assert found.verdict == "changed"


@pytest.mark.parametrize(
    ("answer", "new"),
    [
        ("The fee for a cat is 12 euros a night. [1]", changed("17", "20")),
        ("A guest may bring one dog. [1]", changed("17", "20")),
        ("The fee for a dog is 17 euros a night. [1]", OLD + "\n\nBirds cost 5 euros."),
    ],
)
def test_an_answer_from_what_stayed_is_still_right(answer: str, new: str) -> None:
    assert compare(answer, OLD, new).verdict == "same"


@pytest.mark.parametrize(
    ("answer", "new", "verdict"),
    [
        (
            "A guest may bring one dog. [1]",
            changed("may bring one", "may not bring any"),
            "changed",
        ),
        ("A guest may bring one dog. [1]", changed("A guest may bring one dog.", ""), "gone"),
        ("Refunds are paid to the card. [1]", changed("the card", "a voucher"), "reworded"),
        ("The fee for a dog is 17 euros a night. [1]", "", "gone"),
    ],
)
def test_verdicts(answer: str, new: str, verdict: str) -> None:
    assert compare(answer, OLD, new).verdict == verdict


def test_the_same_figure_of_something_else_does_not_save_an_answer() -> None:
    new = changed("17 euros", "20 euros").replace("12 euros", "17 euros")
    assert compare("The fee for a dog is 17 euros a night. [1]", OLD, new).verdict == "changed"


def test_rows_and_items_read_as_sentences_in_a_message() -> None:
    assert quoted("| Dog | 20 euros |") == "Dog, 20 euros"
    assert quoted("- One dog") == "One dog"
