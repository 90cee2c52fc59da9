"""A benchmark's report counts failures, names medians and says who is how many times better."""

from pathlib import Path

import pytest

from agent.benchmark import items, report, sides
from agent.errors import SetupError
from tests.agent.conversation.test_reading import PETS, a_hit


def sample(first: float, total: float, error: str | None = None) -> dict[str, object]:
    return {"first_s": first, "total_s": total, "chunks": 64, "error": error}


def side(name: str, first: float, seconds: float) -> report.Report:
    level = {"customers": 4, "seconds": seconds, "samples": [sample(first, 2 * first)] * 6}
    return {"side": name, "peak_mb": 100.0, "summary": [report.summary(level, 64)], "judged": 0.25}


def test_a_failure_is_counted_and_not_averaged() -> None:
    level = {
        "customers": 2,
        "seconds": 60.0,
        "samples": [sample(1, 3), sample(2, 4), sample(9, 9), sample(0, 1, "Timeout: no answer")],
    }
    found = report.summary(level, 64)
    assert (found["answers"], found["failed"]) == (3, 1)
    assert (found["first_p50_s"], found["slowest_to_median"]) == (2, 4.5)
    assert found["answers_a_minute"] == 3
    assert found["tokens_a_second"] == 3 * 64 / 60


def test_a_side_that_only_fails_has_no_times() -> None:
    level = {"customers": 1, "seconds": 9.0, "samples": [sample(0, 1, "refused")]}
    found = report.summary(level, 64)
    assert found["first_p50_s"] is None
    assert found["failed"] == 1


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.95, 10), (0.0, 1), (1.0, 10)])
def test_percentiles_are_values_that_were_measured(share: float, value: int) -> None:
    assert report.percentile(range(1, 11), share) == value


def test_ratios_say_how_many_times_better_frontdesk_is() -> None:
    both = [side("frontdesk", 0.5, 10), side("llama-server", 5.0, 40)]
    (ratio,) = report.ratios(both)
    assert ratio["first_words_sooner"] == 10
    assert ratio["answers_a_minute"] == 4
    table = report.table({"sides": both, "ratios": [ratio]})
    assert "| frontdesk | 4 | 0.50 |" in table
    assert "10.0 times sooner" in table
    assert "before 25%" in table


def test_the_picture_is_drawn_where_matplotlib_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    both = [side("frontdesk", 0.5, 10), side("llama-server", 5.0, 40)]
    report.plot({"sides": both}, tmp_path / "bench.svg")
    assert (tmp_path / "bench.svg").read_text().count("<path") > 4


def test_items_travel_to_another_process_whole() -> None:
    one = items.Item("What does a pet cost?", (a_hit(PETS, 0.9),))
    both = items.Items((one,), (one,))
    assert items.loads(items.dumps(both)) == both


def test_measured_and_warming_questions_are_different() -> None:
    assert not {*items.MEASURED} & {*items.WARMING}


def test_an_unknown_peer_is_named_with_the_known_ones() -> None:
    with pytest.raises(SetupError, match="llama-server"):
        list(sides.names("vllm"))
    assert list(sides.names("langchain, frontdesk")) == ["langchain"]


def test_the_engine_is_said_beside_a_bare_loop() -> None:
    both = [side("frontdesk", 0.5, 60.0)]
    alone = {"bare_loop": 17.2, "engine_without_guesses": 17.0, "engine": 21.6}
    table = report.table({"sides": both, "ratios": [], "overhead": alone})
    assert "bare loop of decodes 17.2, the engine without guesses 17.0, the engine 21.6" in table
