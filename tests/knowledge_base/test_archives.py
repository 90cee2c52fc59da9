"""ZIP files: folders that somebody packed, and what somebody packed to do harm."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from knowledge_base import archives
from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.library import Library
from tests.knowledge_base import made


def test_an_archive_is_a_folder(library: Library, tmp_path: Path) -> None:
    packed = made.archive(
        {
            "fees.md": "Towels cost 3 EUR.",
            "hosts/fees.csv": "Item,Fee\nKeys,9 EUR\n",
            "hosts/manual.pdf": made.pdf([["Parking costs 12 EUR."]]),
            "hosts/terms.docx": made.docx(made.paragraph("Boats cost 70 EUR.")),
            "photo.png": b"\x89PNG",
            ".hidden.md": "x",
            "__MACOSX/._fees.md": "x",
            "broken.pdf": "x",
        }
    )
    (tmp_path / "pack.zip").write_bytes(packed)
    added = library.add_paths([tmp_path / "pack.zip"], publish=True)
    assert {one.key for one in added if not one.error} == {
        "fees.md", "hosts/fees.csv", "hosts/manual.pdf", "hosts/terms.docx",
    }  # fmt: skip
    assert {one.key: one.error for one in added if one.error} == {
        "broken.pdf": "broken.pdf is not a PDF inside; save it again from its program."
    }
    assert {one.source for one in added} == {str(tmp_path / "pack.zip")}
    assert library.search("What do boats cost?")[0].passage.text == "Boats cost 70 EUR."

    uploaded = library.add_archive(source="uploads", name="pack.zip", content=packed)
    assert [one.key for one in uploaded] == [one.key for one in added]
    in_folder = library.add_paths([tmp_path], source="folder")
    assert "pack.zip/hosts/fees.csv" in {one.key for one in in_folder}


def test_a_broken_archive_in_a_folder_is_one_error(library: Library, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(b"PK\3\4 broken")
    (tmp_path / "fees.md").write_text("Towels cost 3 EUR.")
    added = {one.key: one.error for one in library.add_paths([tmp_path])}
    assert added["fees.md"] is None
    assert "damaged" in str(added["pack.zip"])
    with pytest.raises(UnreadableDocument, match=r"pack\.zip"):
        library.add_paths([tmp_path / "pack.zip"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../etc/cron.md", "leads out"),
        ("/etc/cron.md", "leads out"),
        ("C:/cron.md", "leads out"),
        ("a/../../cron.md", "leads out"),
        ("a\\..\\cron.md", "leads out"),
        ("inner.zip", "archive in an archive"),
        ("inner.tar.gz", "archive in an archive"),
    ],
)
def test_one_bad_entry_is_refused_and_the_others_are_read(name: str, said: str) -> None:
    entries = archives.entries("p.zip", made.archive([(name, "x"), ("fine.md", "Fine.")]))
    read = {one.key: one.read for one in entries}
    assert read.pop("fine.md")() == b"Fine."
    (bad,) = read.values()
    with pytest.raises(UnreadableDocument, match=said):
        bad()


def test_a_link_in_an_archive_is_refused() -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as target:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, "/etc/passwd")
    (entry,) = archives.entries("p.zip", kept.getvalue())
    with pytest.raises(UnreadableDocument, match="link to another place"):
        entry.read()


def bomb(size: int, count: int = 1) -> bytes:
    return made.archive([(f"{n}.txt", b"\0" * size) for n in range(count)])


def lying_bomb() -> bytes:
    """Says that its entry has 10 bytes."""
    packed = bytearray(bomb(120_000_000))
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = packed.rindex(signature)
        packed[start + at : start + at + 4] = (10).to_bytes(4, "little")
    return bytes(packed)


def encrypted() -> bytes:
    packed = bytearray(made.archive({"a.md": "x"}))
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        packed[packed.rindex(signature) + at] |= 1
    return bytes(packed)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: bomb(120_000_000), "unpacks to more than"),
        (lambda: bomb(1_100_000, 100), "unpacks to more than"),
        (lying_bomb, "unpacks to more than|damaged"),
        (lambda: made.archive({f"{n}.md": "x" for n in range(2_001)}), "more than 2,000 files"),
        (encrypted, "is encrypted"),
        (lambda: b"", "damaged"),
        (lambda: b"PK\3\4" + b"\0" * 100, "damaged"),
        (lambda: made.archive({"a.md": "x" * 999})[:-40], "damaged"),
    ],
)
def test_an_archive_made_to_do_harm_is_refused_as_a_whole(content, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnreadableDocument, match=said):
        archives.entries("p.zip", content())


def test_an_archive_has_a_size() -> None:
    with pytest.raises(DocumentTooLarge, match="limit is 50 MB"):
        archives.entries("p.zip", bytes(50_000_001))


def test_a_link_out_of_a_folder_is_not_followed(library: Library, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("Secret.")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "fees.md").write_text("Towels cost 3 EUR.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "same.md").symlink_to(folder / "fees.md")
    assert {one.key for one in library.add_paths([folder])} == {"fees.md", "same.md"}
