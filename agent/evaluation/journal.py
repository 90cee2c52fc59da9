"""What of an evaluation is done, so that an interrupted one goes on where it stopped.

One JSON object a line beside the report; the first names what is measured: the items, the
knowledge, the model and the prompts. Invariant: records of another measurement are never taken up.
"""

import hashlib
import json
from pathlib import Path
from typing import Self

from agent.evaluation.scoring import Record


def fingerprint(*parts: str | Path) -> str:
    """Of texts, of a file's content, of a folder's names, sizes and times."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
        elif part.is_file():
            digest.update(part.read_bytes())
        else:
            for path in sorted(part.rglob("*")):
                status = path.stat()
                digest.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
        digest.update(b"\0")
    return digest.hexdigest()


class Journal:
    def __init__(self, path: Path, measured: str) -> None:
        """Take up the records at `path` if they are of `measured`, else begin anew."""
        self._path = path
        head = json.dumps({"measured": measured})
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.records: list[Record] = []
        if lines[:1] == [head]:
            for line in lines[1:]:
                try:
                    self.records.append(json.loads(line))
                except ValueError:  # the line that was being written
                    break
        kept = [head, *(json.dumps(record) for record in self.records)]
        path.write_text("\n".join(kept) + "\n", encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")

    def add(self, record: Record) -> None:
        self.records.append(record)
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def done(self) -> None:
        """The report is written: the journal is no longer needed."""
        self._file.close()
        self._path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
