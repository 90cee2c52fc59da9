"""Passages are verbatim slices along the headings, and together they are the whole text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge_base.chunking import cut
from knowledge_base.markup import normalised
from knowledge_base.sizes import PassageSizes

SIZES = PassageSizes(target=200, table=400, tiny=40)
LONG = "A sentence of the rule that says something. " * 3


def pieces(text: str, sizes: PassageSizes = SIZES, title: str = "") -> list[tuple[str | None, str]]:
    return [(piece.section, text[piece.start : piece.end]) for piece in cut(text, title, sizes)]


BLOCKS = st.one_of(
    st.builds("{} {}".format, st.sampled_from(["#", "##", "###"]), st.text("ab `*#", max_size=9)),
    st.text("word. \n|-#>`1", max_size=300),
    st.text(min_size=1, max_size=80),
    st.just("| a | b |\n| --- | --- |\n" + "| one | two |\n" * 20),
    st.just("- item\n  - nested item that goes on\n" * 12),
    st.just("```\n# no heading\n\n| no | table |\n```"),
    st.just("[a link]: https://stay.example"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(BLOCKS, min_size=1, max_size=8).map("\n\n".join).map(normalised).filter(str.strip))
def test_nothing_is_lost_repeated_or_changed(text: str) -> None:
    cuts = cut(text, "", SIZES)
    bounds = [bound for piece in cuts for bound in (piece.start, piece.end)]
    assert bounds == sorted(bounds)
    assert all(text[piece.start : piece.end].strip() for piece in cuts)
    joined = "".join(text[piece.start : piece.end] for piece in cuts)
    assert "".join(joined.split()) == "".join(text.split())


def test_a_passage_knows_its_heading_path_and_the_title_is_not_repeated() -> None:
    text = f"# Refunds\n\n{LONG}\n\n## Late\n\n{LONG}\n\n### Hosts\n\n{LONG}\n\n## Early\n\n{LONG}"
    sections = [section for section, _ in pieces(text.strip(), title="refunds")]
    assert sections == [None, "Late", "Late > Hosts", "Early"]


def test_a_heading_in_code_is_not_a_heading() -> None:
    assert pieces("```\n# echo\n```") == [(None, "```\n# echo\n```")]


def test_a_tiny_section_goes_with_its_sibling_or_child() -> None:
    short = "Small, but not tiny: more than forty characters."
    text = f"## A\n\nNo.\n\n## B\n\n{short}\n\n## C\n\n### D\n\n{short}\n\n# E\n\n{LONG}"
    assert [section for section, _ in pieces(text)] == ["A", "C > D", "E"]


def test_a_tiny_section_does_not_go_with_what_stands_above_it() -> None:
    text = (
        f"# A\n\n{LONG}\n\n## B\n\nNo.\n\n# C\n\nSmall, but not tiny: more than forty characters."
    )
    assert [section for section, _ in pieces(text)] == ["A", "A > B", "C"]


def test_a_long_section_is_cut_between_blocks() -> None:
    text = "\n\n".join(f"Rule {number}. {LONG}".strip() for number in range(3))
    assert [body for _, body in pieces(text)] == text.split("\n\n")


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    found = [body for _, body in pieces((LONG * 4).strip())]
    assert len(found) > 1
    assert all(body.endswith(".") and len(body) <= SIZES.target for body in found)


def test_a_heading_stays_with_what_follows_it() -> None:
    found = pieces(f"## A heading\n\n{LONG}{LONG}")
    assert found[0][1].startswith("## A heading\n\nA sentence")


def test_a_table_stays_whole_up_to_its_limit_and_is_then_cut_between_rows() -> None:
    head = "| Days before | Paid back |\n| --- | --- |\n"
    small = head + "| 10 days | 50 percent |\n" * 12
    assert [body for _, body in pieces(small.strip())] == [small.strip()]
    large = head + "| 10 days | 50 percent |\n" * 40
    found = [body for _, body in pieces(large.strip())]
    assert len(found) > 1
    assert all(line in large.split("\n") for body in found for line in body.split("\n"))
