"""Folders that the server keeps in step with by itself."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent.errors import SetupError
from agent.settings import Settings, load_settings
from agent.storage import valkey
from tests.api.conftest import Product, served
from tests.api.people import OPENED, Person, signed_in

pytestmark = pytest.mark.model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "boats"
    folder.mkdir()
    (folder / "canoes.md").write_text("# Canoes\n\nCanoes cost 14 EUR an hour.\n")
    return folder


@pytest.fixture
def watching(tmp_path: Path, weights_dir: Path, folder: Path) -> Iterator[Product]:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    server = valkey.start(data_dir)
    settings = Settings(
        data_dir=data_dir,
        weights_dir=weights_dir,
        redis_url=server.url,
        sample=False,
        warm=False,
        sources=(f"boats={folder}", f"none={tmp_path / 'missing'}"),
        sources_publish=True,
        sources_seconds=1,
        _env_file=None,  # type: ignore[call-arg]
    )
    try:
        with served(settings) as running:
            yield running
            while OPENED:
                OPENED.pop().close()
    finally:
        server.stop()


def look(admin: Person, until) -> dict[str, dict]:  # type: ignore[no-untyped-def,type-arg]
    deadline = time.monotonic() + 120
    while True:
        answer = admin.call("GET", "admin/sources")
        assert answer.status_code == 200, answer.text
        found = {one["name"]: one for one in answer.json()["items"]}
        if until(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_the_server_follows_a_folder_and_shows_what_it_could_not_read(
    watching: Product, folder: Path
) -> None:
    admin = signed_in(watching, "admin")
    first = look(admin, lambda found: found["boats"]["looked_at"] and found["none"]["error"])
    assert (first["boats"]["documents"], first["boats"]["changed"]) == (1, 1)
    assert "no folder" in first["none"]["error"]
    assert watching.services.library.search("canoe price")[0].passage.text.endswith(
        "Canoes cost 14 EUR an hour."
    )
    (folder / "canoes.md").unlink()
    (folder / "rafts.md").write_text("# Rafts\n\nRafts cost 21 EUR.\n")
    (folder / "broken.pdf").write_bytes(b"x")
    then = look(admin, lambda found: found["boats"]["refused"])
    assert then["boats"]["documents"] == 1
    assert then["boats"]["refused"][0]["file"] == "broken.pdf"
    texts = [one.passage.text for one in watching.services.library.search("price", k=20)]
    assert not any("Canoes" in text for text in texts)
    assert any("Rafts" in text for text in texts)


def test_sources_are_for_admins(client: httpx.Client) -> None:
    assert client.get("/api/v1/admin/sources").status_code == 401


@pytest.mark.parametrize("wrong", [("policies",), ("policies=relative",), ("=/srv",)])
def test_a_source_without_a_name_or_a_folder_is_named(wrong: tuple[str, ...]) -> None:
    with pytest.raises(SetupError, match="FRONTDESK_SOURCES"):
        load_settings(sources=wrong)


def test_what_must_be_tried_is_not_published_by_itself() -> None:
    with pytest.raises(SetupError, match="FRONTDESK_GATE"):
        load_settings(sources_publish=True, gate="require")
