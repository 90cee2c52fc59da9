"""The product as its operator runs it: `frontdesk run` in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from agent.lock import holder

COMMAND = [sys.executable, "-m", "agent.cli"]
START_S = 180.0


@dataclass
class Product:
    """`environment` are FRONTDESK_* settings beside the data directory."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    process: "subprocess.Popen[str] | None" = None
    url: str = ""

    @property
    def log(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def settings(self) -> dict[str, str]:
        return {
            **os.environ,
            "FRONTDESK_DATA_DIR": str(self.data_dir),
            "FRONTDESK_PORT": "0",
            "FRONTDESK_TUNE": "0",
            "FRONTDESK_WARM": "0",  # two cores are for what the test asks
            **self.environment,
        }

    def start(self) -> "Product":
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *COMMAND, "run"],
                env=self.settings(),
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the product ended:\n{self.log.read_text()}")
            found = holder(self.data_dir)
            if found is not None and found.url and self._ready(found.url):
                self.url = found.url
                return self
            time.sleep(0.1)
        raise AssertionError(f"the product did not get ready:\n{self.log.read_text()}")

    def _ready(self, url: str) -> bool:
        try:
            return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> int:
        """The exit code. A prefix command ends with the product, which alone hears the signal."""
        assert self.process is not None
        for pid in self.pids():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"agent.cli" in command and not command[0].endswith(self._watcher()):
                os.kill(pid, signal.SIGTERM)
        return self.process.wait(timeout=60)

    def _watcher(self) -> bytes:
        return self.prefix[0].encode() if self.prefix else b"no watcher"

    def kill(self) -> None:
        """SIGKILL for everything at once, as a power cut would."""
        assert self.process is not None
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def pids(self) -> list[int]:
        """The parent, its children and theirs."""
        assert self.process is not None
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            tasks = Path(f"/proc/{pid}/task")
            for task in tasks.iterdir() if tasks.exists() else ():
                children = (task / "children").read_text().split()
                queue += [int(child) for child in children]
        return found

    def server_pid(self) -> int:
        """The serving child."""
        for pid in self.pids():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"agent.server" in command:
                return pid
        raise AssertionError("no serving child is running")

    def command(
        self, *arguments: str, timeout: float = 300, said: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """`said` is what it reads from standard input."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.settings(),
            input=said,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@dataclass
class Customer:
    """A customer at the HTTP door."""

    url: str
    id: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            started = httpx.post(f"{self.url}/api/v1/conversations", json={}, timeout=30)
            assert started.status_code == 201, started.text
            self.id, self.token = started.json()["id"], started.json()["token"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def path(self) -> str:
        return f"{self.url}/api/v1/conversations/{self.id}"

    def say(self, content: str, **fields: Any) -> dict[str, Any]:
        sent = httpx.post(
            f"{self.path}/messages",
            json={"content": content, **fields},
            headers=self.headers,
            timeout=30,
        )
        assert sent.status_code == 202, sent.text
        return sent.json()

    def snapshot(self) -> dict[str, Any]:
        got = httpx.get(self.path, headers=self.headers, timeout=30)
        assert got.status_code == 200, got.text
        return got.json()

    def wait_for_reply(self, number: int = 1, timeout: float = 120) -> dict[str, Any]:
        """The `number`-th finished reply of the AI."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            replies = [
                m
                for m in self.snapshot()["messages"]
                if m["role"] == "ai_agent" and not m.get("pending")
            ]
            if len(replies) >= number:
                return replies[number - 1]
            time.sleep(0.2)
        raise AssertionError(f"no reply in {timeout} s: {self.snapshot()}")

    def wait_for_text(self, timeout: float = 120) -> str:
        """What a reply that is being written says so far, once it says something."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for message in self.snapshot()["messages"]:
                if message.get("pending") and message["content"]:
                    return message["content"]
            time.sleep(0.05)
        raise AssertionError("no reply began")

    def ask(self, content: str) -> dict[str, Any]:
        answered = sum(m["role"] == "ai_agent" for m in self.snapshot()["messages"])
        self.say(content)
        return self.wait_for_reply(answered + 1)

    def request_person(self) -> None:
        asked = httpx.post(f"{self.path}/handoff", json={}, headers=self.headers, timeout=30)
        assert asked.status_code == 202, asked.text
