"""What a customer takes for granted, and what speaks of it."""

import pytest

from agent.policy.premises import is_about, premise_of, repeats


@pytest.mark.parametrize(
    ("question", "claim"),
    [
        (
            "Since breakfast is included, what time is it served?",
            "breakfast is included",
        ),
        ("As I can have two accounts, how do I open the second one?", "I can have two accounts"),
        (
            "I read that cameras inside are fine if the listing names them, right?",
            "cameras inside are fine if the listing names them",
        ),
        (
            "Your colleague told me check-in starts at 10. Can you confirm?",
            "check-in starts at 10",
        ),
        ("You say a reset link is valid for 24 hours, correct?", "a reset link is valid for 24"),
        ("Is it true that my student card is accepted?", "my student card is accepted"),
        ("Why do I have to pay for a copy of my data?", "I have to pay for a copy of my data"),
        ("Why must every guest have two-step login?", "every guest must have two-step login"),
    ],
)
def test_a_question_may_rest_on_a_claim_about_the_rules(question: str, claim: str) -> None:
    found = premise_of(question)
    assert found is not None
    assert found.startswith(claim)


@pytest.mark.parametrize(
    "question",
    [
        "Can I bring my dog?",
        "How long does a refund take?",
        "Since my account was locked, what can I do?",
        "As a guest, can I use the pool?",
        "The host wants a bank transfer. I know that is against the rules, where do I report it?",
        "Why was my booking cancelled?",
        "I lost my phone, how do I log in?",
        "Seit wann ist das Frühstück enthalten?",
    ],
)
def test_the_customers_own_case_is_no_claim_about_the_rules(question: str) -> None:
    assert premise_of(question) is None


def test_a_passage_is_about_a_claim_whatever_it_says_of_it() -> None:
    claim = "the safety line is only open on weekdays"
    assert is_about(claim, "The safety line is open 24 hours a day.")
    assert not is_about(claim, "A password needs at least 12 characters.")


def test_the_contrary_is_no_repetition() -> None:
    claim = "every guest must have two-step login"
    assert repeats("Every guest must have two-step login because hosts ask for it.", claim)
    assert not repeats("Not every guest must have two-step login.", claim)
    assert not repeats("Two-step login is optional for guests.", claim)
