"""One PDF page as lines: the words that stand on it, where, and how large.

Owns the talk with PDFium. Refuses to know what a line means. Runs in the child only.
Invariant: every visible character of the page's text layer is in exactly one line, in the page's
own order.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as raw

_HYPHEN = "\ufffe"  # PDFium's mark for a hyphen that only a line's end needs
_BOLD = re.compile(rb"(?i)bold|black|heavy")


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """In points, from the page's lower left corner."""

    words: tuple[Word, ...]
    bottom: float
    top: float
    size: float  # of most of its letters
    bold: bool
    broken: bool  # its last word goes on in the next line

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def left(self) -> float:
        return self.words[0].left

    @property
    def right(self) -> float:
        return self.words[-1].right


@dataclass(frozen=True, slots=True)
class Page:
    number: int  # from 1
    height: float
    lines: tuple[Line, ...]
    pictures: int


def page_of(document: pdfium.PdfDocument, index: int) -> Page:
    page = document[index]
    text = page.get_textpage()
    try:
        count = text.count_chars()
        characters = [chr(raw.FPDFText_GetUnicode(text.raw, at)) for at in range(count)]
        lines = tuple(_lines(text, characters))
        return Page(index + 1, page.get_height(), lines, _pictures(page))
    finally:
        text.close()
        page.close()


def _lines(text: pdfium.PdfTextPage, characters: list[str]) -> Iterator[Line]:
    start = 0
    for at, character in enumerate([*characters, "\n"]):
        if character in "\r\n" or character == _HYPHEN or character == "\x02":
            if line := _line(text, characters, start, at, broken=character not in "\r\n"):
                yield line
            start = at + 1


def _line(
    text: pdfium.PdfTextPage, characters: list[str], start: int, end: int, *, broken: bool
) -> Line | None:
    words: list[Word] = []
    sizes: Counter[float] = Counter()
    bottom, top = float("inf"), 0.0
    at = start
    while at < end:
        if characters[at].isspace() or characters[at] == "\0":
            at += 1
            continue
        first = at
        while at < end and not characters[at].isspace() and characters[at] != "\0":
            at += 1
        left, low, _, _ = text.get_charbox(first, loose=True)
        _, _, right, high = text.get_charbox(at - 1, loose=True)
        words.append(Word(_joined(characters[first:at]), left, right))
        bottom, top = min(bottom, low), max(top, high)
        size = raw.FPDFText_GetFontSize(text.raw, first) * _scale(text, first)
        sizes[round(size, 1)] += at - first
    if not words:
        return None
    bold = _is_bold(text, start) and _is_bold(text, end - 1)
    return Line(tuple(words), bottom, top, sizes.most_common(1)[0][0], bold, broken)


def _is_bold(text: pdfium.PdfTextPage, at: int) -> bool:
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(text.raw, at, name, len(name), None)
    return _BOLD.search(name.value) is not None or raw.FPDFText_GetFontWeight(text.raw, at) >= 600


def _scale(text: pdfium.PdfTextPage, at: int) -> float:
    """Some programs write at size 1 and enlarge by the matrix."""
    matrix = raw.FS_MATRIX()
    if not raw.FPDFText_GetMatrix(text.raw, at, ctypes.byref(matrix)):
        return 1.0
    return float(abs(matrix.d) or abs(matrix.b) or 1.0)


def _joined(characters: list[str]) -> str:
    """Characters beyond the first plane come in two halves."""
    whole = "".join(characters)
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _pictures(page: pdfium.PdfPage) -> int:
    count = raw.FPDFPage_CountObjects(page.raw)
    objects = (raw.FPDFPage_GetObject(page.raw, at) for at in range(count))
    return sum(raw.FPDFPageObj_GetType(one) == raw.FPDF_PAGEOBJ_IMAGE for one in objects)
