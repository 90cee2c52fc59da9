"""What a knowledge base does for those who write policies, on embedded stores and on servers."""

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy
from langchain_core.embeddings import Embeddings

from knowledge_base.errors import (
    DocumentNotFound,
    KnowledgeUnavailable,
    RevisionNotFound,
    UnreadableDocument,
)
from knowledge_base.library import Library
from knowledge_base.model import Added, Progress
from knowledge_base.settings import KnowledgeSettings
from tests.knowledge_base.conftest import HashedTrigrams, OpenLibrary, server_settings
from tests.servers import free_port


def add(library: Library, key: str, text: str, **rest: object) -> Added:
    return library.add_text(source="tests", key=key, text=text, **rest)  # type: ignore[arg-type]


def texts(library: Library, query: str = "refund", **rest: object) -> list[str]:
    return [hit.passage.text for hit in library.search(query, k=50, **rest)]  # type: ignore[arg-type]


def test_a_draft_is_not_found(library: Library) -> None:
    added = add(library, "refunds.md", "Refunds take five days.")
    assert texts(library) == []
    assert library.document(added.document_id or "").status == "draft"


def test_a_published_document_is_found_with_what_a_citation_needs(library: Library) -> None:
    added = add(
        library,
        "refunds.md",
        "---\ntitle: Refunds\nurl: https://stay.example/refunds\n---\n"
        "Intro that is long enough to stand alone. " + "It says little, but at length. " * 5
        + "\n\n## Late cancellation\n\nHalf of the price is paid back.",
        publish=True,
    )  # fmt: skip
    hit = library.search("late cancellation paid back")[0]
    assert hit.passage.document_id == added.document_id
    assert (hit.passage.title, hit.passage.section) == ("Refunds", "Late cancellation")
    assert hit.passage.url == "https://stay.example/refunds"
    assert hit.passage.text in library.revision(hit.passage.document_id, 1).text
    assert 0.5 < hit.score <= 1.0
    assert (hit.dense_rank, hit.lexical_rank) == (1, 1)


def test_a_published_revision_replaces_the_old_one(library: Library) -> None:
    add(library, "refunds.md", "The refund takes five days.", publish=True)
    second = add(library, "refunds.md", "The refund takes nine days.")
    assert (second.revision, texts(library)) == (2, ["The refund takes five days."])
    library.publish(second.document_id or "")
    assert texts(library) == ["The refund takes nine days."]
    statuses = [revision.status for revision in library.revisions(second.document_id or "")]
    assert statuses == ["retired", "published"]


def test_unchanged_content_makes_no_revision(library: Library) -> None:
    add(library, "refunds.md", "The refund takes five days.", publish=True)
    generation = library.generation
    again = add(library, "refunds.md", "The refund takes five days.", publish=True)
    assert (again.revision, again.unchanged, again.published) == (1, True, True)
    assert library.generation == generation


def test_a_changed_audience_alone_makes_a_revision(library: Library) -> None:
    add(library, "refunds.md", "The refund takes five days.", publish=True)
    again = add(library, "refunds.md", "The refund takes five days.", audience="staff")
    assert (again.revision, again.unchanged) == (2, False)


def test_rollback_publishes_a_new_revision_with_the_old_content(library: Library) -> None:
    first = add(library, "refunds.md", "The refund takes five days.", publish=True)
    add(library, "refunds.md", "The refund takes nine days.", publish=True)
    revision = library.rollback(first.document_id or "", 1)
    assert (revision.number, revision.status) == (3, "published")
    assert texts(library) == ["The refund takes five days."]
    assert library.document(first.document_id or "").revision == 3


def test_a_retired_document_is_gone_until_it_is_published_again(library: Library) -> None:
    added = add(library, "refunds.md", "The refund takes five days.", publish=True)
    library.retire(added.document_id or "")
    assert texts(library) == []
    assert library.document(added.document_id or "").status == "retired"
    library.publish(added.document_id or "")
    assert texts(library) == ["The refund takes five days."]


def test_many_documents_of_one_call_become_visible_in_one_generation(library: Library) -> None:
    before = library.generation
    library.add_texts(
        [(str(n), f"The refund number {n}.", None) for n in range(40)], source="s", publish=True
    )
    assert library.generation == before + 1
    assert len(texts(library)) == 40


