"""The system packages that tests use: real servers, a browser, a network of their own.

Installs them where it may (apt, as root or with sudo that asks nothing), else writes down which
test groups `make test` leaves out and says how to have them. Invariant: on CI nothing is left out.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = Path(__file__).resolve().parent.parent / ".venv" / "test-groups"


@dataclass(frozen=True)
class Part:
    """Something that tests of `group` (a pytest marker) look for as a command or a file."""

    group: str
    package: str
    commands: tuple[str, ...] = ()
    files: str = ""

    def there(self) -> bool:
        found = self.files and any(Path("/").glob(self.files))
        return bool(found) or any(shutil.which(command) for command in self.commands)


PARTS = (
    Part("servers", "redis-server", ("redis-server",)),
    Part("servers", "postgresql", ("postgres",), "usr/lib/postgresql/*/bin/postgres"),
    Part("servers", "strace", ("strace",)),
    Part("servers", "iproute2", ("ip",)),
    Part("browser", "chromium", ("chromium", "chromium-browser", "google-chrome")),
    Part("browser", "fonts-dejavu-core", files="usr/share/fonts/truetype/*/*.ttf"),
)


def main() -> int:
    missing = [part for part in PARTS if not part.there()]
    if missing and may_install():
        install([part.package for part in missing])
        missing = [part for part in PARTS if not part.there()]
    groups = sorted({part.group for part in missing})
    if missing:
        names = " ".join(part.package for part in missing)
        print(f"LEFT OUT of the tests: {', '.join(groups)}. To have them:")
        print(f"    apt-get update && apt-get install --no-install-recommends {names}", flush=True)
        if os.environ.get("CI"):
            print("On CI nothing may be left out.", file=sys.stderr)
            return 1
    LEFT_OUT.write_text(" and ".join(f"not {group}" for group in groups))
    return 0


def may_install() -> bool:
    if shutil.which("apt-get") is None:
        return False
    if os.geteuid() == 0:
        return True
    asks_nothing = ["sudo", "-n", "true"]
    return shutil.which("sudo") is not None and run(asks_nothing, stdout=subprocess.DEVNULL)


def install(packages: list[str]) -> None:
    """A failure is not the end: what is still missing afterwards is said by the caller."""
    print(f"System packages for the tests: {' '.join(packages)}", flush=True)
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    command = [*apt, "install", "--no-install-recommends", *packages]
    lists = any(Path("/var/lib/apt/lists").glob("*_Packages*"))
    if lists and run(command):
        return
    if run([*apt, "update"]):  # no lists, or older than what the mirror still has
        run(command)


def run(command: list[str], stdout: int | None = None) -> bool:
    return (
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=stdout).returncode
        == 0
    )


if __name__ == "__main__":
    sys.exit(main())
