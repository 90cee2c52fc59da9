"""Two texts are compared whole, by code."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.differences import LINES, ROWS, Line, Row, difference

NAMES = ("old", "new")
lines = st.lists(st.sampled_from(["", "a", "b c", "the fee is 5", "the fee is 6"]), max_size=40)


def said(line: Line | None) -> str:
    assert line is not None
    return "".join(part.text for part in line.parts)


def sides(rows: list[Row]) -> tuple[list[str], list[str]]:
    old = [said(row.old) for row in rows if row.old]
    new = [said(row.new) for row in rows if row.new]
    return old, new


@given(lines, lines)
def test_the_rows_and_the_lines_they_skip_are_both_texts(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    found = difference(before, after, NAMES)
    if before == after:
        assert (found.rows, found.unified) == ([], "")
        return
    at = [0, 0]
    texts = before.split("\n"), after.split("\n")
    for row in found.rows:
        if row.kind == "skipped":
            a, b = (text[n : n + row.skipped] for text, n in zip(texts, at, strict=True))
            assert a == b
            at = [at[0] + row.skipped, at[1] + row.skipped]
            continue
        for side, line in enumerate((row.old, row.new)):
            if line is not None:
                assert (line.number - 1, said(line)) == (at[side], texts[side][at[side]])
                at[side] += 1
    assert at == [len(texts[0]), len(texts[1])]


@given(lines, lines)
def test_the_unified_form_is_a_patch_of_the_same_change(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old).split("\n"), "\n".join(new).split("\n")
    ours = difference("\n".join(before), "\n".join(after), NAMES).unified.splitlines()
    assert [line for line in ours if line.startswith("@@")] or before == after
    known = list(difflib.unified_diff(before, after, *NAMES, lineterm=""))
    assert bool(ours) == bool(known)


def test_a_change_that_no_page_can_show_is_cut_and_says_so() -> None:
    old = "\n".join(f"old {n}" for n in range(LINES * 2))
    new = "\n".join(f"new {n}" for n in range(LINES * 2))
    found = difference(old, new, NAMES)
    assert found.truncated
    assert len(found.rows) == ROWS
    assert len(found.unified.splitlines()) <= 2 * ROWS
    assert sides(found.rows)[0][0] == "old 0"
