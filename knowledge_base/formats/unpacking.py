"""Unpacks ZIP files that nobody vouches for: archives, and Word's and Excel's files inside.

Owns the limits on what comes out, counted while it comes out: a ZIP's own numbers are never
believed. Refuses to write anywhere; names in it are only names.
Invariant: no more than `MAX_UNPACKED` bytes and `MAX_ENTRIES` entries ever come out of one file.
"""

import io
import zipfile
import zlib
from xml.parsers import expat

from knowledge_base.formats.reading import Refused

MAX_ENTRIES = 2_000
MAX_UNPACKED = 100_000_000  # bytes
_MAX_RATIO = 100  # of unpacked to packed bytes, from _RATIO_FROM unpacked ones on:
_RATIO_FROM = 20_000_000  # spreadsheets reach 30 (measured on rows of one pattern)
_PART = 1 << 16
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
_MACROS = ("vbaproject.bin", "vbadata.xml")


class Unpacking:
    def __init__(self, content: bytes) -> None:
        """Raises Refused."""
        self._packed = len(content)
        self._unpacked = 0
        _check_directory(content)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
            raise _damaged() from error
        self.entries = self._zip.infolist()
        if len(self.entries) > MAX_ENTRIES:
            raise _too_many()

    def read(self, entry: zipfile.ZipInfo) -> bytes:
        """The entry's bytes. Raises Refused."""
        if entry.flag_bits & 0x1:
            raise Refused("is encrypted; save it without a password.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("is packed in an unusual way; pack it again as a plain ZIP.")
        parts = []
        try:
            with self._zip.open(entry) as file:
                while part := file.read(_PART):
                    self._count(len(part))
                    parts.append(part)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise _damaged() from error
        except NotImplementedError as error:
            raise Refused("is packed in an unusual way; pack it again as a plain ZIP.") from error
        return b"".join(parts)

    def _count(self, size: int) -> None:
        self._unpacked += size
        too_dense = self._unpacked > max(_RATIO_FROM, _MAX_RATIO * self._packed)
        if self._unpacked > MAX_UNPACKED or too_dense:
            raise Refused(
                f"unpacks to more than {self._unpacked / 1e6:.0f} MB, which is far more than it "
                "should; split it."
            )


def office_file(content: bytes, main_part: str) -> bytes:
    """The same Office file with nothing in it but checked XML, not packed: its sizes are true.

    Media and other embedded files are left out. Raises Refused for macros, passwords, document
    types in the XML (which is how entities come in) and for another kind of file.
    """
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused(
            "has a password or an old Office format inside; save it without a password as "
            "DOCX or XLSX."
        )
    unpacking = Unpacking(content)
    names = [entry.filename for entry in unpacking.entries]
    if any(name.lower().endswith(_MACROS) for name in names):
        raise Refused("has macros inside; save it as DOCX or XLSX without macros.")
    if main_part not in names or len(set(names)) < len(names):
        raise Refused("is not what its ending says; save it again from its program.")
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w", zipfile.ZIP_STORED) as target:
        for entry in unpacking.entries:
            if entry.filename.lower().endswith((".xml", ".rels")):
                part = unpacking.read(entry)
                _check_xml(part)
                target.writestr(entry.filename, part)
    return checked.getvalue()


def _check_directory(content: bytes) -> None:
    """Before anything is made of the list of entries: it may be as long as the file."""
    at = content.rfind(_END, max(0, len(content) - 65_557))
    if not content.startswith(b"PK") or at < 0:
        raise _damaged()
    size = int.from_bytes(content[at + 12 : at + 16], "little")
    if content[max(0, at - 20) : at].startswith(_END_64) or size > MAX_ENTRIES * 400:
        raise _too_many()


def _check_xml(part: bytes) -> None:
    def refuse(*_: object) -> None:
        raise Refused("has a document type in its XML, which Office never writes; save it again.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    depth = 0

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > 250:  # the parsers recurse; Word's own files reach 40
            raise Refused("nests its elements too deeply; simplify it.")

    def end(_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(part, True)
    except expat.ExpatError as error:
        raise _damaged() from error


def _damaged() -> Refused:
    return Refused("is damaged or not what its ending says; save it again from its program.")


def _too_many() -> Refused:
    return Refused(f"holds more than {MAX_ENTRIES:,} files; split it.")
