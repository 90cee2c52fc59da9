"""Has a file read by a process of its own, which lives for this one file.

Owns that process: what it is given (the bytes on its stdin, nothing else), how long it may take and
what its end means. Refuses to look into the file. Invariant: a call ends within `WALL_S` plus the
start of a process, with Markdown or with UnreadableDocument.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore, Timer
from typing import IO, cast

from knowledge_base.errors import UnreadableDocument
from knowledge_base.formats.reading import MAX_CHARACTERS, Read

WALL_S = 90.0
_AT_ONCE = BoundedSemaphore(2)  # each may take `child.MEMORY_BYTES`
_MAX_ANSWER = 8 * MAX_CHARACTERS  # bytes of JSON
_IMPORTS = str(Path(__file__).parents[2])  # where this package was imported from
_KILLED_FOR_TIME = {-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM}


def read_apart(name: str, kind: str, content: bytes) -> Read:
    """Raises UnreadableDocument, with `name` in the sentence."""
    with _AT_ONCE:
        answer, code = _asked(kind, content)
    try:
        said = json.loads(answer)
        if "refused" in said:
            raise UnreadableDocument(f"{name} {said['refused']}")
        return Read(said["title"], said["text"], tuple(said["warnings"]))
    except (ValueError, KeyError, TypeError):
        pass
    if code in _KILLED_FOR_TIME:
        reason = "takes too long to read; split it, or save it again from its program"
    else:
        reason = "cannot be read; it is damaged or too large, so save it again from its program"
    raise UnreadableDocument(f"{name} {reason}.")


def _asked(kind: str, content: bytes) -> tuple[bytes, int]:
    with subprocess.Popen(  # noqa: S603  # our own module; the file goes to its stdin
        [sys.executable, "-B", "-P", "-s", "-m", "knowledge_base.formats.child", kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PYTHONPATH": _IMPORTS, "LC_ALL": "C.UTF-8", "PATH": os.defpath},
    ) as process:
        to, back = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        timer = Timer(WALL_S, process.kill)
        timer.start()
        try:
            try:
                to.write(content)
                to.close()
            except BrokenPipeError:
                pass  # it ended early; its code says why
            answer = back.read(_MAX_ANSWER + 1)
            if len(answer) > _MAX_ANSWER:
                process.kill()
                return b"", 1
            return answer, process.wait()
        finally:
            timer.cancel()
            process.kill()
