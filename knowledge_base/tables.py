"""Tables as Markdown that can be read a piece at a time.

Owns how rows become Markdown (a table, or a list where a row is too long for one), how CSV files
are read, and how a long table is divided: into several, each under the first one's header, so that
a passage cut from the middle is understood alone. Refuses to know where a table came from.
Invariant: every cell's words are kept, in their order.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence

from knowledge_base.sizes import PassageSizes

Row = Sequence[str]
_SIZES = PassageSizes()
_PIECE = _SIZES.target - 100  # a heading stays with the first rows below it
_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+(]?[\d.,'\s]*\d[\d.,'\s]*[)%€$£]?")


def from_rows(rows: Sequence[Row]) -> str:
    """Markdown of one sheet: a lone cell before a table is a paragraph, an empty row ends a table,
    and the next one has a header of its own unless it begins with figures."""
    blocks: list[str] = []
    header: Row | None = None
    is_table = max(map(len, rows), default=0) > 1
    for block in _blocks(rows):
        while len(block) > 1 and _filled(block[0]) == 1 and _filled(block[1]) > 1:
            blocks.append(_lone(block[0]))
            block = block[1:]
        if is_table and max(_filled(row) for row in block) == 1:
            blocks.append("\n\n".join(_lone(row) for row in block))
            continue
        if header is None or (len(block) > 1 and not any(map(_is_number, block[0]))):
            header, block = block[0], block[1:]
        blocks.append(_table(header, block))
    return "\n\n".join(blocks)


def from_csv(text: str) -> list[list[str]]:
    """The rows of a CSV file, whatever it separates its cells with. Raises csv.Error."""
    sample = text[:20_000]
    delimiter = max(_DELIMITERS, key=lambda one: _evenness(sample, one))
    csv.field_size_limit(len(text) + 1)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [[" ".join(cell.split()) for cell in row] for row in rows]


def divided(markdown: str) -> str:
    """The same Markdown with its long tables in pieces, each under the table's header."""
    if "|" not in markdown:
        return markdown
    lines = markdown.split("\n")
    out: list[str] = []
    at = 0
    fence = ""
    while at < len(lines):
        line = lines[at]
        if mark := _FENCE.match(line):
            fence = mark[1][0] if not fence else "" if mark[1][0] == fence else fence
        if fence or not _starts_table(lines, at):
            out.append(line)
            at += 1
            continue
        end = at + 2
        while end < len(lines) and "|" in lines[end] and lines[end].strip():
            end += 1
        out += _pieces(lines[at:end])
        at = end
    return "\n".join(out)


def _pieces(table: Sequence[str]) -> Iterator[str]:
    if sum(len(line) + 1 for line in table) <= _SIZES.table:
        yield from table
        return
    head = table[:2]
    size = head_size = sum(len(line) + 1 for line in head)
    yield from head
    for line in table[2:]:
        if size > head_size and size + len(line) >= _PIECE:
            yield ""
            yield from head
            size = head_size
        yield line
        size += len(line) + 1


def _starts_table(lines: Sequence[str], at: int) -> bool:
    return (
        lines[at].startswith("|")
        and at + 1 < len(lines)
        and _RULE.fullmatch(lines[at + 1]) is not None
    )


def _blocks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Runs of rows with something in them, without the columns that are empty in all of them."""
    block: list[Row] = []
    for row in [*rows, ()]:
        if any(row):
            block.append(row)
        elif block:
            yield _narrowed(block)
            block = []


def _narrowed(block: Sequence[Row]) -> list[Row]:
    width = max(len(row) for row in block)
    used = [at for at in range(width) if any(at < len(row) and row[at] for row in block)]
    return [[row[at] if at < len(row) else "" for at in used] for row in block]


def _table(header: Row, rows: Sequence[Row]) -> str:
    head = [_line(header), _line(["---"] * len(header))]
    lines = [_line(row) for row in rows]
    if not rows or len("".join(head)) + max(map(len, lines)) <= _PIECE:
        return "\n".join([*head, *lines])
    return "\n\n".join(_record(header, row) for row in rows)  # no row would fit under its header


def _record(header: Row, row: Row) -> str:
    names = [*header, *[""] * (len(row) - len(header))]
    cells = [f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=False)]
    return "\n".join(f"- {text}" for text, cell in zip(cells, row, strict=False) if cell)


def _line(row: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _lone(row: Row) -> str:
    return next(cell for cell in row if cell)


def _filled(row: Row) -> int:
    return sum(1 for cell in row if cell)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _evenness(sample: str, delimiter: str) -> tuple[float, int]:
    """How much `delimiter` looks like the one: the share of rows as wide as the first, then its
    width. A row that the sample cuts off does not count."""
    try:
        rows = [row for row in csv.reader(sample.splitlines(), delimiter=delimiter) if any(row)]
    except csv.Error:
        return 0.0, 0
    width = len(rows[0]) if rows else 0
    whole = rows[:-1] if len(rows) > 2 else rows
    even = sum(len(row) == width for row in whole) / len(whole) if width > 1 else 0.0
    return even, width
