"""Reads a document as its company published it: bytes or text in, title, text and dates out.

Owns encodings, front matter and the kinds of file; PDF, Word and Excel are read by `formats`, apart
from this process. Refuses to know where documents are kept.
Invariant: what is returned has a title and a text, both with at least one visible character.
"""

import csv
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import PurePath
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector

from knowledge_base import markup, tables
from knowledge_base.errors import DocumentTooLarge, UnreadableDocument
from knowledge_base.formats.apart import read_apart
from knowledge_base.formats.reading import MAX_COLUMNS, MAX_ROWS
from knowledge_base.model import Audience, Format

MAX_BYTES = 5_000_000  # of text
MAX_BINARY_BYTES = 25_000_000
_IN_PROCESS = 100_000  # characters of markup up to which reading them cannot stop a server
FORMATS: Mapping[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdown": "markdown",
    ".mdx": "markdown",
    ".txt": "text",
    ".text": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".csv": "csv",
    ".tsv": "csv",
    ".pdf": "pdf",
    ".docx": "docx",
    ".xlsx": "xlsx",
}
_BINARY = {"pdf", "docx", "xlsx"}
_REMEDIES = {
    **dict.fromkeys(
        (".docm", ".dotm", ".xlsm", ".xltm"), "has macros; save it without them as DOCX or XLSX"
    ),
    **dict.fromkeys(
        (".doc", ".odt", ".rtf", ".pages"), "is of a kind that is not read; save it as DOCX"
    ),
    **dict.fromkeys(
        (".xls", ".xlsb", ".ods", ".numbers"), "is of a kind that is not read; save it as XLSX"
    ),
    **dict.fromkeys(
        (".ppt", ".pptx", ".odp", ".key"), "is of a kind that is not read; save it as PDF"
    ),
    ".zip": "is an archive; add it as a whole, not as one document",
}
_MAGIC = {
    b"%PDF-": "PDF",
    b"PK\x03\x04": "DOCX, XLSX or ZIP",
    b"\xd0\xcf\x11\xe0": "Office",
    b"{\\rtf": "RTF",
}
_FRONT_MATTER = re.compile(r"(?ms)\A(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)")
_TITLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Parsed:
    title: str
    text: str
    audience: Audience
    effective_from: date | None
    effective_to: date | None
    url: str | None
    sha256: str  # of the file as it was given and of what was stated with it
    warnings: tuple[str, ...] = ()  # sentences about what was left out


@dataclass(frozen=True, slots=True)
class Stated:
    """What somebody says about a document from outside; it wins over the document's own header."""

    title: str | None = None
    audience: Audience | None = None
    effective_from: date | None = None
    effective_to: date | None = None


def parse_file(name: str, content: bytes, stated: Stated = Stated()) -> Parsed:
    """Raises UnreadableDocument or DocumentTooLarge, with `name` in the sentence."""
    suffix = PurePath(name).suffix.lower()
    kind = FORMATS.get(suffix)
    if kind is None:
        known = (
            "is of a kind that is not read; make it PDF, DOCX, XLSX, CSV, Markdown, HTML or text"
        )
        raise UnreadableDocument(f"{name} {_REMEDIES.get(suffix, known)}.")
    if len(content) > max_bytes(name):
        raise DocumentTooLarge(name, len(content), max_bytes(name))
    if kind not in _BINARY:
        return parse_text(name, decode(name, content, html=kind == "html"), kind, stated)
    if not content:
        raise UnreadableDocument(f"{name} is empty; put text in it or leave it out.")
    read = read_apart(name, kind, content)
    cleaned = tables.divided(markup.normalised(read.text))
    parsed = _parsed(name, cleaned, {"title": read.title}, kind, stated)
    return replace(parsed, sha256=_digest(stated, name, content), warnings=read.warnings)


def digest(name: str, content: bytes) -> str:
    """What `parse_file` would give as `sha256`, without parsing. Raises as it does."""
    kind = FORMATS.get(PurePath(name).suffix.lower())
    if kind is not None and kind not in _BINARY:
        content = decode(name, content, html=kind == "html").encode()
    return _digest(Stated(), name, content)


def max_bytes(name: str) -> int:
    return MAX_BINARY_BYTES if FORMATS.get(PurePath(name).suffix.lower()) in _BINARY else MAX_BYTES


def parse_text(name: str, text: str, kind: Format, stated: Stated = Stated()) -> Parsed:
    """`name` is used in sentences, and as the title where there is no better one."""
    if len(text) > MAX_BYTES:
        raise DocumentTooLarge(name, len(text), MAX_BYTES)
    header, body = _front_matter(markup.normalised(text)) if kind == "markdown" else ({}, text)
    try:
        cleaned = tables.divided(_cleaned(name, body, kind))
    except RecursionError:
        raise UnreadableDocument(
            f"{name} nests its elements too deeply; simplify its markup."
        ) from None
    own = {**(_html_header(body) if kind == "html" else {}), **header}
    return replace(
        _parsed(name, cleaned, own, kind, stated), sha256=_digest(stated, name, text.encode())
    )


def _digest(stated: Stated, name: str, content: bytes) -> str:
    return hashlib.sha256(f"{stated}\0{name}\0".encode() + content).hexdigest()


def _parsed(
    name: str, cleaned: str, own: Mapping[str, object], kind: Format, stated: Stated
) -> Parsed:
    title = (
        _line(stated.title)
        or _line(own.get("title"))
        or _first_heading(cleaned, kind)
        or _from_name(name)
    )
    url = _url(own)
    if not re.search(r"\w", cleaned):
        if not own and not cleaned:
            raise UnreadableDocument(f"{name} is empty; put text in it or leave it out.")
        about = _line(own.get("description"))
        cleaned = "\n\n".join(part for part in (title, about, cleaned, url) if part)
    starts = stated.effective_from or _date(name, own, "effective_from")
    ends = stated.effective_to or _date(name, own, "effective_to")
    if starts and ends and starts >= ends:
        raise UnreadableDocument(
            f"{name} would end on {ends} before it starts on {starts}; correct one of the dates."
        )
    return Parsed(
        title=title,
        text=cleaned,
        audience=stated.audience or _audience(name, own),
        effective_from=starts,
        effective_to=ends,
        url=url,
        sha256="",
    )


