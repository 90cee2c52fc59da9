"""Finds the documents under the paths somebody names, with the key each one keeps.

Owns which files count and what they are called; a ZIP file is a folder. Refuses to read what is in
a document. Invariant: the same file under the same folder always has the same source and key.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from knowledge_base import archives
from knowledge_base.errors import DocumentTooLarge, InvalidDocument, UnreadableDocument
from knowledge_base.parsing import FORMATS, max_bytes


@dataclass(frozen=True, slots=True)
class FoundFile:
    name: str  # without its folders
    source: str
    key: str
    named: bool  # by the caller, not only found in a folder
    read: Callable[[], bytes]  # raises UnreadableDocument or DocumentTooLarge


def found_files(paths: Iterable[Path | str], source: str | None) -> list[FoundFile]:
    """A folder's documents in order of name, hidden ones and other kinds of file left out. Raises
    UnreadableDocument or DocumentTooLarge for a ZIP file that is named and broken."""
    found: list[FoundFile] = []
    for given in paths:
        path = Path(given).absolute()
        if path.is_dir():
            place = source or _readable(path)
            for file in _documents(path):
                found += _in_folder(file, place, _readable(file.relative_to(path)))
        elif archives.is_archive(path.name):
            place = source or _readable(path)
            found += in_archive(path.name, _read(path, archives.MAX_ARCHIVE_BYTES), place)
        else:
            place = source or _readable(path.parent)
            found.append(_file(path, place, _readable(path.name), named=True))
    return found


def in_archive(name: str, content: bytes, source: str, folder: str = "") -> list[FoundFile]:
    """Raises UnreadableDocument or DocumentTooLarge."""
    return [
        FoundFile(PurePosixPath(one.key).name, source, f"{folder}{one.key}", False, one.read)
        for one in archives.entries(name, content)
    ]


def _in_folder(file: Path, source: str, key: str) -> list[FoundFile]:
    if not archives.is_archive(file.name):
        return [_file(file, source, key, named=False)]
    try:
        content = _read(file, archives.MAX_ARCHIVE_BYTES)
        return in_archive(file.name, content, source, f"{key}/")
    except InvalidDocument as error:
        return [FoundFile(file.name, source, key, False, partial(_refuse, error))]


def _file(path: Path, source: str, key: str, *, named: bool) -> FoundFile:
    return FoundFile(path.name, source, key, named, partial(_read, path, max_bytes(path.name)))


def _read(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise DocumentTooLarge(path.name, size, limit)
        return path.read_bytes()
    except OSError as error:
        raise UnreadableDocument(
            f"{path} cannot be read ({error.strerror}); check that it exists and that "
            "this user may read it."
        ) from error


def _refuse(error: InvalidDocument) -> bytes:
    raise error


def _documents(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place, name)
            known = file.suffix.lower() in FORMATS or archives.is_archive(name)
            if known and not name.startswith(".") and file.is_file() and _inside(file, folder):
                yield file


def _inside(file: Path, folder: Path) -> bool:
    """A link in a checkout must not bring in what lies elsewhere on this machine."""
    return not file.is_symlink() or file.resolve().is_relative_to(folder.resolve())


def _readable(path: Path | str) -> str:
    """File names are bytes; what is not UTF-8 in them must not stop a database."""
    return os.fsencode(path).decode("utf-8", "replace").replace(os.sep, "/")
