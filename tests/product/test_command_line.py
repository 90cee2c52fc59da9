"""`frontdesk` as its operator types it, with a server on the same data and without."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.product.running import COMMAND, Product

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("cli") / "data").start()
    yield product
    assert product.stop() == 0


def test_a_second_run_names_the_first_ones_url(product: Product) -> None:
    second = product.command("run")
    assert second.returncode == 1
    assert product.url in second.stderr
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_named_with_the_remedy(product: Product, tmp_path: Path) -> None:
    port = product.url.rsplit(":", 1)[1]
    other = Product(tmp_path / "other", {"FRONTDESK_PORT": port}).command("run")
    assert other.returncode == 1
    assert port in other.stderr
    assert "--port" in other.stderr


def test_ask_prints_one_message_as_json(product: Product) -> None:
    asked = product.command("ask", "How much is the fee for bringing my first pet?", "--json")
    assert asked.returncode == 0, asked.stderr
    message = json.loads(asked.stdout)
    assert message["outcome"] == "answered"
    assert "35" in message["content"]
    assert any("35" in citation["quote"] for citation in message["citations"])


def test_what_a_customer_takes_for_granted_and_the_policy_denies_is_corrected(
    product: Product,
) -> None:
    claim = "Your colleague told me a password reset link is valid for 24 hours, right?"
    asked = product.command("ask", claim, "--json")
    message = json.loads(asked.stdout)
    assert message["outcome"] == "answered"
    assert "30 minutes" in message["content"]
    assert not message["content"].startswith("Yes")
    assert any("30 minutes" in citation["quote"] for citation in message["citations"])


def test_ask_shows_its_sources_in_the_terminal(product: Product) -> None:
    asked = product.command("ask", "How much is the fee for bringing my first pet?")
    assert asked.returncode == 0, asked.stderr
    assert "[1]" in asked.stdout
    assert "“" in asked.stdout


def test_documents_go_in_and_are_found_while_the_server_runs(
    product: Product, tmp_path: Path
) -> None:
    note = tmp_path / "sauna.md"
    note.write_text("# Sauna\n\nThe sauna on the roof may be used from 17:00 to 21:30.\n")
    added = product.command("kb", "add", str(note), "--publish")
    assert added.returncode == 0, added.stderr
    hits = json.loads(product.command("kb", "search", "sauna hours", "--json").stdout)
    assert "21:30" in hits[0]["text"]
    assert set(hits[0]) == {"document_id", "revision", "title", "section", "text", "score"}

    note.write_text("# Sauna\n\nThe sauna on the roof is closed.\n")
    product.command("kb", "add", str(note), "--publish")
    document = hits[0]["document_id"]
    assert product.command("kb", "rollback", document, "1").returncode == 0
    again = json.loads(product.command("kb", "search", "sauna hours", "--json").stdout)
    assert again[0]["revision"] == 3
    assert "21:30" in again[0]["text"]

    listed = json.loads(product.command("kb", "list", "--json").stdout)
    sauna = next(item for item in listed if item["id"] == document)
    assert (sauna["revision"], sauna["status"], sauna["title"]) == (3, "published", "Sauna")
    assert product.command("kb", "rebuild").returncode == 0

    revisions = json.loads(product.command("kb", "revisions", document, "--json").stdout)
    assert [one["number"] for one in revisions] == [3, 2, 1]
    changed = product.command("kb", "diff", document, "2", "3").stdout
    assert "-The sauna on the roof is closed." in changed
    assert "+The sauna on the roof may be used" in changed
    assert "retired" in product.command("kb", "retire", document).stdout
    shown = product.command("kb", "publish", document, "--revision", "2")
    assert "revision 2 is published" in shown.stdout
    assert product.command("kb", "publish", document, "--revision", "9").returncode == 1


def test_a_source_follows_its_folder_while_the_server_runs(
    product: Product, tmp_path: Path
) -> None:
    (tmp_path / "canoes.md").write_text("# Canoes\n\nCanoes cost 14 EUR an hour at the pier.\n")
    (tmp_path / "rafts.csv").write_text("Raft,Price\nSmall,21 EUR\nLarge,34 EUR\n")
    arguments = ("kb", "sync", str(tmp_path), "--source", "boats", "--publish")
    first = product.command(*arguments)
    assert (first.returncode, first.stdout) == (
        0, "2 new or changed, 0 unchanged, 0 retired, 0 left out.\n",
    ), first.stderr  # fmt: skip
    assert "34 EUR" in product.command("kb", "search", "price of a large raft", "--json").stdout
    (tmp_path / "canoes.md").unlink()
    second = product.command(*arguments)
    assert "retired   canoes.md" in second.stdout
    assert "Canoes" not in product.command("kb", "search", "canoe price", "--json").stdout


def test_drafts_are_not_found_until_they_are_published(product: Product, tmp_path: Path) -> None:
    note = tmp_path / "kayaks.md"
    note.write_text("# Kayaks\n\nKayaks cost 12 EUR an hour at the jetty.\n")
    product.command("kb", "add", str(note))
    assert "Kayaks" not in product.command("kb", "search", "kayak price", "--json").stdout
    listed = json.loads(product.command("kb", "list", "--json").stdout)
    draft = next(item for item in listed if item["title"] == "Kayaks")
    assert draft["status"] == "draft"
    assert product.command("kb", "publish", draft["id"]).returncode == 0
    assert "Kayaks" in product.command("kb", "search", "kayak price", "--json").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ask", "  "], 2),
        (["kb", "publish", "no-such-document"], 1),
        (["kb", "rollback", "no-such-document", "1"], 1),
        (["kb", "add", "no/such/folder"], 2),
        (["models", "pull", "no-such-model"], 1),
        (["nonsense"], 2),
        (["run", "--port", "99999"], 2),
    ],
)
def test_mistakes_get_a_clear_line_and_no_traceback(
    product: Product, arguments: list[str], code: int
) -> None:
    done = product.command(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_models_are_listed_with_their_hashes(product: Product) -> None:
    listed = json.loads(product.command("models", "list", "--json").stdout)
    active = [model for model in listed if model["active"]]
    assert len(active) == 2
    assert all(len(model["sha256"]) == 64 and Path(model["path"]).is_file() for model in active)


def test_doctor_says_that_nothing_would_be_contacted(product: Product) -> None:
    said = product.command("doctor")
    assert said.returncode == 0, said.stdout
    assert "nothing: all parts are on this machine" in said.stdout
    assert "MISSING" not in said.stdout


def test_doctor_names_what_is_missing_and_what_a_fetch_would_contact(tmp_path: Path) -> None:
    bare = Product(tmp_path / "data", {"FRONTDESK_WEIGHTS_DIR": str(tmp_path / "none")})
    said = bare.command("doctor")
    assert said.returncode == 1
    assert "frontdesk models pull" in said.stdout
    assert "would contact" in said.stdout


def test_a_message_that_the_model_did_not_write_cannot_be_replayed(product: Product) -> None:
    unknown = product.command("replay", "m_unknown")
    assert unknown.returncode == 1
    assert "m_unknown" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_api_keys_made_here_open_the_openai_door(product: Product) -> None:
    made = product.command("keys", "add", "report script")
    key = made.stdout.strip()
    models = httpx.get(f"{product.url}/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert models.status_code == 200
    assert "frontdesk" in {model["id"] for model in models.json()["data"]}


def test_people_added_here_sign_in(product: Product) -> None:
    arguments = ("users", "add", "Ann@example.org", "--role", "supervisor", "--password-stdin")
    added = product.command(*arguments, said="correct horse\n")
    assert added.returncode == 0, added.stderr
    sign_in = {"email": "ann@example.org", "password": "correct horse"}
    answer = httpx.post(f"{product.url}/api/v1/login", json=sign_in)
    assert answer.json()["user"]["role"] == "supervisor"

    again = product.command(*arguments, said="correct horse\n")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    short = product.command(*arguments[:2], "b@example.org", *arguments[3:], said="horse\n")
    assert (short.returncode, "8 to 1,024 characters" in short.stderr) == (1, True)


def test_commands_work_when_no_server_runs(tmp_path: Path) -> None:
    alone = Product(tmp_path / "data", {"FRONTDESK_SAMPLE": "0"})
    note = tmp_path / "bikes.md"
    note.write_text("# Bikes\n\nBikes are free for guests who stay 3 nights or more.\n")
    added = alone.command("kb", "add", str(note), "--publish")
    assert added.returncode == 0, added.stderr
    asked = alone.command("ask", "Are bikes free?", "--json")
    assert asked.returncode == 0, asked.stderr
    assert "free" in json.loads(asked.stdout)["content"]


def test_a_corrupt_model_file_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x00" * 4096)
    done = Product(tmp_path / "data", {"FRONTDESK_MODEL": str(broken)}).command("ask", "Hi there?")
    assert done.returncode == 1
    assert "broken.gguf" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_evaluation_on_its_own_folder_leaves_the_live_base_alone(
    product: Product, tmp_path: Path
) -> None:
    folder = tmp_path / "kb"
    folder.mkdir()
    (folder / "bikes.md").write_text("# Bikes\n\nA bike costs 9 EUR a day.\n")
    (folder / "boats.md").write_text("# Boats\n\nA boat costs 70 EUR a day.\n")
    items = tmp_path / "items.jsonl"
    items.write_text(
        json.dumps(
            {
                "id": "1",
                "turns": [],
                "question": "What does a bike cost?",
                "answer": "9 EUR a day",
                "gold_docs": ["bikes.md"],
                "answerable": True,
            }
        )
    )
    out = tmp_path / "report.json"
    done = product.command("eval", str(items), "--kb", str(folder), "--out", str(out))
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["n"] == 1
    assert report["retrieval"]["recall_at_1"] == 1.0
    assert report["answers"]["key_fact_accuracy"] == 1.0
    (item,) = report["per_item"]
    assert item["citations"][0]["document_id"] == "bikes.md"
    assert item["citations"][0]["quote"] in item["citations"][0]["text"]
    assert "Bikes" not in product.command("kb", "list").stdout
    assert "What does a bike cost?" in out.with_suffix(".html").read_text()
    assert sorted(path.name for path in tmp_path.glob("report*")) == ["report.html", "report.json"]


def test_a_baseline_that_is_none_is_wrong_usage(product: Product, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"id": "1", "question": "What does a bike cost?"}')
    unknown = product.command("eval", str(items), "--kb", str(tmp_path), "--baseline", "haystack")
    assert unknown.returncode == 2
    assert "langchain" in unknown.stderr
    alone = product.command("eval", str(items), "--baseline", "langchain")
    assert alone.returncode == 2
    assert "--kb" in alone.stderr


def test_help_names_every_command() -> None:
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    for name in (
        "run",
        "ask",
        "replay",
        "kb",
        "models",
        "users",
        "keys",
        "eval",
        "bench",
        "doctor",
    ):
        assert name in shown


def test_doctor_names_who_is_told_what_happens(tmp_path: Path) -> None:
    told = {
        "FRONTDESK_WEBHOOKS": "https://hooks.example/take?token=secret",
        "FRONTDESK_CHATWOOT_URL": "https://chat.example",
    }
    said = Product(tmp_path / "data", told).command("doctor").stdout
    assert "https://hooks.example for webhooks" in " ".join(said.split())
    assert "https://chat.example for a Chatwoot inbox" in " ".join(said.split())
    assert "token=secret" not in said
