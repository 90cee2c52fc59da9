"""Files made in code: PDFs by hand, Office files from their XML, archives, and hostile ones."""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence

import openpyxl

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.'
    'openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)


def pdf(
    pages: Sequence[Sequence[str | tuple[float, float, float, str]]],
    *,
    outline: Sequence[tuple[str, int]] = (),
    title: str = "",
    picture: bool = False,
    encrypted: bool = False,
) -> bytes:
    """Pages of lines from the top, or of `(x, y, size, text)`. `outline`: heading, page from 1."""
    objects: list[bytes] = [b"", b""]  # the catalogue and the pages, when their parts are known
    kids = []
    font = _add(
        objects,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    image = _add(objects, _stream(b"\x80" * 64, b"/Type /XObject /Subtype /Image /Width 8 "
                 b"/Height 8 /BitsPerComponent 8 /ColorSpace /DeviceGray"))  # fmt: skip
    for lines in pages:
        drawn = b"q 400 0 0 400 100 200 cm /Im Do Q\n" if picture else b""
        drawn += b"".join(_drawn(at, line) for at, line in enumerate(lines))
        content = _add(objects, _stream(drawn))
        kids.append(_add(objects, b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
                    b"/Contents %d 0 R /Resources << /Font << /F %d 0 R >> /XObject << /Im %d 0 R "
                    b">> >> >>" % (content, font, image)))  # fmt: skip
    marks = b""
    if outline:
        root = len(objects) + 1
        objects.append(b"<< /Type /Outlines /First %d 0 R /Last %d 0 R >>"
                       % (root + 1, root + len(outline)))  # fmt: skip
        for at, (heading, page) in enumerate(outline):
            following = b" /Next %d 0 R" % (root + at + 2) if at + 1 < len(outline) else b""
            objects.append(b"<< /Title (%s) /Parent %d 0 R /Dest [%d 0 R /Fit]%s >>"
                           % (heading.encode(), root, kids[page - 1], following))  # fmt: skip
        marks = b" /Outlines %d 0 R" % root
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R%s >>" % marks
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    info = _add(objects, b"<< /Title (%s) >>" % title.encode())
    trailer = b" /Info %d 0 R" % info
    if encrypted:  # by a password that nobody knows
        trailer += b" /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -44 "
        trailer += b"/O <%s> /U <%s> >> " % (b"41" * 32, b"42" * 32)
        trailer += b"/ID [<%s> <%s>]" % (b"43" * 16, b"43" * 16)
    return _written(objects, trailer)


def _drawn(at: int, line: str | tuple[float, float, float, str]) -> bytes:
    x, y, size, text = (60.0, 760.0 - 14 * at, 11.0, line) if isinstance(line, str) else line
    said = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /F %f Tf %f %f Td (%s) Tj ET\n" % (size, x, y, said)


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(content)
    return b"<< %s /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (
        entries, len(packed), packed,
    )  # fmt: skip


def _add(objects: list[bytes], one: bytes) -> int:
    objects.append(one)
    return len(objects)


def _written(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, trailer, table,
    )  # fmt: skip
    return bytes(out)


def docx(body: str, more: Mapping[str, bytes | str] | None = None) -> bytes:
    """A Word document of this XML; `more` adds or replaces parts."""
    headings = "".join(
        f'<w:style w:type="paragraph" w:styleId="H{level}"><w:name w:val="heading {level}"/>'
        "</w:style>"
        for level in range(1, 4)
    )
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_RELS}"><Relationship Id="r1" Type="{_OFFICE}/'
        'officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_RELS}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles {_W}><w:style w:type="paragraph" w:styleId="T">'
        f'<w:name w:val="Title"/></w:style>{headings}</w:styles>',
        "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
    }
    return archive({**parts, **(more or {})})


def paragraph(text: str, style: str = "") -> str:
    named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{named}<w:r><w:t>{text}</w:t></w:r></w:p>"


def word_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]], hidden: Sequence[str] = ()) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
        for row in rows:
            sheet.append(list(row))
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def archive(entries: Mapping[str, bytes | str] | Sequence[tuple[str, bytes | str]]) -> bytes:
    kept = io.BytesIO()
    pairs = entries.items() if isinstance(entries, Mapping) else entries
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in pairs:
            target.writestr(name, content)
    return kept.getvalue()


def replaced(packed: bytes, parts: Mapping[str, bytes | str]) -> bytes:
    """The same archive with other content in some of its entries."""
    with zipfile.ZipFile(io.BytesIO(packed)) as source:
        kept = {name: source.read(name) for name in source.namelist()}
    return archive({**kept, **parts})


def pdf_of_objects(*objects: bytes) -> bytes:
    return _written(objects, b"")
