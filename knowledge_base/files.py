"""Finds the documents under the paths somebody names, with the key each one keeps.

Owns which files count and what they are called. Refuses to read what is in them.
Invariant: the same file under the same folder always has the same source and key.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.parsing import FORMATS, max_bytes


@dataclass(frozen=True, slots=True)
class FoundFile:
    path: Path
    source: str
    key: str
    named: bool  # by the caller, not only found in a folder

    def read(self) -> bytes:
        """Raises UnreadableDocument or DocumentTooLarge."""
        try:
            size = self.path.stat().st_size
            limit = max_bytes(self.path.name)
            if size > limit:
                raise DocumentTooLarge(self.path.name, size, limit)
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadableDocument(
                f"{self.path} cannot be read ({error.strerror}); check that it exists and that "
                "this user may read it."
            ) from error


def found_files(paths: Iterable[Path | str], source: str | None) -> list[FoundFile]:
    """A folder's documents in order of name, hidden ones and other kinds of file left out."""
    found: list[FoundFile] = []
    for given in paths:
        path = Path(given).absolute()
        if path.is_dir():
            place = source or _readable(path)
            found += [
                FoundFile(file, place, _readable(file.relative_to(path)), named=False)
                for file in _documents(path)
            ]
        else:
            place = source or _readable(path.parent)
            found.append(FoundFile(path, place, _readable(path.name), named=True))
    return found


def _documents(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place, name)
            if not name.startswith(".") and file.suffix.lower() in FORMATS and file.is_file():
                yield file


def _readable(path: Path | str) -> str:
    """File names are bytes; what is not UTF-8 in them must not stop a database."""
    return os.fsencode(path).decode("utf-8", "replace").replace(os.sep, "/")
