"""What `add_paths` makes of files and folders."""

from pathlib import Path

import pytest

from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.library import Library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    files = {
        "refunds.md": b"Refunds take five days.",
        "hosts/refunds.md": b"Hosts wait ten days.",
        "hosts/tax.html": b"<h1>Tax</h1><p>Nine percent.</p>",
        "rules.txt": b"House rules\n\nNo smoking.",
        "broken.md": b"\0\1\2",
        "empty.md": b"",
        "title-only.md": b"---\ntitle: Deposits\n---\n",
        "photo.png": b"\x89PNG",
        ".hidden.md": b"Hidden.",
        ".git/notes.md": b"Hidden too.",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_of_mixed_files_loses_no_document(library: Library, folder: Path) -> None:
    added = library.add_paths([folder], publish=True)
    assert {one.key for one in added if one.error is None} == {
        "refunds.md", "hosts/refunds.md", "hosts/tax.html", "rules.txt", "title-only.md",
    }  # fmt: skip
    assert {one.key: one.error for one in added if one.error} == {
        "broken.md": "broken.md is a binary file; convert it to Markdown or text.",
        "empty.md": "empty.md is empty; put text in it or leave it out.",
    }
    assert {one.source for one in added} == {str(folder)}
    assert all(one.passages >= 1 for one in added if one.error is None)
    assert len(library.search("anything", k=100)) == 5


def test_one_name_in_two_folders_is_two_documents(library: Library, folder: Path) -> None:
    library.add_paths([folder], publish=True)
    found = {hit.passage.text for hit in library.search("days")}
    assert {"Refunds take five days.", "Hosts wait ten days."} <= found


def test_the_same_folder_again_revises_only_what_changed(library: Library, folder: Path) -> None:
    first = {one.key: one for one in library.add_paths([folder], publish=True)}
    (folder / "refunds.md").write_text("Refunds take six days.")
    second = {one.key: one for one in library.add_paths([folder], publish=True)}
    assert {key for key, one in second.items() if one.error is None and not one.unchanged} == {
        "refunds.md"
    }
    assert second["refunds.md"].document_id == first["refunds.md"].document_id
    assert second["refunds.md"].revision == 2
    assert library.search("refunds six")[0].passage.text == "Refunds take six days."


def test_a_named_source_survives_a_move_of_the_folder(library: Library, folder: Path) -> None:
    first = library.add_paths([folder], source="policies")
    moved = folder.rename(folder.parent / "elsewhere")
    second = library.add_paths([moved], source="policies")
    assert [one.document_id for one in second] == [one.document_id for one in first]
    assert all(one.unchanged for one in second if one.error is None)


def test_a_single_file_is_keyed_by_its_name_in_its_folder(library: Library, folder: Path) -> None:
    (added,) = library.add_paths([folder / "hosts" / "refunds.md"])
    assert (added.source, added.key) == (str(folder / "hosts"), "refunds.md")


def test_document_ids_are_fit_for_a_url(library: Library, folder: Path) -> None:
    added = library.add_paths([folder])
    assert all(one.document_id.isalnum() for one in added if one.document_id)


@pytest.mark.parametrize("name", ["broken.md", "photo.png", "missing.md"])
def test_a_file_named_itself_is_refused_and_nothing_is_written(
    library: Library, folder: Path, name: str
) -> None:
    with pytest.raises(UnreadableDocument, match=name):
        library.add_paths([folder, folder / name])
    assert library.documents() == []


def test_a_huge_file_is_not_even_read(library: Library, folder: Path) -> None:
    with (folder / "huge.md").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(DocumentTooLarge, match=r"huge\.md"):
        library.add_paths([folder / "huge.md"])


def test_an_uploaded_file_is_read_by_its_name(library: Library) -> None:
    added = library.add_file(
        source="uploads", key="u1", name="tax.html", content=b"<p>Nine percent.</p>",
        title="Tax", audience="staff", publish=True,
    )  # fmt: skip
    assert (added.title, added.revision) == ("Tax", 1)
    hit = library.search("nine percent", audience="staff")[0]
    assert (hit.passage.text, hit.passage.title) == ("Nine percent.", "Tax")
    assert library.search("nine percent") == []


def test_every_passage_is_a_verbatim_slice_of_its_revision(library: Library, folder: Path) -> None:
    (folder / "long.md").write_text(
        "# Long\n\n"
        + "\n\n".join(f"## Part {n}\n\n" + f"Rule {n} says so. " * 60 for n in range(9))
    )
    for one in library.add_paths([folder]):
        if one.document_id and one.revision:
            text = library.revision(one.document_id, one.revision).text
            passages = library.passages(one.document_id, one.revision)
            assert len(passages) == one.passages
            assert all(passage.text in text for passage in passages)
