"""What passages say against each other or once more is found, with the parts that differ."""

from datetime import date

import numpy as np
import pytest

from knowledge_base.conflicts import Conflict, conflicts
from knowledge_base.library import Library
from knowledge_base.model import Audience, Passage

NEAR = np.array([1.0, 0.0], dtype=np.float32)
FAR = np.array([0.0, 1.0], dtype=np.float32)


def passage(
    text: str,
    document: str,
    *,
    audience: Audience = "public",
    section: str | None = None,
    position: int = 0,
    start: date | None = None,
    end: date | None = None,
) -> Passage:
    return Passage(
        *(f"{document}.1.{position}", document, 1, "Gift cards", section, text, position),
        audience=audience,
        url=None,
        effective_from=start,
        effective_to=end,
    )


def between(mine: str, theirs: str) -> list[Conflict]:
    return conflicts([passage(mine, "a")], [passage(theirs, "b")], [NEAR], [NEAR])


def marked(found: Conflict) -> tuple[list[str], list[str]]:
    def parts(side: object) -> list[str]:
        return [side.text[start:end] for start, end in side.marks]  # type: ignore[attr-defined]

    return parts(found.mine), parts(found.theirs)


@pytest.mark.parametrize(
    ("mine", "theirs", "about", "marks"),
    [
        (
            "A gift card is valid for 3 years from the day of purchase.",
            "A gift card is valid for 5 years from the day of purchase.",
            "months",
            (["3 years"], ["5 years"]),
        ),
        (
            "The fee for a lost gift card is €12.",
            "A lost gift card costs a fee of 9 EUR.",
            "money",
            (["€12"], ["9 EUR"]),
        ),
        (
            "The fee for the first dog is 45 EUR.",
            "| Pet | Fee |\n|---|---|\n| First dog | 35 EUR |\n| Second dog | 20 EUR |",
            "money",
            (["45 EUR"], ["35 EUR"]),
        ),
        (
            "Hosts may charge guests a late check-in fee.",
            "Hosts never charge guests a late check-in fee.",
            "yes_no",
            ([], ["never"]),
        ),
        (
            "Gift cards can be used up to three times a month for one account.",
            "Gift cards can be used up to 5 times a month for one account.",
            "count",
            (["three times"], ["5 times"]),
        ),
    ],
)
def test_another_amount_limit_or_no_is_a_contradiction(
    mine: str, theirs: str, about: str, marks: tuple[list[str], list[str]]
) -> None:
    (found,) = between(mine, theirs)
    assert (found.kind, found.about, found.excuse) == ("contradicts", about, None)
    assert marked(found) == marks


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        # the same in another form
        ("A gift card is valid for 24 months here.", "A gift card is valid for two years here."),
        ("Damage costs a guest 1,500 EUR here.", "Damage costs a guest €1500.00 here."),
        (
            "Reviews are read in 48 hours by people.",
            "Reviews are read in 2 days by people.",
        ),
        # a list of different cases
        (
            "Firm bookings are refunded in full until 45 days before.",
            "- Moderate bookings: in full until 7 days.\n- Firm bookings: in full until 45 days.",
        ),
        # a limit put as "no more than"
        (
            "Pets may be left alone for up to 4 hours in a home.",
            "Pets must not be left alone for more than 4 hours in a home.",
        ),
        # an example is no rule
        (
            "The cleaning fee is at most 150 EUR per stay.",
            "Example: the cleaning fee is 60 EUR per stay.",
        ),
        # another thing
        ("A rowing boat costs 12 EUR an hour.", "A lost key costs 45 EUR at the host's."),
    ],
)
def test_what_agrees_or_is_of_another_case_is_none(mine: str, theirs: str) -> None:
    assert [one for one in between(mine, theirs) if one.kind == "contradicts"] == []


def test_near_the_same_words_are_a_repetition() -> None:
    text = (
        "A gift card that has not been used can be returned by the buyer within 14 days of "
        "purchase, and the price is refunded to the payment method."
    )
    (found,) = between(text, text.replace("and the price", "the price"))
    assert found.kind == "repeats"
    assert found.mine.text in text


def test_passages_that_are_not_near_are_not_compared() -> None:
    mine = passage("A gift card is valid for 3 years.", "a")
    theirs = passage("A gift card is valid for 5 years.", "b")
    assert conflicts([mine], [theirs], [NEAR], [FAR]) == []


def test_periods_that_do_not_meet_and_staffs_own_documents_are_excuses() -> None:
    turn = date(2026, 3, 1)
    mine = passage("A gift card is valid for 3 years.", "a", start=turn)
    before = passage("A gift card is valid for 5 years.", "b", end=turn)
    staff = passage("A gift card is valid for 6 years.", "c", audience="staff")
    still = passage("A gift card is valid for 7 years.", "d", start=date(2025, 1, 1))
    found = conflicts([mine], [before, staff, still], [NEAR], [NEAR] * 3)
    excuses = {one.theirs.passage.document_id: one.excuse for one in found}
    assert excuses == {"b": "other_period", "c": "staff_only", "d": None}
    assert found[0].excuse is None, "what is none after all comes last"


def test_a_revision_is_held_against_what_is_published(library: Library) -> None:
    def put(key: str, text: str, *, publish: bool) -> str:
        added = library.add_text(source="s", key=key, text=text, publish=publish)
        assert added.document_id
        return added.document_id

    cards = put("a", "A gift card is valid for 5 years from purchase.", publish=True)
    other = put("b", "A gift card is valid for 3 years from purchase.", publish=False)
    (found,) = library.conflicts(other)
    assert (found.kind, found.theirs.passage.document_id) == ("contradicts", cards)
    assert library.conflicts() == []
    library.publish(other)
    assert len(library.conflicts()) == 1
    put("a", "A gift card is valid for 3 years from purchase.", publish=False)
    assert [one.kind for one in library.conflicts(cards, 2)] == []
    assert [one.kind for one in library.conflicts(cards, 1)] == ["contradicts"]
