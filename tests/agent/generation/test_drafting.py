"""Guesses come from where the answer's last tokens stood before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.generation.drafting import (
    ROWS,
    TYPICAL,
    Guess,
    Trust,
    guess,
    step_seconds,
    worthwhile,
)


def test_what_followed_before_is_guessed_to_follow_again() -> None:
    assert guess([1, 2, 3, 4, 5, 9, 2, 3], 2) == Guess((4, 5), match=2)


def test_the_longest_match_wins_and_of_equals_the_latest() -> None:
    assert guess([7, 1, 2, 50, 9, 1, 2, 60, 7, 1, 2], 1) == Guess((50,), match=3)
    assert guess([1, 2, 50, 1, 2, 60, 8, 1, 2], 1) == Guess((60,), match=2)


def test_one_token_in_common_is_no_reason_to_guess() -> None:
    assert guess([1, 2, 3, 9, 2], 4) == Guess()


def test_nothing_is_guessed_without_room() -> None:
    assert guess([1, 2, 3, 1, 2], 0) == Guess()
    assert guess([1, 2, 3, 1, 2], -1) == Guess()
    assert guess([], 3) == Guess()


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(-2, 20))
def test_a_guess_is_always_a_stretch_of_what_was_said(tokens: list[int], limit: int) -> None:
    guessed = list(guess(tokens, limit).tokens)
    assert len(guessed) <= max(limit, 0)
    stretches = [tokens[at : at + len(guessed)] for at in range(len(tokens))]
    assert not guessed or guessed in stretches


# -- how far ahead it pays


def test_a_step_costs_what_was_measured_and_in_between() -> None:
    assert [step_seconds(rows) for rows in ROWS] == list(TYPICAL)
    assert TYPICAL[2] < step_seconds(6) < TYPICAL[3]
    assert step_seconds(64) == pytest.approx(TYPICAL[5] + 2 * (TYPICAL[5] - TYPICAL[4]))


def test_sure_guesses_are_taken_whole_and_vain_ones_not_at_all() -> None:
    assert worthwhile([[0.97] * 15], rows=1, most=28) == [15]
    assert worthwhile([[0.05] * 15], rows=1, most=28) == [0]


def test_where_rows_cost_nothing_more_they_are_used() -> None:
    free = (0.030, 0.040, 0.040, 0.066, 0.100, 0.190)
    assert worthwhile([[0.5] * 3], rows=1, most=28, costs=free) == [3]
    assert worthwhile([[0.5] * 3], rows=1, most=28) == [1]


def test_the_better_guess_goes_first() -> None:
    assert worthwhile([[0.6] * 8, [0.97] * 8], rows=2, most=6) == [0, 6]


@given(
    st.lists(st.lists(st.floats(0, 1), max_size=15), min_size=1, max_size=8),
    st.integers(0, 40),
    st.integers(0, 28),
)
def test_never_more_than_was_offered_nor_than_there_is_room(
    offers: list[list[float]], read: int, most: int
) -> None:
    taken = worthwhile(offers, len(offers) + read, most)
    assert len(taken) == len(offers)
    assert sum(taken) <= most
    assert all(0 <= count <= len(offer) for count, offer in zip(taken, offers, strict=True))


# -- how likely a guess comes true


def test_the_longer_the_match_the_likelier_and_each_token_makes_it_longer() -> None:
    chances = Trust().chances(Guess((1, 2, 3), match=2))
    assert chances == sorted(chances)
    assert chances[0] < Trust().chances(Guess((1,), match=6))[0]


def test_what_comes_true_is_trusted_more_and_what_does_not_less() -> None:
    guessed = Guess((1, 2, 3), match=3)
    trust = Trust()
    before = trust.chances(guessed)
    trust.saw(guessed, accepted=1)
    after = trust.chances(guessed)
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert after[2] == before[2]


def test_what_is_not_tried_any_more_is_trusted_again_in_time() -> None:
    guessed = Guess((1, 2, 3), match=3)
    trust = Trust()
    for _ in range(200):
        trust.saw(guessed, accepted=0)
    low = trust.chances(guessed)[0]
    for _ in range(500):
        trust.passed(guessed)
    assert trust.chances(guessed)[0] == pytest.approx(Trust().chances(guessed)[0], abs=0.01)
    assert low < 0.01
