"""Customer data never leaves the machine: shown from outside, by the operating system."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.product.running import Customer, Product

pytestmark = [pytest.mark.model, pytest.mark.servers]

CONVERSATION = Path(__file__).with_name("conversation_apart.py")
LOCAL = re.compile(r"sa_family=AF_(?:UNIX|LOCAL|UNSPEC|NETLINK)|127\.0\.0\.1|\"::1\"")


def test_in_a_network_of_its_own_with_only_loopback_customers_get_answers(tmp_path: Path) -> None:
    command = f"ip link set lo up && exec {sys.executable} {CONVERSATION} {tmp_path / 'data'}"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert [answer["outcome"] for answer in answers] == ["answered", "answered", "handed_off"]
    assert "35" in answers[0]["content"]
    assert answers[0]["citations"]


def test_a_whole_conversation_opens_no_connection_to_another_machine(tmp_path: Path) -> None:
    assert shutil.which("strace"), "install strace: `make test` does, where it may"
    trace = tmp_path / "connections"
    watched = ("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace))
    product = Product(tmp_path / "data", prefix=watched).start()
    try:
        customer = Customer(product.url)
        customer.ask("How much is the fee for bringing my first pet?")
        customer.ask("I want to talk to a person")
    finally:
        product.stop()
    attempts = [line for line in trace.read_text().splitlines() if "sa_family" in line]
    assert attempts, "the trace saw nothing: it proves nothing"
    assert [line for line in attempts if not LOCAL.search(line)] == []
