"""Files made to do harm, or broken: each is refused with a sentence, and soon."""

import random
import subprocess
import sys
import zlib

import pytest

from knowledge_base.errors import DocumentTooLarge, InvalidDocument, UnreadableDocument
from knowledge_base.formats import apart
from knowledge_base.parsing import parse_file
from tests.knowledge_base import made

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    "%s</sheetData></worksheet>"
)


def word(xml: str | bytes) -> bytes:
    return made.docx("", {"word/document.xml": xml})


def sheet(rows: str) -> bytes:
    return made.replaced(made.xlsx({"A": [["a"]]}), {"xl/worksheets/sheet1.xml": _SHEET % rows})


def laughs() -> bytes:
    entities = "".join(
        f'<!ENTITY e{n} "&e{n - 1};&e{n - 1};&e{n - 1};&e{n - 1};">' for n in range(1, 30)
    )
    return word(
        f'<!DOCTYPE d [<!ENTITY e0 "ha">{entities}]><w:document {_W}><w:body><w:p><w:r><w:t>&e29;'
        "</w:t></w:r></w:p></w:body></w:document>"
    )


def outside_entity(encoding: str) -> bytes:
    return word(
        (
            f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [<!ENTITY x SYSTEM '
            f'"file:///etc/passwd">]><w:document {_W}><w:body><w:p><w:r><w:t>&x;</w:t></w:r></w:p>'
            "</w:body></w:document>"
        ).encode(encoding)
    )


def nested_tables(depth: int) -> bytes:
    table = made.paragraph("x")
    for _ in range(depth):
        table = f"<w:tbl><w:tr><w:tc>{table}</w:tc></w:tr></w:tbl>"
    return made.docx(table)


def pdf_of(content: bytes, filters: str) -> bytes:
    return made.pdf_of_objects(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
        b"<< /Length %d /Filter [%s] >>\nstream\n%s\nendstream"
        % (len(content), filters.encode(), content),
    )


def many_pages() -> bytes:
    return made.pdf_of_objects(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count 3000 >>" % (b"3 0 R " * 3000),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    )


def pages_in_a_circle() -> bytes:
    return made.pdf_of_objects(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2000000000 >>",
    )


HOSTILE = {
    "a password": ("a.pdf", lambda: made.pdf([["x"]], encrypted=True), "is encrypted"),
    "a scan": ("a.pdf", lambda: made.pdf([[], []], picture=True), "is a scan.*ocrmypdf"),
    "no text at all": ("a.pdf", lambda: made.pdf([[]]), "has no text"),
    "no PDF": ("a.pdf", lambda: b"Refunds take five days. " * 50, "not a PDF inside"),
    "half a PDF": ("a.pdf", lambda: made.pdf([["x"] * 9])[:300], "is damaged"),
    "too many pages": ("a.pdf", many_pages, "more than 2,000 pages"),
    "pages in a circle": ("a.pdf", pages_in_a_circle, "damaged|no text"),
    "a stream in a stream": (
        "a.pdf",
        lambda: pdf_of(zlib.compress(zlib.compress(b" " * 90_000_000)), "/FlateDecode " * 2),
        "no text|damaged",
    ),
    "an archive bomb in Word": (
        "a.docx", lambda: word(b"<a>" + b" " * 120_000_000 + b"</a>"), "unpacks to more than"
    ),
    "an archive bomb in Excel": (
        "a.xlsx", lambda: sheet("<row><c><v>1</v></c></row>" * 2_000_000), "unpacks to more than"
    ),
    "a billion laughs": ("a.docx", laughs, "document type in its XML"),
    "another file's text": ("a.docx", lambda: outside_entity("utf-8"), "document type"),
    "the same in UTF-16": ("a.docx", lambda: outside_entity("utf-16"), "document type"),
    "tables in tables": ("a.docx", lambda: nested_tables(400), "too deeply"),
    "macros": (
        "a.docx",
        lambda: made.docx(made.paragraph("x"), {"word/vbaProject.bin": b"x"}),
        "has macros inside",
    ),
    "macros by its name": ("a.docm", lambda: made.docx(made.paragraph("x")), "has macros"),
    "an old Word file": ("a.docx", lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 512, "password or an old"),
    "Excel named Word": ("a.docx", lambda: made.xlsx({"A": [["x"]]}), "not what its ending says"),
    "Word named Excel": ("a.xlsx", lambda: made.docx(made.paragraph("x")), "not what its ending"),
    "PDF named Markdown": ("a.md", lambda: made.pdf([["x"]]), "PDF file inside"),
    "Word named text": ("a.txt", lambda: made.docx(made.paragraph("x")), "ZIP file inside"),
    "text named Word": ("a.docx", lambda: b"Refunds take five days.", "damaged or not what"),
    "a cell far away": (
        "a.xlsx",
        lambda: sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        "more than 100 columns",
    ),
    "a giant cell": (
        "a.xlsx",
        lambda: sheet(f'<row><c t="inlineStr"><is><t>{"x" * 5_100_000}</t></is></c></row>'),
        "too much text",
    ),
    "a string that is not there": (
        "a.xlsx", lambda: sheet('<row><c t="s"><v>999</v></c></row>'), "damaged"
    ),
    "a giant row": ("a.csv", lambda: b"a," * 1_000_000, "100 columns"),
    "too many rows": ("a.csv", lambda: b"a,b\n" * 20_001, "20,000 rows"),
    "NULs": ("a.csv", lambda: b"a,b\0\n", "binary"),
    **{
        f"nothing in {kind}": (f"a.{kind}", lambda: b"", "is empty")
        for kind in ("pdf", "docx", "xlsx", "csv", "md")
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "said"), HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_with_a_reason(name: str, content, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreadableDocument, match=said) as refusal:
        parse_file(name, content())
    assert str(refusal.value).startswith(name)
    assert str(refusal.value).endswith(".")


def test_a_binary_file_may_be_larger_than_a_text_but_has_its_limit() -> None:
    with pytest.raises(DocumentTooLarge, match="limit is 25 MB"):
        parse_file("a.pdf", b"%PDF-" + bytes(25_000_001))


@pytest.mark.parametrize("kind", ["pdf", "docx", "xlsx"])
def test_whatever_is_broken_in_a_file_the_answer_is_a_document_or_a_reason(kind: str) -> None:
    whole = {
        "pdf": made.pdf([["Refunds take five days."] * 20] * 3, outline=[("Refunds", 2)]),
        "docx": made.docx(made.paragraph("Refunds") * 9 + made.word_table([("a", "b")] * 3)),
        "xlsx": made.xlsx({"A": [["a", 1, 2.5]] * 9}),
    }[kind]
    chance = random.Random(kind)
    for _ in range(4):
        broken = bytearray(whole[: chance.randrange(len(whole) // 2, len(whole) + 1)])
        for _ in range(chance.randrange(1, 40)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            assert parse_file(f"a.{kind}", bytes(broken)).text
        except InvalidDocument as error:
            assert str(error).startswith(f"a.{kind} ")  # noqa: PT017


def test_a_formula_and_a_link_to_elsewhere_stay_text() -> None:
    book = made.xlsx({"A": [["Name", "Link"], ["x", '=WEBSERVICE("http://127.0.0.1:1/")']]})
    assert "127.0.0.1" not in parse_file("a.xlsx", book).text
    linked = made.docx(
        made.paragraph("Logo"),
        {
            "word/_rels/document.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org'
            '/package/2006/relationships"><Relationship Id="r9" TargetMode="External" Type="http://'
            'schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
            'Target="http://127.0.0.1:1/x.png"/></Relationships>'
        },
    )
    assert parse_file("a.docx", linked).text == "Logo"


def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WALL_S", 0.0)
    with pytest.raises(UnreadableDocument, match="takes too long"):
        parse_file("a.pdf", made.pdf([["x"]]))


@pytest.mark.parametrize(
    "deed",
    [
        "open('/etc/passwd')",
        "open(os.__file__, 'a')",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket()",
        "subprocess.run(['true'])",
        "os.system('true')",
        "os.fork()",
        "os.kill(os.getppid(), 0)",
        "os.remove(os.__file__)",
        "bytearray(2 << 30)",
    ],
)
def test_a_parser_that_was_taken_over_can_do_nothing(deed: str) -> None:
    program = (
        "import os, socket, subprocess\nfrom knowledge_base.formats import child\nchild.wall()\n"
        f"try:\n    {deed}\nexcept (PermissionError, MemoryError) as error:\n"
        "    print('held:', type(error).__name__)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.startswith("held:"), told


@pytest.mark.parametrize(
    "text",
    ["{% a ", "{{ a ", "{# a ", "# a {#a \n", "[a](", ">a ", "<!-- a ", "*a _b ", "`a ``b "],
)
def test_markup_that_never_closes_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    for name in ("a.md", "a.html"):
        assert parse_file(name, (text * 30_000)[:30_000].encode()).text


def test_a_header_that_nests_without_end_is_no_header() -> None:
    parsed = parse_file("a.md", b"---\na: " + b"[" * 50_000 + b"\n---\nFive days.\n")
    assert parsed.text == "Five days."


def test_long_markup_is_read_apart_and_the_same() -> None:
    page = "\n\n".join(f"## Part {n}\n\nRule {n} says **so**. {{% note %}}" for n in range(3_000))
    text = parse_file("a.md", page.encode()).text
    assert text.startswith("## Part 0\n\nRule 0 says **so**.")
    assert text.endswith("Rule 2999 says **so**.")
