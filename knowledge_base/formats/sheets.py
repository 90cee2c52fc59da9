"""Reads an Excel workbook (XLSX) as Markdown tables, a heading for each sheet.

Owns how a cell is written: as its stored value in its number format, near to what Excel shows.
Refuses to calculate: a formula is the value that was saved with it. Runs in the child only.
Invariant: what its author hid (a sheet) is not in the text.
"""

import io
import re
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from knowledge_base import tables
from knowledge_base.formats.reading import MAX_CHARACTERS, MAX_COLUMNS, MAX_ROWS, Read, Refused
from knowledge_base.formats.unpacking import office_file

_DEFAULT_NAME = re.compile(r"(?:Sheet|Tabelle|Feuil|Hoja|Foglio|Blad|Arkusz)\s?\d*", re.IGNORECASE)
_CURRENCY = re.compile(r'\[\$([^\]-]+)[^\]]*\]|"([^"]+)"|([€$£¥])')
_DECIMALS = re.compile(r"0\.(0+)")


def read(content: bytes) -> Read:
    checked = office_file(content, "xl/workbook.xml")
    try:
        book = openpyxl.load_workbook(
            io.BytesIO(checked), read_only=True, data_only=True, keep_links=False
        )
    except (InvalidFileException, KeyError, ValueError) as error:
        raise Refused("is damaged; open it in Excel and save it again.") from error
    shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    parts: list[str] = []
    for sheet in shown:
        table = tables.from_rows(_rows(sheet))
        if not table:
            continue
        if len(shown) > 1 or not _DEFAULT_NAME.fullmatch(sheet.title):
            parts.append(f"## {' '.join(sheet.title.split())}")
        parts.append(table)
    if not parts:
        raise Refused("has no visible cell with a value; fill one or leave it out.")
    return Read(title="", text="\n\n".join(parts), warnings=_warnings(book, checked))


def _rows(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # the file's own word for its size; Excel and others get it wrong
    rows: list[list[str]] = []
    size = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        row = [_written(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        if len(row) > MAX_COLUMNS:
            raise Refused(f"has a sheet with more than {MAX_COLUMNS} columns; split it.")
        if row and len(rows) >= MAX_ROWS:
            raise Refused(f"has a sheet with more than {MAX_ROWS:,} rows; split it.")
        if row or (rows and rows[-1]):
            rows.append(row)
        size += sum(map(len, row))
        if size > MAX_CHARACTERS:
            raise Refused(f"has too much text by row {number}; split it.")
    return rows


def _written(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        return _number(value, cell.number_format or "General")
    return " ".join(str(value).split())


def _number(value: float, number_format: str) -> str:
    """Percent, decimals and currency as Excel shows them; other formats as the plain number."""
    shown = number_format.split(";")[0]
    decimals = _DECIMALS.search(shown)
    percent = "%" in shown
    number = value * 100 if percent else value
    if decimals:
        text = f"{number:.{len(decimals[1])}f}"
    elif percent and "0" in shown:
        text = f"{number:.0f}"
    else:
        text = f"{number:.15g}"
    if percent:
        return f"{text}%"
    if unit := _CURRENCY.search(shown):
        name = next(part for part in unit.groups() if part).strip()
        before = unit.start() < shown.find("0")
        return f"{name}{' ' if name[-1:].isalpha() else ''}{text}" if before else f"{text} {name}"
    return text


def _warnings(book: Any, checked: bytes) -> tuple[str, ...]:
    hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
    said = []
    if hidden:
        said.append(f"Hidden sheets were left out: {', '.join(hidden)}.")
    if re.search(rb"<f[ >][^<]*</f>(?:<v ?/>|</c>)", checked):
        said.append(
            "Some formulas were saved without their values and are empty; open the file in Excel "
            "and save it again."
        )
    return tuple(said)
