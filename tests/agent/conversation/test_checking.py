"""What of an answer may stand, without a model: the sentences are given."""

import pytest

from agent.conversation.checking import Checked, check
from agent.policy.citing import CitingStream
from knowledge_base.model import Passage

PASSAGE = Passage(
    id="p1",
    document_id="d1",
    revision=2,
    title="Pets",
    section="Pet fee",
    text="The pet fee is 35 EUR for the first pet. Guide dogs never cost a fee.",
    position=0,
    audience="public",
    url=None,
    effective_from=None,
    effective_to=None,
)
REFUSAL = "I can't find the answer."


def checked(answer: str, *, cut_off: bool = False) -> Checked:
    stream = CitingStream([PASSAGE.text], ["Can I bring 3 cats?"])
    stream.feed(answer)
    stream.finish()
    return check(stream, [PASSAGE], refusal=REFUSAL, cut_off=cut_off)


def test_a_supported_answer_stands_with_a_verbatim_quote() -> None:
    result = checked("The pet fee is 35 EUR for the first pet.")
    assert (result.outcome, result.replaced) == ("answered", False)
    assert result.citations[0].quote in PASSAGE.text
    assert (result.citations[0].document_id, result.citations[0].revision) == ("d1", 2)


def test_a_sentence_with_an_invented_figure_is_taken_out() -> None:
    result = checked("The pet fee is 35 EUR for the first pet. A third one costs 99 EUR.")
    assert result.text == "The pet fee is 35 EUR for the first pet. [1]"
    assert result.replaced


@pytest.mark.parametrize(
    "answer",
    [
        "It costs 99 EUR.",
        "",
        "I will send you an e-mail about the pet fee.",
        "The policy text does not mention cats.",
        "You should really ask the owner of the house and talk to all of the neighbours first.",
    ],
)
def test_what_has_no_source_becomes_an_honest_refusal(answer: str) -> None:
    result = checked(answer)
    assert (result.text, result.outcome, result.replaced) == (REFUSAL, "refused", True)
    assert result.citations == ()


def test_a_bare_yes_rests_on_the_passage_it_was_read_from() -> None:
    result = checked("Yes.")
    assert (result.text, result.said, result.replaced) == ("Yes. [1]", " [1]", False)


def test_an_answer_cut_off_loses_its_unfinished_sentence() -> None:
    result = checked("The pet fee is 35 EUR for the first pet. So you see it", cut_off=True)
    assert result.text == "The pet fee is 35 EUR for the first pet. [1]"
    assert result.replaced


@pytest.mark.parametrize(
    "wrong", ["The pet fee is 30 EUR for the first pet.", "The pet fee for the first pet is 7 GBP."]
)
def test_a_wrong_figure_gives_way_to_the_policys_own_words(wrong: str) -> None:
    result = checked(wrong)
    assert result.text == "The pet fee is 35 EUR for the first pet. [1]"
    assert (result.outcome, result.replaced) == ("answered", True)


def test_what_is_said_already_is_not_said_again() -> None:
    right = "The pet fee is 35 EUR for the first pet."
    assert checked(f"{right} The first pet fee is 99 EUR.").text == f"{right} [1]"


def test_what_stands_keeps_its_lines() -> None:
    steps = "1. The pet fee is 35 EUR.\n2. A third costs 99 EUR.\n3. Guide dogs are free."
    result = checked(f"Two things:\n\n{steps}")
    assert result.text.splitlines() == [
        "Two things:",
        "",
        "1. The pet fee is 35 EUR. [1]",
        "2. Guide dogs are free.",
    ]


def test_steps_that_the_model_made_up_are_left_out_and_so_is_what_leads_to_none() -> None:
    made_up = "1. Open your booking in the menu.\n2. Click on the Save button below.\n"
    result = checked(f"The pet fee is 35 EUR. Pay it like this:\n\n{made_up}")
    assert (result.text, result.outcome) == ("The pet fee is 35 EUR. [1]", "answered")
    assert checked(made_up).outcome == "refused"
