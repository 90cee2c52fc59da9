"""PDF, Word, Excel and CSV as they are understood: headings, pages and tables survive."""

import datetime
import io

import openpyxl
import pytest

from knowledge_base.library import Library
from knowledge_base.parsing import parse_file
from tests.knowledge_base import made


def test_every_pages_fact_is_found_on_its_page(library: Library) -> None:
    """300 pages with a running head and a number below, an outline, and one fact each."""
    pages = [
        [
            (60, 810, 8, "Harbour Lodging Ltd. - House manual"),
            (60, 740, 11, f"The key box of cabin {number} opens with code {7000 + 13 * number}."),
            (60, 726, 11, "It is at the door, and guests are told the code on the day they ar-"),
            (60, 712, 11, "rive. Whoever loses the key pays for the lock and for its mounting."),
            (60, 40, 8, f"Page {number} of 300"),
        ]
        for number in range(1, 301)
    ]  # fmt: skip
    outline = [(f"Block {block}", 1 + 30 * block) for block in range(10)]
    content = made.pdf(pages, outline=outline, title="House manual")
    added = library.add_file(source="s", key="k", name="m.pdf", content=content, publish=True)
    assert added.title == "House manual"
    text = library.revision(str(added.document_id), 1).text
    assert "Harbour Lodging" not in text
    assert "of 300" not in text
    assert "on the day they arrive. Whoever loses the key" in text
    for number in range(1, 301):
        hit = library.search(f"code of the key box of cabin {number}")[0].passage
        assert f"cabin {number} opens with code {7000 + 13 * number}" in hit.text
        assert hit.section == f"Block {(number - 1) // 30} (page {number})"


def test_small_pages_are_cited_each_by_its_own_number(library: Library) -> None:
    content = made.pdf([[f"Locker {n} costs {n} EUR."] for n in range(1, 6)])
    library.add_file(source="s", key="k", name="m.pdf", content=content, publish=True)
    for number in range(1, 6):
        hit = library.search(f"What does locker {number} cost?")[0].passage
        assert (hit.section, f"Locker {number} costs" in hit.text) == (f"Page {number}", True)


def test_a_pdf_has_its_headings_by_their_letters_and_its_tables() -> None:
    rows = [
        ("Service", "Price", "Unit"),
        ("Towels", "3 EUR", "each"),
        ("Late check-out", "25 EUR", "hour"),
        ("Parking", "12 EUR", "day and car"),
    ]
    lines: list[str | tuple[float, float, float, str]] = [
        (60, 780, 20, "Guest handbook"),
        (60, 740, 14, "Cancellation"),
        (60, 720, 11, "Guests may cancel until 48 hours before their arrival, and get"),
        (60, 706, 11, "all of their money back."),
        (60, 670, 14, "Extras"),
        *[(x, 650 - 16 * at, 11, cell) for at, row in enumerate(rows)
          for x, cell in zip((60, 200, 300), row, strict=True)],
        (60, 550, 11, "• The desk is open all night."),
        (60, 536, 11, "• Pets stay free of charge."),
    ]  # fmt: skip
    parsed = parse_file("g.pdf", made.pdf([lines]))
    assert parsed.title == "Guest handbook"
    assert parsed.text == (
        "# Guest handbook\n\n## Cancellation (page 1)\n\nGuests may cancel until 48 hours before "
        "their arrival, and get all of their money back.\n\n## Extras (page 1)\n\n"
        "| Service | Price | Unit |\n| --- | --- | --- |\n| Towels | 3 EUR | each |\n"
        "| Late check-out | 25 EUR | hour |\n| Parking | 12 EUR | day and car |\n\n"
        "- The desk is open all night.\n\n- Pets stay free of charge."
    )


def test_a_sentence_that_a_page_cuts_is_whole() -> None:
    parsed = parse_file(
        "g.pdf", made.pdf([["Dogs pay"], ["ten euros a night. Cats pay nothing."], ["End."]])
    )
    assert (
        "## Page 1\n\nDogs pay ten euros a night.\n\n## Page 2\n\nCats pay nothing." in parsed.text
    )


def test_pictures_in_a_pdf_are_named_in_a_warning() -> None:
    parsed = parse_file("g.pdf", made.pdf([["Towels cost 3 EUR."]], picture=True))
    assert parsed.warnings == ("1 picture was left out.",)


