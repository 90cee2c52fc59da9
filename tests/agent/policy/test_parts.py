"""A question of two parts gets both passages; one that is answered whole gets no second."""

from agent.policy.parts import second_passage

PETS = "Pets. The fee for the first pet is 35 EUR per stay, for a second one 20 EUR."
LEAVING = "Departure. Guests leave by 11:00; a later checkout costs 15 EUR an hour."
PARTIES = "Parties are forbidden in every home."


def test_what_the_first_leaves_out_is_looked_for_in_the_others() -> None:
    asked = "What is the pet fee, and what does a later checkout on departure cost?"
    assert second_passage(asked, PETS, [PARTIES, LEAVING]) == 1


def test_a_question_that_is_answered_whole_gets_no_second_passage() -> None:
    assert second_passage("What is the fee for a second pet?", PETS, [LEAVING, PARTIES]) is None


def test_words_that_nothing_has_are_no_reason_for_a_second_passage() -> None:
    asked = "Is there a discount for pensioners with a blue parking badge and pets?"
    assert second_passage(asked, PETS, [LEAVING, PARTIES]) is None


def test_without_others_there_is_no_second() -> None:
    assert second_passage("Which departure checkout parties?", PETS, []) is None
