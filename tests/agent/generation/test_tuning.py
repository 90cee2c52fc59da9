"""What is fastest on this machine is measured once and remembered."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.generation import tuned
from agent.generation.llama import Tuning
from agent.generation.llama import tuning as measuring
from agent.generation.llama.tuning import Speed
from agent.generation.optimize import optimize
from agent.weights.store import resolve

SLOW = Speed(read=100.0, steps=(0.03, 0.04, 0.06, 0.1, 0.13, 0.24))


def times(speed: Speed, factor: float) -> Speed:
    return Speed(speed.read * factor, tuple(step / factor for step in speed.steps))


def test_a_setting_is_changed_only_where_that_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gains = {"micro": 1.03, "attention": 1.2}

    def measured(_model: object, tuning: Tuning) -> Speed:
        factor = gains["micro"] if tuning.micro_batch == 128 else 1.0
        factor *= gains["attention"] if not tuning.flash_attention else 1.0
        return times(SLOW, factor)

    monkeypatch.setattr(measuring, "measure", measured)
    tried: list[str] = []
    best, speed = measuring.tune(None, tried.append)  # type: ignore[arg-type]
    assert best == replace(Tuning(), flash_attention=False)
    assert speed == times(SLOW, 1.2)
    assert not any("q8_0" in line for line in tried), "eight bits need flash attention"


def test_what_was_measured_is_remembered_for_these_weights_alone(
    tmp_path: Path, chat_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuned, "tune", lambda _model, _tell: (Tuning(threads=3), SLOW))
    found = tuned.measured(tmp_path, chat_weights, "a" * 64, print)
    assert tuned.recall(tmp_path, "a" * 64) == found
    assert tuned.recall(tmp_path, "b" * 64) is None
    monkeypatch.setattr(tuned, "build", lambda: "another build")
    assert tuned.recall(tmp_path, "a" * 64) is None


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        '{"KEY": 3}',
        '{"KEY": {"tuning": {"threads": 2}}}',
        '{"KEY": {"tuning": {}, "speed": {"read": 1, "steps": [0.1]}, "at": ""}}',
    ],
)
def test_a_damaged_record_counts_as_none(
    tmp_path: Path, chat_weights: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(tuned, "tune", lambda _model, _tell: (Tuning(), SLOW))
    tuned.measured(tmp_path, chat_weights, "a" * 64, print)
    file = tmp_path / tuned.FILE
    (key,) = json.loads(file.read_text())
    file.write_text(damage.replace("KEY", key))
    assert tuned.recall(tmp_path, "a" * 64) is None


@pytest.mark.model
def test_the_faster_format_is_made_and_compared(tmp_path: Path, weights_dir: Path) -> None:
    source = resolve(None, weights_dir).path
    target = tmp_path / "faster.gguf"
    text = "Guests may cancel until two days before arrival and get back what they paid. "
    before, after = optimize(source, target, [text * 3], Tuning(), print)
    assert target.read_bytes()[:4] == b"GGUF"
    assert list(tmp_path.iterdir()) == [target]
    assert after.bytes < before.bytes
    assert 0.7 < after.agreement(before) <= 1.0
    assert before.agreement(before) == 1.0
    assert after.perplexity == pytest.approx(before.perplexity, rel=0.3)
    assert min(after.speed.read, *after.speed.steps) > 0
