"""A shop on an origin of its own that embeds the widget, and the product that serves it.

The shop's pages have a strict policy: nothing but its own scripts and what the README says that
the widget needs.
"""

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
from playwright.sync_api import Frame, FrameLocator, Page, expect

from tests.product.running import Customer, Product

FIXTURES = Path(__file__).parent / "fixtures"
WIDGET_SECRET, JWT_SECRET = "hush", "quiet-and-long-enough-for-a-signature"
POLICY = (
    "---\ntitle: Pets in our homes\neffective_from: 2026-02-01\n---\n"
    "# Pets in our homes\n\n## Pet fee\n\nThe pet fee is 35 EUR for each pet and stay.\n"
)


@dataclass
class Site:
    """Pages at `origin`; a page is its name in fixtures/ with the product's address filled in."""

    product_url: str = ""
    tag: str = ""  # attributes of the widget's tag
    policy: bool = True
    origin: str = ""

    @contextmanager
    def serving(self) -> Iterator["Site"]:
        site = self

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site._answer(self)

            def log_message(self, *_: object) -> None:
                """Requests are no news."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.origin = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = FIXTURES / request.path.lstrip("/").split("?")[0]
        found = path.is_file()
        text = path.read_text() if found else ""
        text = text.replace("{{BASE_URL}}", self.product_url).replace("{{TAG}}", self.tag)
        request.send_response(200 if found else 204)
        kind = {".html": "text/html", ".js": "text/javascript"}.get(path.suffix, "text/plain")
        request.send_header("Content-Type", f"{kind}; charset=utf-8")
        request.send_header("Cache-Control", "no-store")
        if self.policy:
            request.send_header(
                "Content-Security-Policy",
                f"default-src 'none'; script-src 'self' {self.product_url}; "
                f"frame-src {self.product_url}",
            )
        request.end_headers()
        request.wfile.write(text.encode())


@dataclass
class Shop:
    product: Product
    site: Site
    other: Site  # another origin that may embed the widget
    stranger: Site  # one that may not
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str:
        return f"{self.site.origin}/host_page.html"

    def call(self, role: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """What a program with this role is answered."""
        if role not in self.keys:
            made = self.product.command("keys", "add", f"tests {role}", "--role", role)
            assert made.returncode == 0, made.stderr
            self.keys[role] = made.stdout.split()[-1]
        headers = {"Authorization": f"Bearer {self.keys[role]}"}
        return httpx.request(
            method, f"{self.product.url}{path}", json=body, headers=headers, timeout=60
        )

    def admin_sets(self, look: dict[str, Any]) -> None:
        assert self.call("admin", "PUT", "/api/v1/admin/widget", look).status_code == 200

    def staff_does(self, conversation: str, verb: str, **body: Any) -> None:
        path = f"/api/v1/staff/conversations/{conversation}/{verb}"
        answer = self.call("staff", "POST", path, body or None)
        assert answer.status_code == 200, answer.text

    def staff_sees(self, conversation: str) -> dict[str, Any]:
        answer = self.call("staff", "GET", f"/api/v1/staff/conversations/{conversation}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    with (
        Site().serving() as site,
        Site().serving() as other,
        Site().serving() as stranger,
    ):
        product = Product(
            folder / "data",
            {
                "FRONTDESK_WIDGET_ORIGINS": f"{site.origin},{other.origin}",
                "FRONTDESK_WIDGET_SECRET": WIDGET_SECRET,
                "FRONTDESK_JWT_SECRET": JWT_SECRET,
                "FRONTDESK_SAMPLE": "0",
            },
        ).start()
        for one in (site, other, stranger):
            one.product_url = product.url
        (folder / "pets.md").write_text(POLICY)
        added = product.command("kb", "add", str(folder / "pets.md"), "--publish")
        assert added.returncode == 0, added.stderr
        yield Shop(product, site, other, stranger)
        assert product.stop() == 0


@dataclass
class Chat:
    """The widget on a page, as its customer uses it."""

    page: Page

    @classmethod
    def on(cls, page: Page, url: str) -> "Chat":
        page.goto(url)
        page.wait_for_function("() => window.$frontdesk !== undefined")
        chat = cls(page)
        chat.open()
        return chat

    def open(self, with_whom: str = "AI assistant") -> None:
        self.page.evaluate("window.$frontdesk.toggle('open')")
        expect(self.see("#role")).to_contain_text(with_whom)
        expect(self.see("#log .message").first).to_be_visible()

    @property
    def within(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    @property
    def frame(self) -> Frame:
        return next(frame for frame in self.page.frames if "/widget/frame" in frame.url)

    def see(self, selector: str) -> Any:
        return self.within.locator(selector)

    def button(self, name: str) -> Any:
        return self.within.get_by_role("button", name=name, exact=True)

    def choose(self, item: str) -> None:
        """An entry of the menu."""
        self.button("More").click()
        self.within.get_by_role("menuitem", name=item).click()

    def write(self, text: str) -> None:
        self.see("#text").fill(text)
        self.see("#text").press("Enter")

    def says(self, text: str, timeout: float = 120_000) -> None:
        """Some answer holds this text."""
        expect(self.see("#log")).to_contain_text(text, timeout=timeout)

    def greet(self) -> None:
        self.write("hi")
        self.says("How can I help you")

    @property
    def customer(self) -> Customer:
        """The same conversation at the HTTP door."""
        kept = "JSON.parse(localStorage['frontdesk.conversation'] ?? null)"
        self.wait_until(lambda: self.frame.evaluate(kept))
        stored = self.frame.evaluate(kept)
        return Customer(self.page_product, stored["id"], stored["token"])

    @property
    def page_product(self) -> str:
        return "/".join(self.frame.url.split("/")[:3])

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 60) -> None:
        """The browser goes on meanwhile, and what the test does for it."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            self.page.wait_for_timeout(100)

    def shown(self) -> list[str]:
        """What stands in the thread beside the greeting, top to bottom."""
        texts = self.see("#log .message .markdown").all_inner_texts()
        return [" ".join(text.split()) for text in texts[1:]]

    def shows_what_the_server_has(self) -> None:
        """Every message once and in order, soon."""

        def same() -> bool:
            kept = [" ".join(m["content"].split()) for m in self.customer.snapshot()["messages"]]
            return self.shown() == kept

        self.wait_until(same)

    def heard(self, name: str) -> list[Any]:
        """The details of the window events of this name."""
        heard = self.page.evaluate("window.heard")
        return [event["detail"] for event in heard if event["name"] == name]


def identifier_hash(identifier: str) -> str:
    return hmac.new(WIDGET_SECRET.encode(), identifier.encode(), hashlib.sha256).hexdigest()


def signed(subject: str, **claims: Any) -> str:
    claims = {"sub": subject, "exp": int(time.time()) + 600, **claims}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")