def decode(name: str, content: bytes, *, html: bool = False) -> str:
    if len(content) > MAX_BYTES:
        raise DocumentTooLarge(name, len(content), MAX_BYTES)
    for magic, inside in _MAGIC.items():
        if content.startswith(magic):
            raise UnreadableDocument(f"{name} is a {inside} file inside; give it its own ending.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        if b"\0" in content:
            raise UnreadableDocument(f"{name} is a binary file; convert it to Markdown or text.")
        declared = EncodingDetector.find_declared_encoding(content, is_html=html) if html else None
        encodings = ["utf-8-sig", *([declared] if declared else []), "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    else:
        raise UnreadableDocument(f"{name} is not text in a known encoding; save it as UTF-8.")
    controls = sum(1 for c in text if ord(c) < 32 and c not in "\t\n\r\f\v\x1b")
    if controls * 20 > len(text):
        raise UnreadableDocument(f"{name} is a binary file; convert it to Markdown or text.")
    return text


def _cleaned(name: str, body: str, kind: Format) -> str:
    match kind:
        case "csv":
            return _table(name, markup.normalised(body))
        case "markdown" | "html" if len(body) > _IN_PROCESS:
            return markup.normalised(read_apart(name, kind, body.encode()).text)
        case "markdown":
            return markup.from_markdown(body)
        case "html":
            return markup.from_html(body)
        case _:
            return markup.normalised(body).strip()


def _table(name: str, text: str) -> str:
    try:
        rows = tables.from_csv(text)
    except csv.Error as error:
        raise UnreadableDocument(f"{name} is no table ({error}); save it again as CSV.") from None
    if len(rows) > MAX_ROWS or max(map(len, rows), default=0) > MAX_COLUMNS:
        raise UnreadableDocument(
            f"{name} has more than {MAX_ROWS:,} rows or {MAX_COLUMNS} columns; split it."
        )
    return tables.from_rows(rows)


def _front_matter(text: str) -> tuple[dict[str, object], str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    fence, block = match[1], match[2]
    try:
        loaded = tomllib.loads(block) if fence == "+++" else yaml.safe_load(block)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError):
        loaded = _header_lines(block)  # "title: Refunds: how" is common and is not YAML
    if loaded is None:
        loaded = {}
    if not isinstance(loaded, dict):
        return {}, text  # two rules with text between them
    return {str(key).strip().lower(): value for key, value in loaded.items()}, text[match.end() :]


def _header_lines(block: str) -> dict[str, object]:
    pairs = re.findall(r"^([A-Za-z_][\w-]*)[ \t]*[:=][ \t]*(.*)$", block, re.MULTILINE)
    return {key: value.strip().strip("\"'") for key, value in pairs}


def _html_header(source: str) -> dict[str, object]:
    soup = BeautifulSoup(markup.closed(source[:_IN_PROCESS]), "html.parser")
    found: dict[str, object] = {}
    if soup.title and soup.title.get_text(strip=True):
        found["title"] = soup.title.get_text(" ", strip=True)
    for meta in soup.find_all("meta", attrs={"name": True, "content": True}):
        name = str(meta["name"]).lower().replace("-", "_")
        if name in {"audience", "effective_from", "effective_to", "description"}:
            found[name] = str(meta["content"])
    canonical = soup.find("link", rel="canonical", href=True)
    if canonical is not None:
        found["canonical_url"] = str(canonical["href"])
    return found


def _line(value: object) -> str:
    """A header's value as one plain line."""
    if value is None or isinstance(value, dict | list):
        return ""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markup.without_dressing(str(value)))
    return " ".join(markup.normalised(plain).split())[:_TITLE_LENGTH].strip()


def _first_heading(cleaned: str, kind: Format) -> str:
    if kind == "csv":
        return ""
    if kind == "text":
        first, _, rest = cleaned.partition("\n")
        is_title = len(first) <= 100 and (not rest or rest.startswith("\n"))
        return _line(first.strip("# ")) if is_title else ""
    heading = re.search(r"^#[ \t]+(.+)$", cleaned, re.MULTILINE)
    return _line(re.sub(r"[*`]", "", heading[1])) if heading else ""


def _from_name(name: str) -> str:
    stem = PurePath(name).stem
    words = " ".join(re.split(r"[-_\s]+", stem)).strip()
    return words[:1].upper() + words[1:] or "Untitled"


def _audience(name: str, stated: Mapping[str, object]) -> Audience:
    match _line(stated.get("audience")).lower():
        case "" | "public":
            return "public"
        case "staff":
            return "staff"
        case other:
            raise UnreadableDocument(
                f"{name} has the audience {other!r}; write public or staff in its header."
            )


def _date(name: str, stated: Mapping[str, object], field: str) -> date | None:
    value = stated.get(field)
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    written = _line(value)
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise UnreadableDocument(
            f"{name} has the {field} {written!r}; write it as YYYY-MM-DD."
        ) from None


def _url(stated: Mapping[str, object]) -> str | None:
    for field in ("url", "canonical_url", "source_url", "permalink", "redirect"):
        value = _line(stated.get(field))
        parts = urlsplit(value) if re.match(r"https?://[^\s/]", value) else None
        if parts is not None and len(value) < _TITLE_LENGTH:
            return value
    return None
