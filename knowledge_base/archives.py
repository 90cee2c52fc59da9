"""The documents in a ZIP file, each under its path inside.

Owns which entries are documents and which names are refused. Refuses to write anything to disk: an
entry's path is only a key. Invariant: an archive is unpacked and counted as a whole before its
first document is read.
"""

import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.formats.reading import Refused
from knowledge_base.formats.unpacking import Unpacking
from knowledge_base.parsing import FORMATS

MAX_ARCHIVE_BYTES = 50_000_000
_NESTED = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".jar"}


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    read: Callable[[], bytes]  # raises UnreadableDocument


def is_archive(name: str) -> bool:
    return name.lower().endswith(".zip")


def entries(name: str, content: bytes) -> list[Entry]:
    """In order of name; hidden files and other kinds of file are left out, as in a folder. Raises
    UnreadableDocument or DocumentTooLarge."""
    if len(content) > MAX_ARCHIVE_BYTES:
        raise DocumentTooLarge(name, len(content), MAX_ARCHIVE_BYTES)
    try:
        first, second = Unpacking(content), Unpacking(content)
        wanted = {}
        for entry in first.entries:
            if not entry.is_dir() and (reason := _about(entry)) is not None:
                twice = entry.filename in wanted
                wanted[entry.filename] = "is in the archive twice" if twice else reason
        readable = {entry.filename: entry for entry in first.entries}
        for key, reason in wanted.items():
            if not reason:
                first.read(readable[key])
    except Refused as refused:
        raise UnreadableDocument(f"{name} {refused}") from None
    return [
        Entry(key, partial(_read, name, second, readable[key], reason))
        for key, reason in sorted(wanted.items())
    ]


def _about(entry: zipfile.ZipInfo) -> str | None:
    """Why the entry is refused; empty if it is a document, None if it is left out silently."""
    name = entry.filename
    path = PurePosixPath(name)
    parts = name.split("/")
    if any(part.startswith(".") and part != ".." for part in parts) or parts[0] == "__MACOSX":
        return None
    if path.suffix.lower() in _NESTED:
        return "is an archive in an archive; unpack it first"
    if path.suffix.lower() not in FORMATS:
        return None
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link to another place; put the file itself there"
    if ".." in parts or "" in parts or ":" in parts[0] or "\\" in name:
        return "has a path that leads out of the archive; pack the folder again"
    return ""


def _read(name: str, unpacking: Unpacking, entry: zipfile.ZipInfo, reason: str) -> bytes:
    where = f"{entry.filename} in {name}"
    if reason:
        raise UnreadableDocument(f"{where} {reason}.")
    try:
        return unpacking.read(entry)
    except Refused as refused:
        raise UnreadableDocument(f"{where} {refused}") from None
