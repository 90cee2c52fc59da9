"""What files become: each one's text or error, and a source's way to what its folder is.

Owns which documents of a source are kept, shown and taken away. Refuses to store. Invariant: what
somebody retired by hand is not shown again until its file changes; what was retired with its file
comes back with it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from knowledge_base import parsing
from knowledge_base.errors import InvalidDocument, SourceEmpty
from knowledge_base.files import FoundFile
from knowledge_base.model import Added, DocumentSummary, Progress
from knowledge_base.parsing import Parsed
from knowledge_base.shelf import Report

Understood = Sequence[tuple[FoundFile, Parsed | str | None]]


def parsed_files(
    files: Sequence[FoundFile],
    progress: Report | None,
    known: Mapping[tuple[str, str], str] | None = None,
) -> Iterator[tuple[FoundFile, Parsed | str | None]]:
    """What each file says, or why it cannot be read; raised for a file that was named itself. None
    for a file whose digest is the one `known` by its source and key: it is not parsed."""
    for done, file in enumerate(files):
        if progress:
            progress(Progress("reading", done, len(files)))
        try:
            content = file.read()
            if known and parsing.digest(file.name, content) == known.get((file.source, file.key)):
                yield file, None
            else:
                yield file, parsing.parse_file(file.name, content)
        except InvalidDocument as error:
            if file.named:
                raise
            yield file, str(error)
    if progress:
        progress(Progress("reading", len(files), len(files)))


@dataclass(frozen=True, slots=True)
class Source:
    """A source's documents as they are, and those of them that are retired with their files."""

    name: str
    documents: Mapping[str, DocumentSummary]  # by key
    vanished: Collection[str]  # ids

    def without(self, understood: Understood) -> list[DocumentSummary]:
        """The documents whose files are gone. Raises SourceEmpty if none is left."""
        keys = {file.key for file, _ in understood}
        live = [one for one in self.documents.values() if one.status != "retired"]
        if live and not keys:
            raise SourceEmpty(self.name)
        return [one for one in live if one.key not in keys]

    def kept(self, key: str) -> Added:
        one = self.documents[key]
        return Added(self.name, key, one.id, one.latest, one.title, one.passages, unchanged=True)

    def to_show(self, added: Sequence[Added]) -> dict[str, int | None]:
        shown: dict[str, int | None] = {}
        for one in added:
            old = self.documents.get(one.key)
            by_hand = old is not None and old.status == "retired" and old.id not in self.vanished
            if one.document_id and not (one.unchanged and by_hand):
                shown[one.document_id] = one.revision
        return shown

    def retired(self, gone: Sequence[DocumentSummary]) -> list[Added]:
        return [replace(self.kept(one.key), unchanged=False, retired=True) for one in gone]
