"""Names that no source has, and sentences that turn their source round."""

import pytest

from agent.policy.citing import CitingStream
from agent.policy.claims import reverses, unsupported_names

RULE = (
    "Guests may not smoke in any room of a Harbour House. Dogs are allowed in the garden of every "
    "house. Refunds are only paid to the card that was used for booking."
)


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("You may not smoke in any room of a Harbour House.", set()),
        ("You may not smoke in any room of a Garden Lodge.", {"Lodge"}),
        ("Refunds are paid with Paypal to your card.", {"Paypal"}),
        ("Smoking is forbidden, even with EUR 50 paid.", set()),
    ],
)
def test_names_are_looked_up_in_the_sources(sentence: str, names: set[str]) -> None:
    assert unsupported_names(sentence, [RULE]) == names


@pytest.mark.parametrize(
    "sentence",
    [
        "Guests may smoke in any room of a Harbour House.",
        "Dogs are not allowed in the garden of every house.",
    ],
)
def test_a_dropped_or_added_not_is_seen(sentence: str) -> None:
    assert reverses(sentence, RULE)


@pytest.mark.parametrize(
    "sentence",
    [
        "Guests may not smoke in any room of a Harbour House.",
        "Smoking is forbidden in every room.",
        "No, you may not smoke in any room.",
        "Refunds are not paid to any card but the one used for booking.",
    ],
)
def test_other_ways_of_saying_the_same_stand(sentence: str) -> None:
    assert not reverses(sentence, RULE)


def test_such_sentences_are_faults_of_an_answer() -> None:
    stream = CitingStream([RULE], ["Where may I smoke?"])
    stream.feed("Dogs are allowed in the garden. Guests may smoke in any room of a Harbour House.")
    stream.finish()
    assert stream.faults == ["Guests may smoke in any room of a Harbour House."]


def test_what_the_customer_named_may_be_named() -> None:
    stream = CitingStream([RULE], ["May my friend from Porto smoke in a room?"])
    stream.feed("Your friend from Porto may not smoke in any room of a Harbour House.")
    stream.finish()
    assert stream.faults == []


def test_german_nouns_are_no_names() -> None:
    stream = CitingStream([RULE], [])
    stream.feed("Im Garden dürfen Hunde in jedem Harbour House sein, Katzen auch.")
    stream.finish()
    assert stream.faults == []