def test_a_word_document_keeps_headings_lists_tables_and_notes_of_what_is_left_out() -> None:
    body = (
        made.paragraph("Refund policy", "T")
        + made.paragraph("Late cancellation", "H1")
        + made.paragraph("Guests get 35 % back.")
        + made.paragraph("Fees", "H2")
        + made.word_table([("Zone", "Price"), ("Inland", "5 EUR | 6 CHF"), ("Europe", "9 EUR")])
        + "<w:p><w:del><w:r><w:delText>Withdrawn.</w:delText></w:r></w:del></w:p>"
    )
    parsed = parse_file("r.docx", made.docx(body))
    assert parsed.title == "Refund policy"
    assert parsed.text == (
        "# Refund policy\n\n# Late cancellation\n\nGuests get 35 % back.\n\n## Fees\n\n"
        "| Zone | Price |\n| --- | --- |\n| Inland | 5 EUR \\| 6 CHF |\n| Europe | 9 EUR |"
    )


def test_a_workbook_shows_values_as_excel_does() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Prices"
    sheet.append(["Zone", "Price", "VAT", "From", "Weight"])
    sheet.append(["Inland", 4.5, 0.19, datetime.date(2026, 5, 1), 3.0])
    sheet["B2"].number_format = "#,##0.00 [$€-407]"
    sheet["C2"].number_format = "0%"
    sheet["E2"].number_format = "General"
    kept = io.BytesIO()
    book.save(kept)
    parsed = parse_file("price-list.xlsx", kept.getvalue())
    assert parsed.title == "Price list"
    assert parsed.text == (
        "## Prices\n\n| Zone | Price | VAT | From | Weight |\n| --- | --- | --- | --- | --- |\n"
        "| Inland | 4.50 € | 19% | 2026-05-01 | 3 |"
    )


def test_a_formula_is_the_value_saved_with_it_and_hidden_sheets_stay_hidden() -> None:
    content = made.xlsx(
        {"Fees": [["Item", "Fee"], ["Sum", "=1+1"]], "Cost": [["Item", "Our cost"]]}, ["Cost"]
    )
    parsed = parse_file("fees.xlsx", content)
    assert "Our cost" not in parsed.text
    assert "=1+1" not in parsed.text
    assert [warning.split(":")[0][:22] for warning in parsed.warnings] == [
        "Hidden sheets were lef", "Some formulas were sav",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "xlsx", "docx", "md"])
def test_every_passage_of_a_long_table_has_its_header(library: Library, kind: str) -> None:
    rows = [("Postal code", "Depot", "Delivery time"), *[
        (str(20_000 + n), f"Depot {n % 7}", f"{n + 2} working days") for n in range(200)
    ]]  # fmt: skip
    content = {
        "csv": lambda: "\n".join(";".join(row) for row in rows).encode(),
        "xlsx": lambda: made.xlsx({"Sheet1": rows}),
        "docx": lambda: made.docx(made.word_table(rows)),
        "md": lambda: "\n".join(
            f"| {' | '.join(row)} |" for row in [rows[0], ("---",) * 3, *rows[1:]]
        ).encode(),
    }[kind]()
    added = library.add_file(
        source="s", key="k", name=f"depots.{kind}", content=content, publish=True
    )
    passages = library.passages(str(added.document_id), 1)
    assert len(passages) > 5
    for passage in passages:
        assert passage.text.startswith("| Postal code | Depot | Delivery time |\n| --- |")
        assert len(passage.text) <= 1000
    assert sum(passage.text.count("working days") for passage in passages) == 200
    hit = library.search("delivery time of postal code 20123")[0].passage
    assert "| 20123 | Depot 4 | 125 working days |" in hit.text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_text_is_read_whatever_parts_its_cells(delimiter: str) -> None:
    text = f'Question{delimiter}Answer\n"Are dogs, cats; or birds allowed?"{delimiter}"Yes,\nall"\n'
    parsed = parse_file("faq.csv", text.encode())
    assert parsed.text == (
        "| Question | Answer |\n| --- | --- |\n| Are dogs, cats; or birds allowed? | Yes, all |"
    )


def test_rows_too_long_for_a_table_become_lists_that_name_their_columns() -> None:
    text = "Question,Answer\n" + "\n".join(f"Question {n}?,{'Because. ' * 120}" for n in range(3))
    parsed = parse_file("faq.csv", text.encode())
    assert parsed.text.startswith("- Question: Question 0?\n- Answer: Because.")
    assert parsed.text.count("- Answer: Because.") == 3
