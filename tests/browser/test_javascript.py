"""The browser's half of the fold, the event stream and the Markdown, in a real browser."""

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
FIXTURES = sorted((ROOT / "tests" / "js" / "fixtures").glob("*.json"))


class _Quiet(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Requests are no news."""


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(ROOT))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", ["reducer", "stream", "markdown"])
def test_the_javascript_keeps_its_promises(page: Page, files: str, name: str) -> None:
    page.goto(f"{files}/agent/web/static/shared/icons.js")
    fixtures = [json.loads(path.read_text()) for path in FIXTURES]
    assert len(fixtures) > 20
    failures = page.evaluate(
        "async ([url, fixtures]) => (await import(url)).run(fixtures)",
        [f"{files}/tests/js/{name}.test.js", fixtures],
    )
    assert failures == []


@pytest.mark.parametrize("name", ["words", "colour"])
def test_the_widget_says_everything_in_every_language_and_colour(
    page: Page, files: str, name: str
) -> None:
    page.goto(f"{files}/agent/web/static/shared/icons.js")
    widget = (ROOT / "agent" / "web" / "static" / "widget").glob("*.js")
    failures = page.evaluate(
        "async ([url, sources]) => (await import(url)).run(sources)",
        [f"{files}/tests/js/{name}.test.js", [path.read_text() for path in widget]],
    )
    assert failures == []


def test_every_module_of_the_frame_is_preloaded() -> None:
    """A module that is imported but not named in the frame costs a round trip for each level."""
    static = ROOT / "agent" / "web" / "static"
    frame = (static / "widget" / "frame.html").read_text()
    used = [*(static / "widget").glob("*.js"), *(static / "shared").glob("*.js")]
    for module in used:
        if module.name == "loader.js":
            continue
        assert f'href="/static/{module.relative_to(static)}"' in frame, module.name
