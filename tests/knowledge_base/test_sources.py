"""A source kept in step with its folder, and the preview of one file."""

import subprocess
from pathlib import Path

import pytest

from knowledge_base.errors import SourceEmpty, UnreadableDocument
from knowledge_base.library import Library
from knowledge_base.model import Added
from knowledge_base.parsing import Stated
from tests.knowledge_base import made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in ("towels", "boats", "dogs"):
        (folder / f"{name}.md").write_text(f"Rules about {name}.")
    return folder


def sync(library: Library, folder: Path, **how: bool) -> dict[str, Added]:
    return {one.key: one for one in library.sync(folder, source="policies", **how)}


def found(library: Library) -> set[str]:
    return {hit.passage.text for hit in library.search("rules", k=50)}


def test_a_source_follows_its_folder_in_one_step(library: Library, folder: Path) -> None:
    library.add_text(source="other", key="cats.md", text="Rules about cats.", publish=True)
    sync(library, folder, publish=True)
    before = library.generation
    (folder / "towels.md").write_text("Other rules about towels.")
    (folder / "bikes.md").write_text("Rules about bikes.")
    (folder / "boats.md").unlink()
    done = sync(library, folder, publish=True)
    assert library.generation == before + 1
    assert found(library) == {
        "Rules about cats.", "Other rules about towels.", "Rules about bikes.", "Rules about dogs.",
    }  # fmt: skip
    assert done["boats.md"].retired
    assert done["dogs.md"].unchanged
    assert (done["towels.md"].revision, done["bikes.md"].revision) == (2, 1)
    again = sync(library, folder, publish=True)
    assert library.generation == before + 1
    assert all(one.unchanged for one in again.values())


def test_drafts_wait_but_what_is_gone_is_gone(library: Library, folder: Path) -> None:
    sync(library, folder)
    assert found(library) == set()
    sync(library, folder, publish=True)
    (folder / "towels.md").write_text("Other rules about towels.")
    (folder / "boats.md").unlink()
    sync(library, folder)
    assert found(library) == {"Rules about towels.", "Rules about dogs."}
    sync(library, folder, publish=True)
    assert found(library) == {"Other rules about towels.", "Rules about dogs."}


def test_a_file_that_comes_back_is_shown_again(library: Library, folder: Path) -> None:
    sync(library, folder, publish=True)
    (folder / "boats.md").unlink()
    sync(library, folder, publish=True)
    (folder / "boats.md").write_text("Rules about boats.")
    done = sync(library, folder, publish=True)
    assert done["boats.md"].revision == 1
    assert "Rules about boats." in found(library)


def test_what_a_person_retired_stays_so_until_its_file_changes(
    library: Library, folder: Path
) -> None:
    done = sync(library, folder, publish=True)
    library.retire(str(done["dogs.md"].document_id))
    sync(library, folder, publish=True)
    assert "Rules about dogs." not in found(library)
    (folder / "dogs.md").write_text("Better rules about dogs.")
    sync(library, folder, publish=True)
    assert "Better rules about dogs." in found(library)


def test_an_unreadable_file_keeps_what_it_said_before(library: Library, folder: Path) -> None:
    sync(library, folder, publish=True)
    (folder / "dogs.md").write_bytes(b"\0\1")
    done = sync(library, folder, publish=True)
    assert "binary" in str(done["dogs.md"].error)
    assert "Rules about dogs." in found(library)


def test_an_empty_folder_retires_nothing(library: Library, folder: Path) -> None:
    sync(library, folder, publish=True)
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(SourceEmpty, match="nothing was changed"):
        sync(library, folder, publish=True)
    with pytest.raises(UnreadableDocument, match="no folder"):
        library.sync(folder / "missing", source="policies")
    assert len(found(library)) == 3


def test_an_archive_may_be_the_folder(library: Library, tmp_path: Path) -> None:
    packed = tmp_path / "pack.zip"
    packed.write_bytes(made.archive({"a.md": "Rules about a.", "b/c.md": "Rules about c."}))
    sync(library, packed, publish=True)
    packed.write_bytes(made.archive({"a.md": "Rules about a."}))
    assert sync(library, packed, publish=True)["b/c.md"].retired
    assert found(library) == {"Rules about a."}


def test_a_checkouts_commit_signs_its_revisions(library: Library, folder: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Ann Moss", "-c", "user.email=ann@example.org")
        return subprocess.run(
            ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "Rules")
    done = sync(library, folder)
    revision = library.revision(str(done["dogs.md"].document_id), 1)
    assert revision.author == "Ann Moss"
    assert revision.note == f"commit {git('rev-parse', '--short', 'HEAD')}"


def test_a_preview_shows_the_passages_and_keeps_nothing(library: Library) -> None:
    content = made.pdf([["Towels cost 3 EUR."], ["Boats cost 70 EUR."]], picture=True)
    preview = library.preview(content, name="fees.pdf", stated=Stated(audience="staff"))
    assert (preview.parsed.title, preview.parsed.audience) == ("Fees", "staff")
    assert [(one.section, one.page) for one in preview.passages] == [("Page 1", 1), ("Page 2", 2)]
    assert "Boats cost 70 EUR." in preview.passages[1].text
    assert "2 pictures were left out." in preview.warnings
    assert library.documents() == []
    with pytest.raises(UnreadableDocument, match="is encrypted"):
        library.preview(made.pdf([["x"]], encrypted=True), name="a.pdf", stated=Stated())