def test_a_turn_keeps_the_generation_it_began_with(library: Library) -> None:
    add(library, "refunds.md", "The refund takes five days.", publish=True)
    began = library.generation
    add(library, "refunds.md", "The refund takes nine days.", publish=True)
    assert texts(library, generation=began) == ["The refund takes five days."]
    assert texts(library) == ["The refund takes nine days."]


def test_a_generation_long_gone_is_answered_from_the_visible_one(library: Library) -> None:
    for days in range(20):
        add(library, "refunds.md", f"The refund takes {days} days.", publish=True)
    assert texts(library, generation=1) == ["The refund takes 19 days."]


def test_customers_never_see_what_is_for_staff(library: Library) -> None:
    add(library, "a", "The refund limit for customers.", publish=True)
    add(library, "b", "---\naudience: staff\n---\nThe refund limit for staff.", publish=True)
    assert texts(library) == ["The refund limit for customers."]
    assert len(texts(library, audience="staff")) == 2


def test_a_passage_is_found_only_on_its_days(library: Library) -> None:
    start, end = date(2031, 3, 1), date(2031, 4, 1)
    add(library, "a", "The March refund.", effective_from=start, effective_to=end, publish=True)
    days = [date(2031, 2, 28), start, date(2031, 3, 31), end]
    assert [len(texts(library, on=day)) for day in days] == [0, 1, 1, 0]


def test_the_same_words_in_two_documents_are_one_hit(library: Library) -> None:
    add(library, "a", "The refund takes five days.", publish=True)
    add(library, "b", "The refund takes **five** days.", publish=True)
    assert len(texts(library)) == 1


def test_an_empty_question_finds_nothing(library: Library) -> None:
    add(library, "a", "The refund takes five days.", publish=True)
    assert library.search("  ") == []
    assert library.search("refund", k=0) == []


def test_a_question_of_unknown_words_still_finds_the_nearest(library: Library) -> None:
    add(library, "a", "The refund takes five days.", publish=True)
    hit = library.search("refunds5")[0]
    assert hit.lexical_rank is None
    assert 0 < hit.score < 0.6


@pytest.mark.parametrize("question", ["?!", "\0", "refund " * 20_000, "’", "退款"])
def test_an_odd_question_is_answered_like_any_other(library: Library, question: str) -> None:
    add(library, "a", "The refund takes five days.", publish=True)
    for hit in library.search(question):
        assert 0 <= hit.score <= 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, embeddings: Embeddings) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KnowledgeUnavailable, match="choose a folder"):
        Library.open(KnowledgeSettings(data_dir=tmp_path / "file" / "x"), embeddings, "trigrams")


def test_a_damaged_database_is_named(tmp_path: Path, embeddings: Embeddings) -> None:
    (tmp_path / "knowledge.db").write_bytes(b"no database " * 1000)
    with pytest.raises(KnowledgeUnavailable, match=r"knowledge\.db cannot be used"):
        Library.open(KnowledgeSettings(data_dir=tmp_path), embeddings, "trigrams")


def test_an_empty_library_answers_with_nothing(library: Library) -> None:
    assert library.search("refund") == []
    assert library.documents() == []


def test_unknown_documents_and_revisions_are_named(library: Library) -> None:
    added = add(library, "a", "The refund takes five days.")
    with pytest.raises(DocumentNotFound, match="nowhere"):
        library.publish("nowhere")
    with pytest.raises(RevisionNotFound, match="no revision 7"):
        library.publish(added.document_id or "", 7)
    with pytest.raises(RevisionNotFound, match="no revision 7"):
        library.rollback(added.document_id or "", 7)
    with pytest.raises(DocumentNotFound):
        library.retire("nowhere")


def test_a_rebuild_gives_the_same_answers(library: Library) -> None:
    library.add_texts(
        [(str(n), f"The refund of case {n} takes {n} days.", None) for n in range(30)],
        source="s",
        publish=True,
    )
    before = library.search("refund case 7", k=30)
    library.rebuild()
    after = library.search("refund case 7", k=30)
    assert [hit.passage for hit in after] == [hit.passage for hit in before]
    assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before])


