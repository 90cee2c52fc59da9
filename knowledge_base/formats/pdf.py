"""Reads a PDF as Markdown whose headings name the page, so that a citation can.

Owns which headings there are: the outline's, else those in larger letters. Refuses to draw, to run
scripts and to read pictures. Runs in the child only. Invariant: every passage of text stands under
a heading that ends in the number of the page where it begins.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pypdfium2 as pdfium

from knowledge_base import tables
from knowledge_base.formats import layout
from knowledge_base.formats.page import Page, page_of
from knowledge_base.formats.reading import MAX_CHARACTERS, MAX_PAGES, Read, Refused

_NO_TITLE = re.compile(r"(?i)^\W*$|untitled|unbenannt|microsoft|\.(docx?|indd|pdf|odt|tex|pages)$")
_MAX_OUTLINE = 5_000  # entries
_BELOW_OUTLINE = 10  # the depth of headings that only their letters tell; the outline has 0 to 5


def read(content: bytes) -> Read:
    if b"%PDF-" not in content[:1024]:
        raise Refused("is not a PDF inside; save it again from its program.")
    document = _opened(content)
    if len(document) > MAX_PAGES:
        raise Refused(f"has more than {MAX_PAGES:,} pages; split it.")
    outline = _outline(document)
    pages: list[Page] = []
    size = 0
    for index in range(len(document)):
        pages.append(page_of(document, index))
        size += sum(len(line.text) for line in pages[-1].lines)
        if size > MAX_CHARACTERS:
            raise Refused(f"has too much text by page {index + 1}; split it.")
    pages = layout.without_repeats(pages)
    _check_text(pages)
    body = layout.body_size(pages)
    title = _title(document, pages, outline, body)
    text = "\n\n".join(_markdown(pages, outline, body, title))
    return Read(title, text, tuple(_warnings(pages)))


def _opened(content: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Refused("is encrypted; save it without a password.") from error
        raise Refused("is damaged; open it in its program and save it again.") from error


def _check_text(pages: Sequence[Page]) -> None:
    if any(re.search(r"\w", line.text) for page in pages for line in page.lines):
        return
    if any(page.pictures for page in pages):
        raise Refused(
            "is a scan: its pages are pictures without text. Have its text recognized first, for "
            "example with `ocrmypdf in.pdf out.pdf`, and use the result."
        )
    raise Refused("has no text; put text in it or leave it out.")


def _warnings(pages: Sequence[Page]) -> Iterator[str]:
    scanned = [page.number for page in pages if page.pictures and not page.lines]
    pictures = sum(page.pictures for page in pages if page.lines)
    if scanned:
        shown = ", ".join(map(str, scanned[:10])) + (" …" if len(scanned) > 10 else "")
        yield (
            f"Pages that are pictures without text were left out: {shown}. Have their text "
            "recognized, for example with `ocrmypdf`."
        )
    if pictures:
        yield f"{pictures} picture{'s were' if pictures > 1 else ' was'} left out."


def _outline(document: pdfium.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """For each page (from 1) the headings that the outline has there: depth from 0, and text."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    try:
        for count, mark in enumerate(document.get_toc(max_depth=6)):
            place = mark.get_dest()
            index = place.get_index() if place is not None else None
            heading = " ".join(mark.get_title().split())
            if count >= _MAX_OUTLINE:
                break
            if index is not None and heading:
                found[index + 1].append((mark.level, heading[:200]))
    except pdfium.PdfiumError:
        return {}
    return found


def _title(
    document: pdfium.PdfDocument,
    pages: Sequence[Page],
    outline: Mapping[int, Sequence[tuple[int, str]]],
    body: float,
) -> str:
    """What stands largest on the first page, unless it is a chapter; else what the file says of
    itself."""
    first = layout.blocks_of(pages[0], body, frozenset()) if pages else []
    largest = max((block.size for block in first if block.kind == "heading"), default=0.0)
    if largest and largest >= 1.3 * body:
        text = next(block.text for block in first if block.size == largest)[:200]
        chapters = [layout.plain(name) for some in outline.values() for at, name in some if not at]
        if layout.plain(text) not in chapters or len(chapters) == 1:
            return text
    stated = " ".join(document.get_metadata_value("Title").split())
    return "" if _NO_TITLE.search(stated) else stated[:200]


def _markdown(
    pages: Sequence[Page],
    outline: Mapping[int, Sequence[tuple[int, str]]],
    body: float,
    title: str,
) -> Iterator[str]:
    named = {number: dict(map(_entry, entries)) for number, entries in outline.items()}
    found = [
        (page.number, layout.blocks_of(page, body, frozenset(named.get(page.number, ()))))
        for page in pages
    ]
    sizes = sorted({block.size for _, some in found for block in some if block.size}, reverse=True)
    headings = Headings()
    for number, blocks in layout.joined(found):
        due = named.get(number, {})
        lines = {layout.plain(block.text) for block in blocks if block.kind == "heading"}
        for entry, (depth, text) in due.items():
            if entry not in lines:
                headings.enter(depth, text)  # the page does not say it: the reader's sidebar does
        headings.turn(number)
        for block in blocks:
            words = layout.plain(block.text)
            if block.kind != "heading":
                yield from headings.above()
                yield tables.from_rows(block.rows) if block.kind == "table" else block.text
            elif number == 1 and words == layout.plain(title) and not headings.path:
                yield f"# {block.text}"
            elif words in due:
                headings.enter(due[words][0], block.text)
            else:
                headings.enter(_BELOW_OUTLINE + sizes.index(block.size), block.text)
    yield from headings.above(last=True)


def _entry(entry: tuple[int, str]) -> tuple[str, tuple[int, str]]:
    return layout.plain(entry[1]), entry


class Headings:
    """The headings above the text that comes next; each is written once, and the innermost again
    on every page that it reaches, with the page's number."""

    def __init__(self) -> None:
        self.path: list[tuple[int, str]] = []  # depth and text, outermost first
        self._due: list[tuple[int, str]] = []  # not written yet: level and text
        self._page = 1
        self._written_for = 0

    def enter(self, depth: int, text: str) -> None:
        self.path = [one for one in self.path if one[0] < depth]
        self.path.append((depth, text))
        self._due.append((min(1 + len(self.path), 6), text))

    def turn(self, page: int) -> None:
        self._page = page

    def above(self, *, last: bool = False) -> Iterator[str]:
        """What to write above a text; with `last` only what would be lost."""
        if not self._due and not last and self._written_for != self._page:
            if self.path:
                self._due.append((min(1 + len(self.path), 6), self.path[-1][1]))
            else:
                yield f"## Page {self._page}"
        for level, text in self._due:
            yield f"{'#' * level} {text} (page {self._page})"
        self._due.clear()
        self._written_for = self._page
