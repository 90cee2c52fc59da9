"""Documents as companies publish them become clean Markdown, and nothing they say is lost."""

from datetime import date

import pytest

from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.parsing import MAX_BYTES, Stated, parse_file, parse_text


def markdown(text: str) -> str:
    return parse_text("page.md", text, "markdown").text


def html(text: str) -> str:
    return parse_text("page.html", text, "html").text


def test_front_matter_gives_title_audience_dates_and_address() -> None:
    parsed = parse_text(
        "refunds.md",
        "---\ntitle: Refunds & fees\naudience: staff\neffective_from: 2031-01-01\n"
        "effective_to: '2032-01-01'\nurl: https://stay.example/refunds\n"
        "redirect_from:\n  - /old\n---\nText.\n",
        "markdown",
    )
    assert (parsed.title, parsed.audience, parsed.text) == ("Refunds & fees", "staff", "Text.")
    assert (parsed.effective_from, parsed.effective_to) == (date(2031, 1, 1), date(2032, 1, 1))
    assert parsed.url == "https://stay.example/refunds"


def test_front_matter_that_is_not_yaml_still_gives_its_title_and_audience() -> None:
    parsed = parse_text("a.md", "---\ntitle: Refunds: how\naudience: staff\n---\nText.", "markdown")
    assert (parsed.title, parsed.audience) == ("Refunds: how", "staff")


def test_toml_front_matter_is_read() -> None:
    parsed = parse_text("a.md", '+++\ntitle = "Refunds"\n+++\nText.', "markdown")
    assert (parsed.title, parsed.text) == ("Refunds", "Text.")


def test_two_rules_with_text_between_are_not_front_matter() -> None:
    assert markdown("---\nOnly a sentence.\n---\nAnother.") == ("## Only a sentence.\n\nAnother.")


@pytest.mark.parametrize(
    ("header", "named"),
    [("audience: internal", "public or staff"), ("effective_from: soon", "YYYY-MM-DD")],
)
def test_a_wrong_header_is_refused_rather_than_guessed(header: str, named: str) -> None:
    with pytest.raises(UnreadableDocument, match=named):
        parse_text("a.md", f"---\n{header}\n---\nText.", "markdown")


def test_what_is_stated_from_outside_wins_over_the_header() -> None:
    parsed = parse_text(
        "a.md", "---\ntitle: Mine\naudience: public\n---\nText.", "markdown",
        Stated(title="Yours", audience="staff"),
    )  # fmt: skip
    assert (parsed.title, parsed.audience) == ("Yours", "staff")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# How *refunds* work\n\nText.", "How refunds work"),
        ("Text without any heading.", "Late check out"),
    ],
)
def test_a_title_comes_from_the_first_heading_or_the_file_name(text: str, title: str) -> None:
    assert parse_text("late-check_out.md", text, "markdown").title == title


@pytest.mark.parametrize(
    ("published", "clean"),
    [
        ("See {% include note.md %}[the list]({{ site.baseurl }}/list).", "See the list."),
        ("{% comment %}\ninternal\n{% endcomment %}Text.", "Text."),
        ("Text{# a remark #} here.", "Text here."),
        ("Type `{{ guest.name }}` and {{ page.x | upcase }}go.", "Type `{{ guest.name }}` and go."),
        ("```\n{% raw %}\n```", "```\n{% raw %}\n```"),
        ('[Rates](https://a.example/r){:target="_blank"}{:rel="noopener"} apply.',
         "[Rates](https://a.example/r) apply."),
        ("{: .warning }\nMind the step.", "Mind the step."),
        ("## Fees {#fees}\n\nNone.", "## Fees\n\nNone."),
        ("- TOC\n{:toc}\n\nText.", "Text."),
        ("> [!NOTE]\n> Ask first.", "> **Note:** Ask first."),
        ("> [!NOTE] Ask first.", "> **Note:** Ask first."),
        ("::: warning\nAsk first.\n:::", "**warning** Ask first."),
        ("Text <!-- todo\nremove --> goes on.", "Text goes on."),
        ("Open `COM<port>` on <PID number> now.", "Open `COM<port>` on <PID number> now."),
        ("Fees &amp; taxes &euro;5&nbsp;each", "Fees & taxes €5 each"),
        ("![A key safe](img/safe.png) opens.", "A key safe opens."),
        ('<img src="x.png" alt="A key safe"> opens.', "A key safe opens."),
        ("[Terms](terms.md), [top](#top), [mail](mailto:a@b.example)", "Terms, top, mail"),
        ("<https://stay.example/help>", "https://stay.example/help"),
        ("One line\nand its rest.", "One line and its rest."),
        ("a\r\n\r\nb\rc", "a\n\nb c"),
        ("in\u200bvisible\u00a0space\x07", "invisible space"),
        ("Above\n\n---\n\nBelow", "Above\n\nBelow"),
        ("Press <kbd>Ctrl</kbd>.<script>alert(1)</script>", "Press `Ctrl`."),
        ("H<sub>2</sub>O and ~~old~~ **new**", "H2O and ~~old~~ **new**"),
    ],
)  # fmt: skip
def test_dressing_goes_and_words_stay(published: str, clean: str) -> None:
    assert markdown(published) == clean


