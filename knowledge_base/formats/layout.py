"""What the lines of a PDF's pages mean: paragraphs, headings, list items, tables, repeats.

Owns the thresholds of that reading. Refuses to know PDFium. Pure.
Invariant: a word is left out only with a line that the pages repeat in their margins.
"""

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, takewhile
from statistics import median
from typing import Literal

from knowledge_base.formats.page import Line, Page

Kind = Literal["heading", "paragraph", "item", "table"]
_MARGIN = 0.12  # of the page's height, above and below
_GAP = 0.9  # letter sizes between two words, from which they are two cells
_BULLET = re.compile(r"[•‣▪●○◦■□–—*·-]\s+(?=\S)|[•‣▪●◦]")
_NUMBERED = re.compile(r"(?:\(?\d{1,3}[.)]|\(?[a-z][.)]|\d+(?:\.\d+)+\.?)\s+\S")
_SENTENCE = re.compile(r".*?[.?!](?=\s)")
_ENDS = (".", "?", "!", ":", ";")


@dataclass(frozen=True, slots=True)
class Block:
    kind: Kind
    text: str
    rows: tuple[tuple[str, ...], ...] = ()  # of a table
    size: float = 0.0
    open_end: bool = False  # a paragraph that may go on at the next page's top


def without_repeats(pages: Sequence[Page]) -> list[Page]:
    """The pages without their running heads, feet and page numbers."""
    if len(pages) < 3:
        return list(pages)
    total = len(pages)
    seen = Counter(
        key
        for page in pages
        for key in {_repeat(page, line, total) for edge in _margins(page) for line in edge}
    )
    often = max(3, round(0.3 * total))
    repeated = {key for key, times in seen.items() if times >= often}
    kept = []
    for page in pages:
        dropped = {
            id(line)
            for edge in _margins(page)
            for line in takewhile(partial(_is_repeated, page, total, repeated), edge)
        }
        lines = tuple(line for line in page.lines if id(line) not in dropped)
        # A page of which nothing would be left says it on purpose, unless it is a picture.
        kept.append(replace(page, lines=lines) if lines or page.pictures else page)
    return kept


def body_size(pages: Sequence[Page]) -> float:
    """The letters' size of most of the text."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def blocks_of(page: Page, body: float, named: frozenset[str]) -> list[Block]:
    """`named` are headings that the outline has on this page, in lower case."""
    blocks: list[Block] = []
    lines = page.lines
    leading = _leading(lines)
    at = 0
    while at < len(lines):
        if (end := _table_end(lines, at)) > at:
            blocks.append(Block("table", "", _rows(lines[at:end])))
            at = end
            continue
        end = at + 1
        heading = _is_heading(lines[at], body, named)
        while end < len(lines) and _table_end(lines, end) == end:
            before, line = lines[end - 1], lines[end]
            same = _is_heading(line, body, named) == heading and abs(line.size - before.size) < 0.6
            tight = 1.15 if heading else 1.3
            if not same or not _goes_on(before, line, tight * leading):
                break
            end += 1
        blocks.append(_block(lines[at:end], heading=heading))
        at = end
    return blocks


def _block(lines: Sequence[Line], *, heading: bool) -> Block:
    text = _text(lines)
    if heading:
        return Block("heading", text, size=lines[0].size)
    if bullet := _BULLET.match(text):
        return Block("item", "- " + text[bullet.end() :].lstrip(), open_end=_open(text))
    return Block("paragraph", text, open_end=_open(text))


def _text(lines: Sequence[Line]) -> str:
    """One paragraph. A hyphen that PDFium takes for the line's is gone already; one that it left
    stays where a capital or a figure follows."""
    text = lines[0].text
    for before, line in pairwise(lines):
        if before.broken:
            text += line.text
        elif re.search(r"[a-zß-ÿ]-$", text) and re.match(r"[a-zß-ÿ]{2}", line.text):
            text = text[:-1] + line.text
        else:
            text += " " + line.text
    return text


def _open(text: str) -> bool:
    return not text.rstrip("\"'”’)").endswith(_ENDS)


def _leading(lines: Sequence[Line]) -> float:
    """The usual distance from one line's foot to the next one's, in letter sizes."""
    steps = [
        (before.bottom - line.bottom) / line.size
        for before, line in pairwise(lines)
        if line.size and 0.5 < (before.bottom - line.bottom) / line.size < 3
    ]
    return median(steps) if steps else 1.2


def _goes_on(before: Line, line: Line, farthest: float) -> bool:
    if before.broken:
        return True
    step = (before.bottom - line.bottom) / (line.size or 1)
    if not 0 < step <= farthest:
        return -0.4 < step <= 0  # another piece of the same line
    if _BULLET.match(line.text) or _NUMBERED.match(line.text):
        return False
    indented = line.left > before.left + line.size and not _BULLET.match(before.text)
    return not (indented and before.text.endswith(_ENDS))


def _is_heading(line: Line, body: float, named: frozenset[str]) -> bool:
    text = line.text
    if plain(text) in named:
        return True
    if len(text) > 150 or not re.search(r"[^\W\d_]{2}", text) or _BULLET.match(text):
        return False
    strong = line.bold and line.size >= body and len(text) <= 80 and text[-1] not in ".,;:!"
    return strong or line.size >= 1.15 * body


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text.lower()).split())


def _margins(page: Page) -> tuple[list[Line], list[Line]]:
    """What stands near the page's upper edge, from above, and near its lower one, from below."""
    high = [line for line in page.lines if line.bottom > (1 - _MARGIN) * page.height]
    low = [line for line in page.lines if line.top < _MARGIN * page.height]
    return sorted(high, key=lambda line: -line.top), sorted(low, key=lambda line: line.bottom)


