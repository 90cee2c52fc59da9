"""Whose change a Git checkout shows.

Owns the talk with `git`, of which only plumbing is used: it runs nothing that a repository's own
settings name. Refuses to change anything. Invariant: where there is no checkout, no `git` or no
answer in time, the change is unsigned.
"""

import re
import shutil
import subprocess
from pathlib import Path

from knowledge_base.model import UNSIGNED, Change

_PATIENCE_S = 5.0


def change_of(folder: Path) -> Change:
    """The checked-out commit's author, and its short id as the note."""
    git = shutil.which("git")
    if git is None or not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return UNSIGNED
    try:
        short = _said(git, folder, "rev-parse", "--short", "HEAD").strip()
        author = re.search(r"(?m)^author (.*?) <", _said(git, folder, "cat-file", "commit", "HEAD"))
    except (OSError, subprocess.SubprocessError):
        return UNSIGNED
    return Change(author[1] if author else None, f"commit {short}")


def _said(git: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  # fixed words; the folder is one argument
        [git, "-C", str(folder), *arguments],
        capture_output=True, timeout=_PATIENCE_S, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout.decode("utf-8", "replace")
