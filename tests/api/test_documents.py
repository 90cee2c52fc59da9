"""Documents as an admin has them over HTTP: taken in, revised, compared, published, taken back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from agent.http.limits import DOCUMENT_BYTES
from agent.storage.asked import Asked, Touched
from tests.api.conftest import Product
from tests.api.people import OPENED, Person, signed_in

DOCUMENTS = "admin/documents"
SAUNA = "# The sauna\n\n## Hours\n\nThe sauna is open from 16:00 to 22:00.\n"


@pytest.fixture(autouse=True)
def browsers_are_closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture(scope="module")
def admin(product: Product) -> Iterator[Person]:
    person = signed_in(product, "admin")
    OPENED.remove(person.client)
    yield person
    person.client.close()


def upload(
    admin: Person, text: str | bytes = SAUNA, name: str = "sauna.md", **said: str
) -> httpx.Response:
    files = {"file": (name, text if isinstance(text, bytes) else text.encode())}
    return admin.call("POST", DOCUMENTS, files=files, data=said)


def made(admin: Person, text: str = SAUNA, name: str = "sauna.md", **said: str) -> str:
    answer = upload(admin, text, name, **said)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def does(admin: Person, document_id: str, verb: str, **body: Any) -> dict[str, Any]:
    answer = admin.call("POST", f"{DOCUMENTS}/{document_id}/{verb}", json=body)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def read(admin: Person, path: str, **query: Any) -> dict[str, Any]:
    answer = admin.call("GET", f"{DOCUMENTS}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def retired(admin: Person, document_id: str) -> dict[str, Any]:
    answer = admin.call("DELETE", f"{DOCUMENTS}/{document_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def shown(product: Product, document_id: str, query: str = "sauna hours") -> set[int]:
    hits = product.services.library.search(query, k=20)
    return {hit.passage.revision for hit in hits if hit.passage.document_id == document_id}


# -- taking in


def test_a_file_becomes_a_draft_that_customers_do_not_see(product: Product, admin: Person) -> None:
    said = {"title": "Sauna", "audience": "public", "effective_from": "2026-01-01", "note": "New."}
    answer = upload(admin, **said)
    assert answer.status_code == 201
    made = answer.json()
    assert made == {"id": made["id"], "revision": 1, "status": "draft"}
    assert shown(product, made["id"]) == set()
    one = read(admin, made["id"])
    assert (one["title"], one["status"], one["source"]) == ("Sauna", "draft", "upload")
    assert one["key"].endswith("/sauna.md")
    assert (one["changed_by"], one["note"]) == (admin.email, "New.")
    assert (one["effective_from"], one["effective_to"]) == ("2026-01-01", None)
    assert (one["latest"], one["passages"], one["uses"]) == (1, 1, 0)
    assert "open from 16:00" in one["text"]
    assert one["changed_at"].endswith("Z")


def test_two_uploads_of_one_name_are_two_documents(admin: Person) -> None:
    first, second = made(admin), made(admin)
    assert first != second
    assert read(admin, first)["revision"] == read(admin, second)["revision"] == 1


def test_a_file_of_a_folder_keeps_its_path_and_leads_nowhere_else(admin: Person) -> None:
    one = read(admin, made(admin, name="../../etc/house/sauna.md"))
    assert one["key"].endswith("/etc/house/sauna.md")
    assert ".." not in one["key"]


@pytest.mark.parametrize(
    ("text", "name", "said", "status", "field"),
    [
        (b"\x00\x01\x02" * 40, "sauna.exe", {}, 415, "file"),
        (b"", "sauna.md", {}, 415, "file"),
        (b"a" * 5_000_001, "sauna.md", {}, 413, "file"),
        (SAUNA.encode(), "sauna.md", {"audience": "everybody"}, 422, "audience"),
        (SAUNA.encode(), "sauna.md", {"effective_from": "next week"}, 422, "effective_from"),
        (SAUNA.encode(), "sauna.md", {"effective_to": "2026-02-30"}, 422, "effective_to"),
        (SAUNA.encode(), "sauna.md", {"title": "x" * 201}, 422, "title"),
        (
            SAUNA.encode(),
            "sauna.md",
            {"effective_from": "2026-02-01", "effective_to": "2026-02-01"},
            422,
            "effective_to",
        ),
    ],
)
def test_what_is_no_document_is_refused_by_its_field(
    admin: Person, text: bytes, name: str, said: dict[str, str], status: int, field: str
) -> None:
    answer = upload(admin, text, name, **said)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["field"]) == (status, field)
    assert problem["code"]
    assert problem["detail"]


def test_a_body_that_is_no_form_with_a_file_is_refused(admin: Person) -> None:
    no_file = admin.call("POST", DOCUMENTS, files={"note": (None, "x")})
    assert (no_file.status_code, no_file.json()["field"]) == (422, "file")
    no_form = admin.call("POST", DOCUMENTS, json={"text": SAUNA})
    assert (no_form.status_code, no_form.json()["code"]) == (415, "unreadable_document")


def test_a_body_above_the_limit_is_refused_unread(admin: Person) -> None:
    def parts() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
        for _ in range(DOCUMENT_BYTES // 2**20 + 2):
            yield b"a" * 2**20
        yield b"\r\n--x--\r\n"

    headers = {"X-CSRF-Token": admin.csrf, "Content-Type": "multipart/form-data; boundary=x"}
    answer = admin.client.post(f"/api/v1/{DOCUMENTS}", content=parts(), headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (413, "file")


def test_only_admins_and_only_with_the_token(product: Product, admin: Person) -> None:
    stranger = product.client()
    OPENED.append(stranger)
    files = {"file": ("sauna.md", SAUNA.encode())}
    assert stranger.post(f"/api/v1/{DOCUMENTS}", files=files).status_code == 401
    assert admin.client.post(f"/api/v1/{DOCUMENTS}", files=files).status_code == 403
    ann = signed_in(product, "supervisor")
    assert ann.call("POST", DOCUMENTS, files=files).status_code == 403
    assert ann.call("GET", DOCUMENTS).status_code == 403
    key = admin.call("POST", "admin/keys", json={"name": "kb", "scopes": ["admin"]}).json()["key"]
    with product.client(headers={"Authorization": f"Bearer {key}"}) as program:
        answer = program.post(f"/api/v1/{DOCUMENTS}", files=files)
    assert answer.status_code == 201
    assert read(admin, answer.json()["id"])["changed_by"] == "kb"


def test_what_would_be_understood_is_seen_before_anything_is_kept(
    product: Product, admin: Person
) -> None:
    before = len(product.services.library.documents())
    hours = "The sauna opens at noon, and closes late in the evening. " * 12
    text = f"# House\n\n## Sauna\n\n{hours}\n\n## Pool\n\n{hours}\n"
    seen = admin.call("POST", f"{DOCUMENTS}/preview", files={"file": ("h.md", text.encode())})
    assert seen.status_code == 200, seen.text
    found = seen.json()
    assert (found["title"], found["count"], found["warnings"]) == ("House", 2, [])
    assert [one["section"] for one in found["passages"]] == ["Sauna", "Pool"]
    assert all(one["text"] in found["text"] for one in found["passages"])
    document = made(admin, text)
    kept = read(admin, f"{document}/revisions/1")["passages"]
    assert [one["text"] for one in kept] == [one["text"] for one in found["passages"]]
    said = {"text": text, "audience": "staff", "effective_to": "2020-01-01"}
    told = admin.call("POST", f"{DOCUMENTS}/preview", json=said).json()["warnings"]
    assert len(told) == 2
    wrong = admin.call("POST", f"{DOCUMENTS}/preview", files={"file": ("h.exe", b"x")})
    assert (wrong.status_code, wrong.json()["field"]) == (415, "file")
    assert len(product.services.library.documents()) == before + 1


# -- revisions


def test_an_edited_text_is_a_draft_and_what_it_leaves_out_stays(
    product: Product, admin: Person
) -> None:
    said = {"audience": "staff", "effective_from": "2026-01-01", "effective_to": "2030-01-01"}
    document = made(admin, title="Sauna", **said)
    does(admin, document, "publish", revision=1)
    path = f"{DOCUMENTS}/{document}/revisions"
    body = {"text": SAUNA.replace("22:00", "23:00"), "note": "Longer.", "effective_to": None}
    answer = admin.call("POST", path, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json() == {"id": document, "revision": 2, "status": "draft"}
    new = read(admin, f"{document}/revisions/2")
    assert (new["title"], new["audience"]) == ("Sauna", "staff")
    assert (new["effective_from"], new["effective_to"]) == ("2026-01-01", None)
    assert (new["note"], new["author"], new["status"]) == ("Longer.", admin.email, "draft")
    assert "23:00" in new["text"]
    assert [one["section"] for one in new["passages"]]
    again = admin.call("POST", path, json=body)
    assert (again.status_code, again.json()["revision"]) == (200, 2), "nothing is new"
    one = read(admin, document)
    assert (one["revision"], one["latest"], one["waiting"]) == (1, 2, True)


def test_a_new_file_makes_a_document_for_staff_public_only_where_it_is_said(admin: Person) -> None:
    document = made(admin, audience="staff")
    path = f"{DOCUMENTS}/{document}/revisions"
    file = {"file": ("sauna-2026.md", SAUNA.replace("22:00", "21:00").encode())}
    assert admin.call("POST", path, files=file).json()["revision"] == 2
    assert read(admin, f"{document}/revisions/2")["audience"] == "staff"
    told = admin.call("POST", path, files=file, data={"audience": "public"})
    assert told.status_code == 201
    assert read(admin, f"{document}/revisions/3")["audience"] == "public"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "text"),
        ({"text": "   "}, 415, "text"),
        ({"text": SAUNA, "effective_from": 5}, 422, "effective_from"),
        ({"text": SAUNA, "audience": "all"}, 422, "audience"),
        ({"text": SAUNA, "effective_to": "2025-01-01"}, 422, "text"),
    ],
)
def test_a_wrong_revision_is_refused_by_its_field(
    admin: Person, body: dict[str, Any], status: int, field: str
) -> None:
    document = made(admin, effective_from="2026-01-01")
    answer = admin.call("POST", f"{DOCUMENTS}/{document}/revisions", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_revisions_are_read_newest_first_in_pages_with_when_they_were_shown(admin: Person) -> None:
    document = made(admin)
    for hour in ("21", "20"):
        does(admin, document, "revisions", text=SAUNA.replace("22:00", f"{hour}:00"))
    for number in (1, 2):
        does(admin, document, "publish", revision=number)
    first = read(admin, f"{document}/revisions", limit=2)
    rest = read(admin, f"{document}/revisions", limit=2, cursor=first["next"])
    assert [one["number"] for one in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next"] is None
    standing = {one["number"]: one for one in first["items"] + rest["items"]}
    assert [standing[n]["status"] for n in (1, 2, 3)] == ["retired", "published", "draft"]
    assert standing[1]["published_at"] < standing[1]["replaced_at"] == standing[2]["published_at"]
    assert (standing[2]["replaced_at"], standing[3]["published_at"]) == (None, None)


def test_a_difference_marks_the_words_that_changed(admin: Person) -> None:
    text = SAUNA + "".join(f"\nRule {n} of the house holds.\n" for n in range(30))
    document = made(admin, text)
    does(admin, document, "revisions", text=text.replace("22:00", "23:30"), title="Sauna hours")
    found = read(admin, f"{document}/diff", **{"from": 1, "to": 2})
    assert {"field": "title", "from": "The sauna", "to": "Sauna hours"} in found["fields"]
    changed = [row for row in found["rows"] if row["kind"] == "changed"]
    assert len(changed) == 1
    assert [text for text, new in changed[0]["old"]["parts"] if new] == ["22", "00"]
    assert [text for text, new in changed[0]["new"]["parts"] if new] == ["23", "30"]
    assert found["rows"][-1]["kind"] == "skipped"
    assert "-The sauna is open from 16:00 to 22:00." in found["unified"]
    assert "+The sauna is open from 16:00 to 23:30." in found["unified"]
    assert found["truncated"] is False
    missing = admin.call("GET", f"{DOCUMENTS}/{document}/diff", params={"from": 1, "to": 9})
    assert missing.status_code == 404
    asked = admin.call("GET", f"{DOCUMENTS}/{document}/diff", params={"to": 2})
    assert (asked.status_code, asked.json()["field"]) == (422, "from")


# -- what customers see


def test_publish_roll_back_retire_and_back(product: Product, admin: Person) -> None:
    document = made(admin)
    does(admin, document, "revisions", text=SAUNA.replace("22:00", "23:00"))
    assert does(admin, document, "publish", revision=1)["status"] == "published"
    assert shown(product, document) == {1}
    assert does(admin, document, "publish", revision=2)["revision"] == 2
    assert shown(product, document) == {2}
    back = does(admin, document, "rollback", revision=1, note="It was right.")
    assert (back["revision"], back["status"], back["note"]) == (3, "published", "It was right.")
    assert "22:00" in back["text"]
    assert shown(product, document) == {3}
    refused = admin.call("POST", f"{DOCUMENTS}/{document}/rollback", json={"revision": 3})
    assert refused.status_code == 409

    assert retired(admin, document)["status"] == "retired"
    assert shown(product, document) == set()
    assert does(admin, document, "restore")["status"] == "published"
    assert shown(product, document) == {3}
    again = admin.call("POST", f"{DOCUMENTS}/{document}/restore")
    assert again.status_code == 409
    retired(admin, document)
    assert does(admin, document, "publish", revision=2)["status"] == "published"
    assert shown(product, document) == {2}


def test_a_first_publication_and_a_retired_draft_are_undone_whole(
    product: Product, admin: Person
) -> None:
    document = made(admin)
    does(admin, document, "publish", revision=1)
    assert does(admin, document, "unpublish")["status"] == "draft"
    assert shown(product, document) == set()
    draft = made(admin)
    assert retired(admin, draft)["status"] == "retired"
    assert does(admin, draft, "restore")["status"] == "draft"
    assert shown(product, draft) == set()


def test_a_reader_sees_the_old_revision_or_the_new_one_and_always_one(
    product: Product, admin: Person
) -> None:
    document = made(admin)
    for hour in range(10, 13):
        does(admin, document, "revisions", text=SAUNA.replace("22:00", f"{hour}:00"))
    does(admin, document, "publish", revision=1)
    done = threading.Event()
    seen: list[set[int]] = []

    def look() -> None:
        while not done.is_set():
            seen.append(shown(product, document))

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for number in (2, 3, 4):
            does(admin, document, "publish", revision=number)
        done.set()
        looking.result()
    assert {len(one) for one in seen} == {1}
    assert [n for (n,) in seen] == sorted(n for (n,) in seen)


def test_days_are_those_of_the_companys_zone(product: Product, admin: Person) -> None:
    today = product.services.library.today()
    day = timedelta(days=1)

    def standing(first: date | None, end: date | None) -> tuple[bool, bool]:
        said = {"effective_from": first, "effective_to": end}
        document = made(admin, **{name: str(value) for name, value in said.items() if value})
        one = does(admin, document, "publish", revision=1)
        found = shown(product, document) != set()
        retired(admin, document)
        return bool(one["in_force"]), found

    assert standing(today, today + day) == (True, True)
    assert standing(today + day, None) == (False, False)
    assert standing(None, today) == (False, False), "the day it ends is none of its days"


@pytest.mark.parametrize("verb", ["publish", "rollback", "unpublish", "restore"])
def test_what_is_not_there_is_not_found(admin: Person, verb: str) -> None:
    nobody = admin.call("POST", f"{DOCUMENTS}/x_none/{verb}", json={"revision": 1})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")


def test_a_revision_that_is_not_there_is_not_found(admin: Person) -> None:
    document = made(admin)
    for verb in ("publish", "rollback"):
        answer = admin.call("POST", f"{DOCUMENTS}/{document}/{verb}", json={"revision": 7})
        assert answer.status_code == 404
        answer = admin.call("POST", f"{DOCUMENTS}/{document}/{verb}", json={})
        assert (answer.status_code, answer.json()["field"]) == (422, "revision")
    assert admin.call("GET", f"{DOCUMENTS}/{document}/revisions/7").status_code == 404
    assert admin.call("DELETE", f"{DOCUMENTS}/x_none").status_code == 404


# -- lists, uses, the record


def test_the_list_is_searched_filtered_and_read_in_pages(product: Product, admin: Person) -> None:
    mark = token_hex(4)
    ids = [made(admin, title=f"Sauna {mark} {n}") for n in range(3)]
    does(admin, ids[0], "publish", revision=1)
    does(admin, ids[0], "revisions", text=SAUNA + "\nMore.\n")
    retired(admin, ids[1])

    def listed(**query: Any) -> list[str]:
        answer = admin.call("GET", DOCUMENTS, params={"q": mark.upper(), **query}).json()
        return [one["id"] for one in answer["items"]]

    assert listed() == [ids[0], ids[2], ids[1]], "the last changed first"
    assert listed(status="published") == listed(status="waiting") == [ids[0]]
    assert listed(status="retired") == [ids[1]]
    assert listed(status="draft") == [ids[2]]
    first = admin.call("GET", DOCUMENTS, params={"q": mark, "limit": 2}).json()
    query = {"q": mark, "limit": 2, "cursor": first["next"]}
    rest = admin.call("GET", DOCUMENTS, params=query).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [ids[0], ids[2], ids[1]]
    assert rest["next"] is None
    assert admin.call("GET", DOCUMENTS, params={"status": "x"}).json()["field"] == "status"


def test_what_an_answer_cites_is_counted_and_stays_readable_for_staff(
    product: Product, admin: Person
) -> None:
    document = made(admin)
    does(admin, document, "publish", revision=1)
    asked = Asked(
        message_id=f"m_{token_hex(6)}",
        conversation_id=f"c_{token_hex(6)}",
        customer="c",
        at="2026-11-27T00:00:00.000Z",
        question="When does the sauna close?",
        answer="At 22:00.",
        outcome="answered",
        looked_up=True,
        documents=(Touched(document_id=document, revision=1, cited=True),),
    )
    product.services.records.asked.keep(asked)
    does(admin, document, "revisions", text=SAUNA.replace("22:00", "23:00"))
    does(admin, document, "publish", revision=2)
    assert read(admin, document)["uses"] == 1
    uses = {one["number"]: one["uses"] for one in read(admin, f"{document}/revisions")["items"]}
    assert uses == {1: 1, 2: 0}

    ann = signed_in(product, "staff")
    cited = ann.call("GET", f"staff/documents/{document}/revisions/1").json()
    assert "to 22:00." in cited["passages"][0]["text"]
    assert cited["replaced_at"]
    OPENED.append(product.client())
    stranger = OPENED[-1].get(f"/api/v1/staff/documents/{document}/revisions/1")
    assert stranger.status_code == 401


def test_every_change_is_in_the_audit_log(admin: Person) -> None:
    document = made(admin)
    does(admin, document, "revisions", text=SAUNA + "\nMore.\n")
    does(admin, document, "publish", revision=2)
    does(admin, document, "rollback", revision=1)
    retired(admin, document)
    does(admin, document, "restore")
    does(admin, document, "unpublish")
    told = [(one["action"], one["subject"], one["detail"]) for one in admin.audit(actor=admin.id)]
    assert told[:7] == [
        ("admin.unpublish_document", document, None),
        ("admin.restore_document", document, None),
        ("admin.retire_document", document, None),
        ("admin.roll_back_document", document, "to revision 1"),
        ("admin.publish_document", document, "revision 2"),
        ("admin.revise_document", document, "revision 2"),
        ("admin.upload_document", document, "sauna.md"),
    ]
