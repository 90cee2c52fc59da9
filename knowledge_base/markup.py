"""Turns HTML and published Markdown into the plain Markdown that is kept and quoted.

Owns what is content and what is dressing: template tags, attributes, scripts, navigation and
relative links are dressing; headings, lists, tables, code and absolute links are content.
Refuses to know files and headers. Invariant: no words of the content are lost or added.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from bs4.element import PreformattedString
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdownify import MarkdownConverter

_Replacement = str | Callable[[re.Match[str]], str]
_CODE = re.compile(r"(?ms)(^[ >]*(`{3,}|~{3,}).*?(?:^[ >]*\2[`~]*[ \t]*$|\Z)|`+[^`\n]+`+)")
_DRESSING: list[tuple[re.Pattern[str], _Replacement]] = [
    # kramdown's table of contents, then Liquid's and Jinja's comments, tags and values; bounded,
    # so that many that are never closed cost no more than the text is long
    (re.compile(r"(?m)^[-*+][ \t]+.*\n\{:\s*toc\s*\}"), ""),
    (re.compile(r"(?s)\{%-?\s*comment\s*-?%\}.{,5000}?\{%-?\s*endcomment\s*-?%\}"), ""),
    (re.compile(r"(?s)\{%.{,2000}?%\}"), ""),
    (re.compile(r"(?s)\{\{.{,2000}?\}\}"), ""),
    # attributes: kramdown's, then ids and classes of headings; then what is left of Jinja
    (re.compile(r"\{:[^{}\n]*\}"), ""),
    (re.compile(r"(?m)(?<![ \t])[ \t]*\{[#.][^{}\n]*\}[ \t]*$"), ""),
    (re.compile(r"\{#[^{}]{,2000}#\}"), ""),
    # admonitions: ":::warning" … ":::" and "[!NOTE]"
    (re.compile(r"(?mi)^:{3,}[ \t]*\{?([a-z]+)\b.*$"), r"**\1**"),
    (re.compile(r"(?m)^:{3,}[ \t]*$"), ""),
    (
        re.compile(r"(?m)^([ >]*)\[!(\w+)\](?:[ \t]*$|[ \t]+(?=\S))"),
        lambda match: f"{match[1]}**{match[2].capitalize()}:** ",
    ),
]
_DROPPED = ["script", "style", "template", "svg", "iframe", "object", "canvas", "head", "hr"]
_PAGE_FURNITURE = ["nav", "footer", "aside"]
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
# Placeholders such as <port> are text, not elements: only these names are taken for HTML.
_HTML_NAMES = re.compile(
    r"(?:a|abbr|address|area|article|aside|audio|b|base|bdi|bdo|big|blockquote|body|"
    r"br|button|canvas|caption|center|cite|code|col|colgroup|data|datalist|dd|del|"
    r"details|dfn|dialog|div|dl|dt|em|embed|fieldset|figcaption|figure|font|"
    r"footer|form|h1|h2|h3|h4|h5|h6|head|header|hgroup|hr|html|i|iframe|img|"
    r"input|ins|kbd|label|legend|li|link|main|map|mark|menu|meta|meter|nav|"
    r"noscript|object|ol|optgroup|option|output|p|param|picture|pre|progress|q|rp|"
    r"rt|ruby|s|samp|script|search|section|select|slot|small|source|span|strike|"
    r"strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|"
    r"thead|time|title|tr|track|tt|u|ul|var|video|wbr|path|g|rect|circle)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(?=/?([A-Za-z][\w:.-]*))")


class _PlainMarkdown(MarkdownConverter):
    """markdownify with our taste: ATX headings, dashes, no escapes, no images, absolute links."""

    def __init__(self) -> None:
        super().__init__(
            heading_style="atx",
            bullets="-",
            escape_asterisks=False,
            escape_underscores=False,
            table_infer_header=True,
            wrap=True,  # source line ends are spaces,
            wrap_width=None,  # and none are made
        )

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        href = str(el.get("href") or "").strip()
        if not _absolute(href) or text.strip() in {href, ""}:
            return text
        if {"_noformat", "_inline"} & parent_tags and "td" not in parent_tags:
            return text
        label = text.strip()
        return text.replace(label, f"[{label}]({href.replace(' ', '%20')})")

    def convert_img(self, el: Tag, _text: str, **_: object) -> str:
        return str(el.get("alt") or "")

    def convert_video(self, _el: Tag, text: str, **_: object) -> str:
        return text

    def convert_br(self, _el: Tag, _text: str, parent_tags: set[str]) -> str:
        return " " if "_inline" in parent_tags else "\n"


def from_markdown(source: str) -> str:
    """Published Markdown (template tags, HTML inside, attributes) as plain Markdown."""
    rendered = closed(_READER.render(without_dressing(source)))
    return _written(BeautifulSoup(rendered, "html.parser"))


def from_html(source: str) -> str:
    """The content of an HTML page; a page's menus and footers count only if nothing else is."""
    soup = BeautifulSoup(closed(source), "html.parser")
    body = soup.find("main") or soup.find("article") or soup.body or soup
    whole = str(body)
    for element in body.find_all(_PAGE_FURNITURE):
        element.decompose()
    return _written(body) or _written(BeautifulSoup(whole, "html.parser"))