def _is_repeated(page: Page, total: int, repeated: Container[str], line: Line) -> bool:
    return _repeat(page, line, total) in repeated


def _repeat(page: Page, line: Line, total: int) -> str:
    """What stays the same in a running head: the page's number at an end of it may differ."""
    number = rf"(?<!\d){page.number}(?!\d)"
    last = rf"{number}(?=(?:\W*[^\W\d]{{0,3}}\W*{total})?\W*$)"
    words = re.sub(rf"{last}|^\W*{number}", "#", line.text, count=1)
    return "#" if re.fullmatch(r"[-–—|. ]*#[-–—|. ]*", words) else words


# Tables: lines whose words stand in the same columns


def _table_end(lines: Sequence[Line], at: int) -> int:
    """Behind the last line of the table that begins at `at`; `at` if none does."""
    end = at
    while end < len(lines) and len(_cells(lines[end])) > 1:
        end += 1
    if end - at < 3:
        return at
    columns = _columns(lines[at:end])
    full = sum(len(_cells(line)) == len(columns) for line in lines[at:end])
    return end if len(columns) > 1 and full * 2 >= end - at else at


def _cells(line: Line) -> list[tuple[str, float, float]]:
    cells: list[tuple[str, float, float]] = []
    for word in line.words:
        if cells and word.left - cells[-1][2] < _GAP * line.size:
            text, left, _ = cells.pop()
            cells.append((f"{text} {word.text}", left, word.right))
        else:
            cells.append((word.text, word.left, word.right))
    return cells


def _columns(lines: Sequence[Line]) -> list[tuple[float, float]]:
    spans = sorted((left, right) for line in lines for _, left, right in _cells(line))
    columns = [spans[0]]
    for left, right in spans[1:]:
        if left <= columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], right))
        else:
            columns.append((left, right))
    return columns


def _rows(lines: Sequence[Line]) -> tuple[tuple[str, ...], ...]:
    columns = _columns(lines)
    rows = []
    for line in lines:
        row = [""] * len(columns)
        for text, left, _ in _cells(line):
            at = next(n for n, (start, end) in enumerate(columns) if start <= left <= end)
            row[at] = f"{row[at]} {text}".strip()
        rows.append(tuple(row))
    return tuple(rows)


def joined(pages: Sequence[tuple[int, list[Block]]]) -> Iterator[tuple[int, list[Block]]]:
    """A sentence that a page's end cuts is whole again, on the page where it begins."""
    for (_, blocks), (_, following) in pairwise(pages):
        if not blocks or not following or not blocks[-1].open_end:
            continue
        last, first = blocks[-1], following[0]
        if first.kind != "paragraph" or not re.match(r"[a-zß-ÿ(]", first.text):
            continue
        end = _SENTENCE.match(first.text)
        tail = end[0] if end else first.text
        rest = first.text[len(tail) :].strip()
        if rest or len(following) > 1:
            blocks[-1] = replace(last, text=f"{last.text} {tail.strip()}", open_end=False)
            following[:1] = [replace(first, text=rest)] if rest else []
    yield from pages
