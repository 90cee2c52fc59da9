"""Whether an answer is still what it was, on pairs that a person can judge at a glance."""

import pytest

from agent.policy.verdicts import Expected, Given, judge

PETS = "A guest may bring one dog. The fee for a dog is 17 euros a night."
PETS_20 = PETS.replace("17", "20")
KEYS = "A lost key costs 45 euros."


def answered(text: str, *found: str, cited: str = "pets") -> Given:
    return Given(text, stands=True, found=found, cited=frozenset({cited}))


REFUSED = Given("I do not know.", stands=False, found=(KEYS,))
SEVENTEEN = answered("The fee is 17 euros a night. [1]", PETS, KEYS)


def test_the_same_facts_in_other_words_are_the_same() -> None:
    other = answered("For each night you pay 17 euros for the dog. [1] [2]", PETS, KEYS)
    assert judge(SEVENTEEN, other).verdict == "same"


def test_another_amount_is_a_change_and_both_are_named() -> None:
    judged = judge(SEVENTEEN, answered("The fee is 20 euros a night. [1]", PETS_20, KEYS))
    assert (judged.verdict, judged.lost, judged.gained) == ("changed", ("17",), ("20",))


def test_what_is_not_answered_any_more_is_worse_and_the_other_way_round_better() -> None:
    assert judge(SEVENTEEN, REFUSED).verdict == "worse"
    assert judge(REFUSED, SEVENTEEN).verdict == "better"
    assert judge(REFUSED, REFUSED).verdict == "same"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (answered("A fee is paid for each night. [1]", "A fee is paid.", KEYS), "a fact less"),
        (answered("A lost key costs 45 euros. [1]", KEYS, cited="keys"), "another document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_facts_that_no_passage_has_any_more_have_lost_their_support(new: Given, why: str) -> None:
    assert judge(SEVENTEEN, new).verdict == "lost_support", why


def test_a_fact_that_is_only_not_said_is_a_change() -> None:
    silent = answered("There is a fee for each night. [1]", PETS, KEYS)
    assert judge(SEVENTEEN, silent).verdict == "changed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Yes, you may bring a dog. [1]", "No, dogs stay at home. [1]"),
        ("You can bring your dog into the kitchen. [1]", "You cannot bring your dog into the kitchen. [1]"),  # noqa: E501
        ("Write to help@stay.example. [1]", "Write to desk@stay.example. [1]"),
        ("The host brings towels and linen. [1]", "Everybody washes up before leaving. [1]"),
        ("The bus leaves from Hamburg. [1]", "The bus leaves from Bremen. [1]"),
    ],
)  # fmt: skip
def test_yes_and_no_links_names_and_what_was_turned_round_are_changes(old: str, new: str) -> None:
    assert judge(answered(old, old), answered(new, new)).verdict in ("changed", "lost_support")


def test_a_list_item_number_and_a_number_word_are_no_facts() -> None:
    old = answered("1. Open the box.\n2. Take one of the keys. [1]", PETS)
    new = answered("Open the box. Take one of the keys. [1]", PETS)
    assert judge(old, new).verdict == "same"


def test_a_golden_question_is_judged_by_what_is_expected() -> None:
    twenty = answered("The fee is 20 euros a night. [1]", PETS_20)
    assert judge(SEVENTEEN, twenty, Expected("17 euros")).verdict == "worse"
    assert judge(SEVENTEEN, twenty, Expected("20 euros")).verdict == "better"
    assert judge(SEVENTEEN, SEVENTEEN, Expected("20 euros")).verdict == "same"


def test_what_should_not_be_answered_is_worse_when_it_is() -> None:
    silent = Expected(answerable=False)
    assert judge(REFUSED, SEVENTEEN, silent).verdict == "worse"
    assert judge(SEVENTEEN, REFUSED, silent).verdict == "better"
    assert judge(REFUSED, REFUSED, silent).verdict == "same"
