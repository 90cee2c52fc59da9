"""`python -m knowledge_base.formats.child KIND`: one file on stdin, its Markdown as JSON on stdout.

Owns the walls around a parser: memory, processor time, nothing written, no network, no program
started, no file read but Python's own. Refuses to know the file's name. Invariant: the walls stand
before the file is looked at, and every way out but a kill is one JSON object.
"""

import ctypes
import importlib
import json
import os
import resource
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

from knowledge_base.formats.reading import MAX_CHARACTERS, Read, Refused

MEMORY_BYTES = 1 << 30  # of address space: the parsers' own code needs 0.2 GB of it
CPU_S = 60
_READERS = {
    "pdf": ("pdf", "read"),
    "docx": ("word", "read"),
    "xlsx": ("sheets", "read"),
    "markdown": ("marked", "read_markdown"),
    "html": ("marked", "read_html"),
}
_LIBRARIES = tuple(
    {
        str(Path(place).resolve())
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        for place in (sysconfig.get_path(name),)
    }
    | {str(Path(__file__).resolve().parents[2])}
)
_LISTS_FOLDERS = {"os.listdir", "os.scandir"}  # the import of a module, if a parser does it late
_FORBIDDEN = (
    "fcntl.", "ftplib.", "http.", "os.", "pty.", "resource.", "shutil.", "signal.", "socket.",
    "sqlite3.", "subprocess.", "syslog.", "tempfile.", "urllib.", "webbrowser.",
)  # fmt: skip
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # of Linux's unshare(2)


def main(kind: str) -> None:
    answer = os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr  # a parser that prints must not end up in the answer
    module, function = _READERS[kind]
    reader = getattr(importlib.import_module(f"knowledge_base.formats.{module}"), function)
    content = sys.stdin.buffer.read()
    wall()
    try:
        read: Read = reader(content)
        if len(read.text) > MAX_CHARACTERS:
            raise Refused("has more text than one document may have; split it.")
        said = {"title": read.title, "text": read.text, "warnings": read.warnings}
    except Refused as refused:
        said = {"refused": str(refused)}
    except MemoryError:
        said = {"refused": "needs too much memory to be read; split it, or save it again."}
    except RecursionError:
        said = {"refused": "nests its elements too deeply; simplify it."}
    except Exception:  # noqa: BLE001  # parsers raise anything at a damaged file
        said = {"refused": "is damaged; open it in its program and save it again."}
    answer.write(json.dumps(said).encode())
    answer.close()
    os._exit(0)  # what a parser holds is freed with the process, not by its destructors


def wall() -> None:
    """What this process may do from here on; there is no way back."""
    with suppress(AttributeError, OSError):  # not Linux, or not allowed here: the hook is left
        ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        with suppress(ValueError, OSError):  # a lower limit is set already, or there is none
            resource.setrlimit(limit, (value, value))
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        allowed = (
            isinstance(path, str)
            and isinstance(flags, int)
            and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            and os.path.realpath(path).startswith(_LIBRARIES)
        )
    else:
        allowed = event in _LISTS_FOLDERS or not event.startswith(_FORBIDDEN)
    if not allowed:
        raise PermissionError(f"{event} is not for a parser")


if __name__ == "__main__":
    main(sys.argv[1])