def test_a_lost_collection_is_rebuilt_at_the_next_open(
    library: Library, open_library: OpenLibrary
) -> None:
    add(library, "a", "The refund takes five days.", publish=True)
    library._store.drop(library._catalog.pointer().collection)
    with pytest.raises(KnowledgeUnavailable, match="rebuild"):
        library.search("refund")
    assert texts(open_library()) == ["The refund takes five days."]


def test_another_embedder_rebuilds_the_vectors(
    library: Library, settings: KnowledgeSettings
) -> None:
    add(library, "a", "The refund takes five days.", publish=True)
    library.close()
    with Library.open(settings, HashedTrigrams(64), "smaller trigrams") as other:
        assert other.search("refund")[0].dense_rank == 1


def test_a_reopened_library_embeds_nothing_again(
    library: Library, settings: KnowledgeSettings
) -> None:
    class Counting(HashedTrigrams):
        count = 0

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            self.count += len(texts)
            return super().embed_documents(texts)

    added = add(library, "a", "The refund takes five days.", publish=True)
    library.close()
    counting = Counting()
    with Library.open(settings, counting, "trigrams") as again:
        again.rebuild()
        again.rollback(added.document_id or "", 1)
        assert counting.count == 0
        add(again, "b", "Something new.", publish=True)
        assert counting.count == 1


def test_progress_counts_files_and_then_passages(library: Library, tmp_path: Path) -> None:
    for number in range(70):
        (tmp_path / f"{number}.md").write_text(f"The refund {number}.")
    seen: list[Progress] = []
    library.add_paths([tmp_path], publish=True, progress=seen.append)
    assert [p.done for p in seen if p.stage == "reading"] == list(range(71))
    assert [(p.done, p.total) for p in seen if p.stage == "embedding"] == [
        (0, 70), (32, 70), (64, 70), (70, 70),
    ]  # fmt: skip


def test_ping_is_quiet_while_the_stores_answer(library: Library) -> None:
    library.ping()


def test_tables_of_another_version_are_refused(
    library: Library, settings: KnowledgeSettings, embeddings: Embeddings
) -> None:
    with library._catalog.transaction() as connection:
        connection.execute(sqlalchemy.text("UPDATE kb_meta SET version = 99"))
    with pytest.raises(KnowledgeUnavailable, match="version 99"):
        Library.open(settings, embeddings, "trigrams")


@pytest.mark.parametrize(
    "address",
    [
        {"chroma_url": "http://127.0.0.1:{port}"},
        {"database_url": "postgresql+psycopg://user:secret@127.0.0.1:{port}/kb"},
    ],
)
def test_an_unreachable_server_is_named_without_its_password(
    address: dict[str, str], tmp_path: Path, embeddings: Embeddings
) -> None:
    port = free_port()
    given = {name: url.format(port=port) for name, url in address.items()}
    with pytest.raises(
        KnowledgeUnavailable, match=f"127.0.0.1:{port}.*check that it runs"
    ) as caught:
        Library.open(KnowledgeSettings(data_dir=tmp_path, **given), embeddings, "trigrams")  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


@pytest.mark.servers
def test_a_second_process_sees_what_the_first_publishes(
    request: pytest.FixtureRequest, tmp_path: Path, embeddings: Embeddings
) -> None:
    shared = server_settings(request, tmp_path)
    with (
        Library.open(shared, embeddings, "trigrams") as first,
        Library.open(shared, embeddings, "trigrams") as second,
    ):
        assert texts(second) == []
        add(first, "a", "The refund takes five days.", publish=True)
        assert texts(second) == ["The refund takes five days."]
        first.rebuild()
        assert texts(second) == ["The refund takes five days."]


def test_a_wrong_time_zone_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="Nowhere"):
        KnowledgeSettings(data_dir=tmp_path, time_zone="Nowhere/Land")


def test_a_header_that_contradicts_itself_is_refused(library: Library) -> None:
    with pytest.raises(UnreadableDocument, match="before it starts"):
        add(library, "a", "x", effective_from=date(2031, 2, 1), effective_to=date(2031, 1, 1))
    assert library.documents() == []
