"""What a report says of confidences, counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.calibration import Judged, calibration, interval


def test_the_error_is_the_distance_between_confidence_and_share_weighted_by_size() -> None:
    answers = [Judged(0.95, True)] * 3 + [Judged(0.95, False)] + [Judged(0.15, False)] * 4
    found = calibration(answers)
    assert found["n"] == 8
    assert [one["n"] for one in found["bins"]] == [4, 4]
    assert found["bins"][1]["right"] == 0.75
    assert found["expected_error"] == pytest.approx((4 * 0.15 + 4 * 0.2) / 8)


def test_full_confidence_falls_into_the_last_bin_and_nothing_has_no_error() -> None:
    assert calibration([Judged(1.0, True)])["bins"][0]["from"] == 0.9
    assert calibration([])["expected_error"] is None


def test_an_interval_is_wilsons() -> None:
    assert interval([1.0] * 8 + [0.0] * 2) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert interval([0.0] * 50) == pytest.approx((0.0, 0.0714), abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_mean_lies_in_its_interval(values: list[float]) -> None:
    low, high = interval(values)
    assert 0 <= low <= sum(values) / len(values) + 1e-3
    assert sum(values) / len(values) - 1e-3 <= high <= 1
