"""Files from a Hugging Face hub: one pinned revision, resumed where a connection broke.

Owns the hub's URLs and headers; knows nothing of the catalogue. Invariant: what `download` leaves
under the final name has the expected SHA-256; anything else is deleted. The token goes to the
hub's own host only and is in no message.
"""

import hashlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from agent.weights.catalogue import HubFile
from agent.weights.errors import FetchFailed, HashMismatch
from agent.weights.progress import Progress
from agent.weights.store import hash_file

PROBE_SECONDS = 3.0
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_TRIES_WITHOUT_A_BYTE = 3
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RESUME = "Run it again: it goes on where it stopped."


@dataclass(frozen=True)
class Offered:
    """What the hub says of a file before it is downloaded; None where it says nothing."""

    bytes: int | None
    sha256: str | None
    revision: str | None


@dataclass(frozen=True)
class Hub:
    endpoint: str = "https://huggingface.co"
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> "Hub":
        endpoint = os.environ.get("HF_ENDPOINT") or cls.endpoint
        return cls(endpoint.rstrip("/"), os.environ.get("HF_TOKEN") or None)

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).hostname or "the hub"

    def describe(self, file: HubFile, *, timeout: float = PROBE_SECONDS) -> Offered:
        """One HEAD request, not redirected: the answer's own headers describe the file."""
        try:
            response = httpx.head(
                self._url(file), headers=self._headers(), timeout=timeout, follow_redirects=False
            )
            self._refuse(response, file)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return _offered(response)

    def download(
        self, file: HubFile, part: Path, sha256: str | None, size: int | None, progress: Progress
    ) -> str:
        """Fill `part`, going on behind what it holds; gives the SHA-256 of the whole."""
        if sha256 is not None and size == _size(part) and hash_file(part) == sha256:
            return sha256
        failures = 0
        while True:
            before = _size(part)
            try:
                found = self._stream(file, part, sha256, size, progress)
            except httpx.HTTPError as error:
                failures = 0 if _size(part) > before else failures + 1
                if failures >= _TRIES_WITHOUT_A_BYTE:
                    raise self._unreachable(error) from error
                time.sleep(failures)
                continue
            if sha256 is not None and found != sha256:
                drop(part)
                remedy = f"It was deleted. Try again, or look at what {self.host} serves."
                raise HashMismatch(file.path, expected=sha256, found=found, remedy=remedy)
            return found

    def _stream(
        self, file: HubFile, part: Path, sha256: str | None, size: int | None, progress: Progress
    ) -> str:
        etag = _etag_file(part).read_text() if _etag_file(part).is_file() else None
        # Without a hash to check the whole against, only an unchanged ETag makes a resume honest.
        resume = _size(part) if sha256 is not None or etag else 0
        if size is not None and resume >= size:
            resume = 0
        headers = self._headers()
        if resume:
            headers["Range"] = f"bytes={resume}-"
            if etag:
                headers["If-Range"] = etag
        url = self._url(file)
        with httpx.stream(
            "GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True
        ) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                drop(part)
            self._refuse(response, file)
            starts = _starts_at(response)
            if starts != resume:
                resume = 0
                if starts != 0:
                    drop(part)
                    raise httpx.RemoteProtocolError("the hub sent another range than asked for")
            _remember_etag(response, part)
            return _append(response, part, resume, size, progress, f"{file.path} from {self.host}")

    def _url(self, file: HubFile) -> str:
        return f"{self.endpoint}/{file.repo}/resolve/{quote(file.revision)}/{quote(file.path)}"

    def _headers(self) -> dict[str, str]:
        # identity: a transfer encoding would make Range and sizes mean something else
        headers = {"Accept-Encoding": "identity", "User-Agent": "frontdesk"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _refuse(self, response: httpx.Response, file: HubFile) -> None:
        status = response.status_code
        if status < 400:
            return
        if status in (401, 403):
            raise FetchFailed(
                f"{self.host} does not let you have {file.repo} ({status}). Accept its terms "
                "there, or set HF_TOKEN to a token that may read it."
            )
        if status == 404:
            raise FetchFailed(
                f"{self.host} has no file {file.path} in {file.repo} at revision {file.revision}. "
                "Check the three names."
            )
        if status == 429 or status >= 500 or status == 416:
            raise httpx.RemoteProtocolError(f"the hub answered {status}")
        raise FetchFailed(f"{self.host} answered {status} for {file.path}. {_RESUME}")

    def _unreachable(self, error: httpx.HTTPError) -> FetchFailed:
        reason = str(error) or type(error).__name__
        return FetchFailed(
            f"{self.host} cannot be reached ({reason}). Check the network or HF_ENDPOINT. {_RESUME}"
        )


def drop(part: Path) -> None:
    """Delete an unfinished file and what is remembered of it."""
    part.unlink(missing_ok=True)
    _etag_file(part).unlink(missing_ok=True)


def _append(
    response: httpx.Response,
    part: Path,
    resume: int,
    size: int | None,
    progress: Progress,
    label: str,
) -> str:
    digest = hashlib.sha256()
    done = 0
    length = response.headers.get("Content-Length")
    total = size if size is not None else (resume + int(length) if length else None)
    with part.open("r+b" if resume else "wb") as file:
        while done < resume and (block := file.read(min(1 << 20, resume - done))):
            digest.update(block)
            done += len(block)
        file.truncate(done)
        progress(label, done, total)
        for block in response.iter_bytes():
            file.write(block)
            digest.update(block)
            done += len(block)
            progress(label, done, total)
    return digest.hexdigest()


def _offered(response: httpx.Response) -> Offered:
    headers = response.headers
    etag = headers.get("X-Linked-ETag", "").strip('"')
    size = headers.get("X-Linked-Size")
    if size is None and response.is_success:
        size = headers.get("Content-Length")
    return Offered(
        bytes=int(size) if size else None,
        sha256=etag if _SHA256.fullmatch(etag) else None,
        revision=headers.get("X-Repo-Commit"),
    )


def _starts_at(response: httpx.Response) -> int:
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    named = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(named[1]) if named else -1


def _remember_etag(response: httpx.Response, part: Path) -> None:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):  # a weak one may not stand in If-Range
        _etag_file(part).write_text(etag)
    else:
        _etag_file(part).unlink(missing_ok=True)


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