def closed(source: str) -> str:
    """Without comments that are never closed: html.parser reads on to the end from each of them."""
    end = source.rfind("-->") + 3 if "-->" in source else 0
    return source[:end] + source[end:].replace("<!--", "")


def without_dressing(source: str) -> str:
    """Template tags and attributes out of everything but code."""
    parts = _CODE.split(source)
    kept = []
    for prose, code in zip(parts[::3], [*parts[1::3], ""], strict=True):
        bare = prose
        for pattern, replacement in _DRESSING:
            bare = pattern.sub(replacement, bare)
        kept += [bare, code]
    return "".join(kept)


def normalised(text: str) -> str:
    """One kind of line end and space, no control or invisible characters, composed accents."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\u2028\u2029\x0b\x0c\x85]", "\n", text)
    text = re.sub("[\u00a0\u2007\u202f]", " ", _INVISIBLE.sub("", text))
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    text = "\n".join(line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def _written(body: Tag) -> str:
    for element in body.find_all(_DROPPED):
        element.decompose()
    for string in body.find_all(string=lambda s: isinstance(s, PreformattedString)):
        string.extract()  # comments, doctypes and processing instructions
    body.smooth()  # the texts around them are one again
    _drop_contents_lists(body)
    _flatten_cells(body)
    return normalised(_PlainMarkdown().convert_soup(body)).strip()


def _drop_contents_lists(body: Tag) -> None:
    """A list whose every item is a link into the same page repeats the headings."""
    for block in body.find_all(["ul", "ol"]):
        links = block.find_all("a", href=re.compile("^#"))
        if len(links) > 1 and _letters(block) == "".join(_letters(link) for link in links):
            lead = block.find_previous_sibling()
            if lead is not None and re.fullmatch(r"\s*(\S+\s+){1,4}\S+:\s*", lead.get_text()):
                lead.decompose()  # "In this article:"
            block.decompose()


def _flatten_cells(body: Tag) -> None:
    """A Markdown cell is one line: its list items and paragraphs become sentences in a row."""
    for cell in body.find_all(["td", "th"]):
        for block in cell.find_all(["li", "p", "div"]):
            if block.find_next_sibling(block.name):
                block.append("; " if block.name == "li" else " ")
            block.unwrap()
        for block in cell.find_all(["ul", "ol"]):
            block.unwrap()
        for string in cell.find_all(string=re.compile(r"\|")):
            string.replace_with(str(string).replace("|", "\\|"))


def _letters(element: Tag) -> str:
    return re.sub(r"\W+", "", element.get_text())


def _absolute(href: str) -> bool:
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def render(_: object, tokens: Sequence[Token], index: int, *_options: object) -> str:
        content = tokens[index].content
        return _TAG.sub(lambda tag: "<" if _HTML_NAMES.fullmatch(tag[1]) else "&lt;", content)

    reader.add_render_rule("html_inline", render)
    reader.add_render_rule("html_block", render)
    return reader


_READER = _reader()
