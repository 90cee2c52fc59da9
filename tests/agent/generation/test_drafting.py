"""Guesses come from where the answer's last tokens stood before."""

from hypothesis import given
from hypothesis import strategies as st

from agent.generation.drafting import guess


def test_what_followed_before_is_guessed_to_follow_again() -> None:
    assert guess([1, 2, 3, 4, 5, 9, 2, 3], 2) == [4, 5]


def test_the_longest_match_wins_and_of_equals_the_latest() -> None:
    assert guess([7, 1, 2, 50, 9, 1, 2, 60, 7, 1, 2], 1) == [50]
    assert guess([1, 2, 50, 1, 2, 60, 8, 1, 2], 1) == [60]


def test_one_token_in_common_is_no_reason_to_guess() -> None:
    assert guess([1, 2, 3, 9, 2], 4) == []


def test_nothing_is_guessed_without_room() -> None:
    assert guess([1, 2, 3, 1, 2], 0) == []
    assert guess([1, 2, 3, 1, 2], -1) == []
    assert guess([], 3) == []


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(-2, 20))
def test_a_guess_is_always_a_stretch_of_what_was_said(tokens: list[int], limit: int) -> None:
    guessed = guess(tokens, limit)
    assert len(guessed) <= max(limit, 0)
    stretches = [tokens[at : at + len(guessed)] for at in range(len(tokens))]
    assert not guessed or guessed in stretches
