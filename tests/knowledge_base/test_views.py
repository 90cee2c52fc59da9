"""What is not published can be searched like what is: drafts, a change, a day gone by."""

from datetime import UTC, datetime, timedelta

import pytest

from knowledge_base.errors import RevisionNotFound
from knowledge_base.library import Library
from knowledge_base.model import Change, Hit
from knowledge_base.view import View


def put(library: Library, key: str, text: str, **more: object) -> str:
    added = library.add_text(source="test", key=key, text=text, **more)  # type: ignore[arg-type]
    assert added.document_id is not None
    return added.document_id


def told(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.text, round(hit.score, 4)) for hit in hits]


def texts(view: View | Library, query: str = "What is the fee for a dog?") -> set[str]:
    return {hit.passage.text for hit in view.search(query, k=20)}


def test_a_view_of_what_is_published_ranks_as_the_library_does(library: Library) -> None:
    for n in range(30):
        put(library, f"{n}.md", f"# Fee {n}\n\nThe fee of case {n} is {n} euros.", publish=True)
    for query in ("What is the fee of case 7?", "euros", "Nothing of the kind"):
        assert told(library.view().search(query, k=8)) == told(library.search(query, k=8))


def test_drafts_are_seen_in_a_view_with_drafts_only(library: Library) -> None:
    dog = put(library, "dog.md", "The fee for a dog is 17 euros.", publish=True)
    put(library, "dog.md", "The fee for a dog is 20 euros.")
    put(library, "cat.md", "The fee for a cat is 5 euros.")
    assert texts(library.view(drafts=True)) == {
        "The fee for a dog is 20 euros.",
        "The fee for a cat is 5 euros.",
    }
    assert texts(library.view()) == texts(library) == {"The fee for a dog is 17 euros."}
    library.retire(dog)
    assert texts(library.view(drafts=True)) == {"The fee for a cat is 5 euros."}


def test_a_change_is_seen_before_it_is_made(library: Library) -> None:
    dog = put(library, "dog.md", "The fee for a dog is 17 euros.", publish=True)
    put(library, "cat.md", "The fee for a cat is 5 euros.", publish=True)
    put(library, "dog.md", "The fee for a dog is 20 euros.")
    assert "The fee for a dog is 20 euros." in texts(library.view({dog: 2}))
    assert texts(library.view({dog: None})) == {"The fee for a cat is 5 euros."}
    assert "The fee for a dog is 17 euros." in texts(library)
    with pytest.raises(RevisionNotFound):
        library.view({dog: 3})


def test_a_moment_gone_by_is_seen_as_it_was(library: Library) -> None:
    before = datetime.now(UTC)
    dog = put(library, "dog.md", "The fee for a dog is 17 euros.", publish=True)
    first = datetime.now(UTC)
    put(library, "dog.md", "The fee for a dog is 20 euros.", publish=True)
    second = datetime.now(UTC)
    for n in range(12):  # more than the generations that Chroma keeps
        put(library, "other.md", f"Something else, {n}.", publish=True)
    library.rollback(dog, 1)
    library.rebuild()
    assert texts(library.view(at=before)) == set()
    assert texts(library.view(at=first)) == {"The fee for a dog is 17 euros."}
    assert texts(library.view(at=second)) == {"The fee for a dog is 20 euros."}


def test_a_view_of_a_day_knows_what_was_in_force(library: Library) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    put(library, "a.md", "The fee for a dog is 17 euros.", effective_to=tomorrow, publish=True)
    put(library, "b.md", "The fee for a dog is 20 euros.", effective_from=tomorrow, publish=True)
    assert texts(library.view()) == {"The fee for a dog is 17 euros."}
    later = datetime.now(UTC) + timedelta(days=2)
    assert texts(library.view(at=later)) == {"The fee for a dog is 20 euros."}


def test_staff_passages_are_in_no_customers_view(library: Library) -> None:
    put(library, "dog.md", "The fee for a dog is waived on request.", audience="staff")
    view = library.view(drafts=True)
    assert view.search("fee for a dog") == []
    assert len(view.search("fee for a dog", audience="staff")) == 1


def test_a_revision_says_who_made_it_and_why(library: Library) -> None:
    by = Change("anna@example.org", "New season")
    dog = put(library, "dog.md", "The fee for a dog is 17 euros.", by=by, publish=True)
    library.rollback(dog, 1, Change("ben@example.org", "Too early"))
    first, second = library.revisions(dog)
    assert (first.author, first.note) == ("anna@example.org", "New season")
    assert (second.author, second.note) == ("ben@example.org", "Too early")
    summary = library.document(dog)
    assert (summary.latest, summary.passages, summary.changed_by) == (2, 1, "ben@example.org")
