"""Which passage a sentence rests on, and which figures have no source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.policy import grounding
from agent.policy.citing import CitingStream

REFUNDS = (
    "Tidelark sends the refund within 2 working days. A refund to a card arrives after 3 to 7 "
    "days. Bank transfers take up to 4 working days, at the latest at 4 p.m. on Fridays."
)
PETS = (
    "The pet fee is the same in every home:\n\n| Pets | Pet fee per stay |\n|---|---|\n"
    "| First pet | 35 EUR |\n| Second pet | 20 EUR |\n\nGuide dogs never cost a fee."
)


def cited(answer: str, size: int = 7) -> CitingStream:
    stream = CitingStream([REFUNDS, PETS], ["Can I bring 3 cats?"])
    shown = "".join(stream.feed(answer[i : i + size]) for i in range(0, len(answer), size))
    assert shown + stream.finish() == stream.text
    return stream


def test_each_sentence_gets_the_marker_of_its_passage() -> None:
    stream = cited("A refund to a card arrives after 3 to 7 days. The first pet costs 35 EUR.")
    assert stream.text == (
        "A refund to a card arrives after 3 to 7 days. [1] The first pet costs 35 EUR. [2]"
    )
    assert [index for index, _ in stream.used()] == [0, 1]


def test_quotes_are_verbatim_and_say_the_same() -> None:
    stream = cited("For your second pet you pay 20 EUR.")
    ((index, quote),) = stream.used()
    assert index == 1
    assert quote in PETS
    assert "20 EUR" in quote
    assert quote.startswith("| Pets | Pet fee per stay |")  # a row says little without its head


def test_a_figure_that_no_source_has_is_a_fault() -> None:
    stream = cited("The first pet costs 35 EUR. A third pet costs 15 EUR.")
    assert stream.faults == ["A third pet costs 15 EUR."]


def test_a_figure_that_the_customer_named_is_no_fault() -> None:
    assert cited("No, 3 cats are too many: the second pet costs 20 EUR.").faults == []


def test_a_link_that_no_source_has_is_a_fault() -> None:
    assert cited("Write to refunds@tidelark.example about the refund.").faults


def test_markers_of_the_models_own_are_dropped() -> None:
    stream = cited("A refund to a card arrives after 3 to 7 days [4]. Guide dogs are free [12].")
    assert "[4]" not in stream.text
    assert "[12]" not in stream.text


def test_initials_and_titles_do_not_end_a_sentence() -> None:
    text = "Write to Dr. Ann P. Moss. She answers within 2 working days."
    assert len(grounding.sentences(text)) == 2


def test_the_number_of_a_step_is_no_sentence() -> None:
    steps = "1. Guide dogs never cost a fee.\n2. The second pet costs 20 EUR."
    assert grounding.sentences(steps) == steps.splitlines()
    stream = cited(steps)
    assert (stream.sentences, stream.faults) == (steps.splitlines(), [])


def test_an_opening_that_says_nothing_is_left_out() -> None:
    said = "The policy text states that the second pet costs 20 EUR. The answer is: no."
    assert cited(said).text == "The second pet costs 20 EUR. [1] No."


@pytest.mark.parametrize(
    "checklist",
    [
        " Conditions: You must be 18. Amounts: There is no fee.",
        "\n\nThe conditions for the second pet are:\n- none\n\nAmounts:\n- none",
        "\n\n**Time limits:** There are none.",
    ],
)
def test_a_checklist_behind_the_answer_is_left_out(checklist: str) -> None:
    for size in (1, 7, 200):
        stream = cited(f"The second pet costs 20 EUR.{checklist}", size)
        assert stream.text.strip() == "The second pet costs 20 EUR. [1]"
        assert not stream.faults


def test_what_only_begins_like_a_checklist_is_said() -> None:
    said = "The second pet costs 20 EUR. The amounts are paid to the host."
    assert cited(said).text.replace(" [1]", "") == said


def test_a_sentence_of_the_models_own_is_a_fault() -> None:
    made_up = "This helps to keep your holiday budget under control in every season."
    assert cited(f"The second pet costs 20 EUR. {made_up}").faults == [made_up]


def test_another_language_shares_no_words_and_is_no_fault() -> None:
    assert cited("Der zweite Hund kostet 20 EUR und das ist für alle Häuser gleich.").faults == []


def test_weeks_may_be_told_in_days() -> None:
    assert grounding.unsupported_figures("That is 21 days.", ["in three weeks"]) == set()
    assert grounding.unsupported_figures("That is 20 days.", ["in three weeks"]) == {"20"}


def test_abbreviations_do_not_end_a_sentence() -> None:
    stream = cited("Bank transfers arrive by 4 p.m. on Fridays, after up to 4 working days.")
    assert stream.text.count("[") == 1
    assert len(stream.sentences) == 1


def test_number_words_and_digits_are_the_same_figure() -> None:
    assert grounding.unsupported_figures("within 2 days", ["within two days"]) == set()
    assert grounding.unsupported_figures("1,500 EUR", ["1500 EUR"]) == set()
    assert grounding.unsupported_figures("45.50 EUR", ["45,5 EUR"]) == set()
    assert grounding.unsupported_figures("15:00", ["at 16:00"]) == {"15:00"}


PIECES = ["The answer is", " that", ":", " ", "no", "1.", "\n", "The policy says", "x"]


@given(
    st.lists(st.sampled_from(PIECES)).map("".join) | st.text(max_size=300),
    st.integers(1, 50),
)
def test_however_the_text_arrives_the_result_is_the_same(answer: str, size: int) -> None:
    assert cited(answer, size).text == cited(answer, 1000).text


@given(st.lists(st.sampled_from(["You pay 35 EUR.", "Guide dogs are free.", "\n- Refunds!"])))
def test_every_quote_stands_in_its_passage(sentences: list[str]) -> None:
    stream = cited(" ".join(sentences))
    for index, quote in stream.used():
        assert quote in [REFUNDS, PETS][index]
