"""Whether a message is about a case of the customer's own, and what was said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.policy.cases import (
    DECISIONS,
    Case,
    Verdict,
    condition_as_question,
    decide,
    features,
    is_new_question,
    own_case,
)

CUSTOMER, AGENT = True, False


@pytest.mark.parametrize(
    "text",
    [
        "Can I bring my dog?",
        "Hi, am I entitled to a refund?",
        "I booked yesterday. Does the insurance pay if I fall ill",
        "Is this item eligible?",
        "Do I need to tell the host?",
    ],
)
def test_a_yes_or_no_about_oneself_is_a_case(text: str) -> None:
    assert own_case([(CUSTOMER, text)]) == Case(text)


@pytest.mark.parametrize(
    "text",
    [
        "What does a dog cost?",
        "Can you tell me the fee?",
        "Do you have homes in Japan?",
        "Is there a student discount?",
        "I want my money back",
        "Yes",
    ],
)
def test_other_questions_are_none(text: str) -> None:
    assert own_case([(CUSTOMER, text)]) is None


def test_replies_to_questions_back_belong_to_the_case() -> None:
    case = own_case(
        [
            (CUSTOMER, "I am an apprentice with some experience."),
            (CUSTOMER, "Am I entitled to the apprentice rate?"),
            (AGENT, "Are you under 19?"),
            (CUSTOMER, "No"),
            (AGENT, "Are you in the first year?"),
            (CUSTOMER, "Yes, since May"),
        ]
    )
    assert case == Case(
        "Am I entitled to the apprentice rate?",
        ("I am an apprentice with some experience.",),
        (("Are you under 19?", "No"), ("Are you in the first year?", "Yes, since May")),
    )
    assert case.text.splitlines()[-1] == "The customer answered: Yes, since May"


@pytest.mark.parametrize(
    ("reply", "yes"),
    [("Yes I am", True), ("ok", True), ("I do not", False), ("No.", False), ("I am not", False)],
)
def test_replies_are_read_as_yes_or_no(reply: str, yes: bool) -> None:
    case = Case("May I?", asked=(("Are you under 19?", reply),))
    names = features(case, "", Verdict(0, 0, 0))
    assert (names[5], names[6]) == (float(yes), float(not yes))


def test_what_follows_an_answer_is_another_matter() -> None:
    said = [(CUSTOMER, "Can I bring my dog?"), (AGENT, "Yes, for 35 EUR."), (CUSTOMER, "ok then")]
    assert own_case(said) is None


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.text(max_size=200),
    st.lists(st.sampled_from(["Yes", "No", "Maybe"]), max_size=4),
)
def test_decisions_are_probabilities(
    yes: float, no: float, unclear: float, policy: str, replies: list[str]
) -> None:
    case = Case("May I?", asked=tuple(("Really?", reply) for reply in replies))
    found = decide(case, policy, Verdict(yes, no, unclear))
    assert set(found) == set(DECISIONS)
    assert sum(found.values()) == pytest.approx(1)


def test_what_the_customer_replied_last_weighs() -> None:
    rule = "You get it if you are under 19."
    verdict = Verdict(0.4, 0.4, 0.1)
    replied = {
        reply: decide(Case("Do I get it?", asked=(("Are you under 19?", reply),)), rule, verdict)
        for reply in ("Yes", "No")
    }
    assert replied["Yes"]["yes"] > replied["No"]["yes"]
    assert replied["Yes"]["no"] < replied["No"]["no"]


@pytest.mark.parametrize(
    ("text", "is_new"),
    [
        ("Is your pet a guide dog?", True),
        ("Are you under 19?", False),
        ("Can I bring my dog?", False),
        ("You can bring your dog.", False),
        ("Is it big? Is it old?", False),
        ("", False),
    ],
)
def test_a_question_back_is_one_question_that_was_not_asked(text: str, is_new: bool) -> None:
    case = Case("Can I bring my dog?", asked=(("Are you under 19?", "No"),))
    assert is_new_question(case, text) is is_new


def test_nothing_is_asked_back_where_no_listed_condition_is_left() -> None:
    rules = (
        "Pets are welcome.\n\n## Rules\n\n- Pets must not be left alone.\n- Dogs stay on a lead."
    )
    assert decide(Case("Can I bring my dog?"), rules, Verdict(0.1, 0.1, 0.8))["clarify"] == 0
    depends = "You get it if:\n\n- you are under 19"
    assert decide(Case("Do I get it?"), depends, Verdict(0.1, 0.1, 0.8))["clarify"] > 0.3
    asked = Case("Do I get it?", asked=(("Are you under 19?", "Maybe"),))
    assert decide(asked, depends, Verdict(0.1, 0.1, 0.8))["clarify"] == 0


def test_a_condition_that_nothing_was_said_about_can_be_asked_in_its_own_words() -> None:
    rule = "You get it if:\n\n* you are under 19\n* or you live in Scotland;\n"
    case = Case("Do I get it?", asked=(("Are you under 19?", "No"),))
    assert condition_as_question(case, rule) == "Does this apply to you: you live in Scotland?"
    assert condition_as_question(case, "You get it.") is None
