"""Guesses come from where the answer's last tokens stood before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.generation.drafting import ROWS, TYPICAL, guess, step_seconds, worthwhile


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


# -- how far ahead it pays


def test_a_step_costs_what_was_measured_and_in_between() -> None:
    assert [step_seconds(rows) for rows in ROWS] == list(TYPICAL)
    assert TYPICAL[2] < step_seconds(6) < TYPICAL[3]
    assert step_seconds(64) == pytest.approx(TYPICAL[5] + 2 * (TYPICAL[5] - TYPICAL[4]))


def test_sure_guesses_are_taken_whole_and_vain_ones_not_at_all() -> None:
    assert worthwhile([(15, 0.97)], rows=1, most=28) == [15]
    assert worthwhile([(15, 0.05)], rows=1, most=28) == [0]


def test_where_rows_cost_nothing_more_they_are_used() -> None:
    free = (0.030, 0.040, 0.040, 0.066, 0.100, 0.190)
    assert worthwhile([(3, 0.5)], rows=1, most=28, costs=free) == [3]
    assert worthwhile([(3, 0.5)], rows=1, most=28) == [1]


def test_the_better_guess_goes_first() -> None:
    assert worthwhile([(8, 0.6), (8, 0.97)], rows=2, most=6) == [0, 6]


@given(
    st.lists(st.tuples(st.integers(0, 15), st.floats(0, 1)), min_size=1, max_size=8),
    st.integers(0, 40),
    st.integers(0, 28),
)
def test_never_more_than_was_offered_nor_than_there_is_room(
    offers: list[tuple[int, float]], read: int, most: int
) -> None:
    taken = worthwhile(offers, len(offers) + read, most)
    assert len(taken) == len(offers)
    assert sum(taken) <= most
    assert all(0 <= count <= length for count, (length, _) in zip(taken, offers, strict=True))