def test_a_list_of_links_into_the_page_is_left_out() -> None:
    page = "In this article:\n\n- [Fees](#fees)\n- [Taxes](#taxes)\n\n## Fees\n\nNone.\n"
    assert markdown(page) == "## Fees\n\nNone."


def test_html_in_markdown_becomes_markdown() -> None:
    page = (
        "## Fees\n\n<div class='box'><p>Paid <a href='/pay'>online</a> or\n"
        "<a href='https://pay.example/'>by card</a>.</p>\n"
        "<ul><li>One<ul><li>Nested</li></ul></li><li>Two</li></ul></div>\n\nEnd."
    )
    assert markdown(page) == (
        "## Fees\n\nPaid online or [by card](https://pay.example/).\n\n"
        "- One\n  - Nested\n- Two\n\nEnd."
    )


def test_tables_stay_tables() -> None:
    table = "| Days | Fee |\n| --- | --- |\n| 1 | 5 € |\n| 2 | a \\| b |"
    assert markdown(table) == table
    as_html = (
        "<table><thead><tr><th>Days</th><th>Fee</th></tr></thead><tbody>"
        "<tr><td>1</td><td><ul><li>5 €</li><li>none for <b>members</b></li></ul></td></tr>"
        "<tr><td>2</td><td><p>first</p><p>second</p></td></tr></tbody></table>"
    )
    assert (
        markdown(as_html)
        == html(as_html)
        == (
            "| Days | Fee |\n| --- | --- |\n| 1 | 5 €; none for **members** |\n| 2 | first second |"
        )
    )


def test_a_table_without_a_head_keeps_its_rows() -> None:
    assert html(
        "<table><tr><td>Mon</td><td>9-5</td></tr><tr><td>Tue</td><td>-</td></tr></table>"
    ) == ("| Mon | 9-5 |\n| --- | --- |\n| Tue | - |")


def test_numbered_steps_keep_their_numbers_and_code_its_lines() -> None:
    page = "3. Open\n4. Run\n\n   ```\n   a  b\n   c\n   ```\n"
    assert markdown(page) == "3. Open\n4. Run\n\n   ```\n   a  b\n   c\n   ```"


def test_a_web_page_gives_its_content_and_its_header() -> None:
    page = (
        "<!doctype html><html><head><title>Refunds &ndash; Stay</title>"
        "<meta name='audience' content='staff'><link rel='canonical' href='https://s.example/r'>"
        "<style>p{}</style></head><body><nav>Menu</nav><main><h1>Refunds</h1><p>Five days."
        "</p></main><footer>Imprint</footer></body></html>"
    )
    parsed = parse_text("r.html", page, "html")
    assert (parsed.title, parsed.text) == ("Refunds – Stay", "# Refunds\n\nFive days.")
    assert (parsed.audience, parsed.url) == ("staff", "https://s.example/r")


def test_a_page_that_is_all_menu_is_not_lost() -> None:
    assert html("<body><nav><a href='/x'>Opening hours</a></nav></body>") == "Opening hours"


def test_a_document_with_only_a_header_keeps_what_the_header_says() -> None:
    page = "---\ntitle: Maps\ndescription: Where we are.\nredirect: https://m.example/\n---\n"
    parsed = parse_file("maps.md", page.encode())
    assert parsed.text == "Maps\n\nWhere we are.\n\nhttps://m.example/"
    assert parse_file("house-rules.md", b"---\nlayout: redirect\n---\n").text == "House rules"


def test_plain_text_stays_as_it_is() -> None:
    parsed = parse_text("a.txt", "House rules\n\n* No smoking <here>\n  at all", "text")
    assert (parsed.title, parsed.text) == (
        "House rules", "House rules\n\n* No smoking <here>\n  at all",
    )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "Café – 5 €".encode(),
        "Café – 5 €".encode("utf-8-sig"),
        "Café – 5 €".encode("cp1252"),
        "Café – 5 €".encode("utf-16"),
    ],
)
def test_the_encoding_is_found(content: bytes) -> None:
    assert parse_file("a.md", content).text == "Café – 5 €"


def test_a_declared_encoding_is_believed() -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body>Łódź</body></html>'
    assert parse_file("a.html", page.encode("iso-8859-2")).text == "Łódź"


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.md", b"", "empty"),
        ("a.md", b" \n\t\n", "empty"),
        ("a.html", b"<html><body><script>1</script></body></html>", "empty"),
        ("a.md", b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
        ("a.txt", bytes(range(1, 32)) * 10, "binary"),
        ("a.png", b"\x89PNG", "make it PDF, DOCX, XLSX, CSV, Markdown, HTML or text"),
        ("a.html", b"<div>" * 20_000, "too deeply"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(name: str, content: bytes, named: str) -> None:
    with pytest.raises(UnreadableDocument, match=named):
        parse_file(name, content)


def test_a_file_above_the_limit_is_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="limit is 5 MB"):
        parse_file("a.md", b"x" * (MAX_BYTES + 1))
