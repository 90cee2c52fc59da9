"""`frontdesk bench` as somebody runs it who wants to know what this machine can do."""

import json
from pathlib import Path

import pytest

from tests.product.running import Product

pytestmark = pytest.mark.model


def test_a_small_run_writes_a_report_with_every_answer(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    product = Product(tmp_path / "data")
    done = product.command(
        *("bench", "--against", "", "--customers", "1:1,2:2", "--no-growth", "--out", str(out)),
        timeout=900,
    )
    assert done.returncode in (0, 1), done.stderr
    if done.returncode == 1:
        assert "matplotlib" in done.stderr, done.stderr
    report = json.loads(out.read_text())
    (frontdesk,) = report["sides"]
    assert [level["failed"] for level in frontdesk["summary"]] == [0, 0]
    assert [level["answers"] for level in frontdesk["summary"]] == [1, 2]
    assert len(report["model"]["sha256"]) == 64
    assert "| frontdesk | 2 |" in done.stdout
    assert not (tmp_path / "data").exists(), "live stores are not touched"


def test_wrong_words_are_answered_with_the_right_ones(tmp_path: Path) -> None:
    product = Product(tmp_path / "data")
    peer = product.command("bench", "--against", "vllm")
    assert peer.returncode == 1
    assert "llama-server" in peer.stderr
    level = product.command("bench", "--customers", "many")
    assert level.returncode == 2
    assert "Traceback" not in peer.stderr + level.stderr
