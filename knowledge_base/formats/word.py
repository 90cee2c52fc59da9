"""Reads a Word document (DOCX) as Markdown: headings by their styles, lists, tables, footnotes.

Owns which styles are headings and which parts are dressing (pictures, tables of contents).
Refuses to follow a link: mammoth reads the one file it is given. Runs in the child only.
Invariant: what the author deleted or hid as a comment is not in the text.
"""

import io
import re

import mammoth
from bs4 import BeautifulSoup

from knowledge_base import markup
from knowledge_base.formats.reading import Read, Refused
from knowledge_base.formats.unpacking import office_file

_STYLES = "\n".join(
    [
        "p[style-name='Title'] => h1:fresh",
        "p[style-name='Subtitle'] => p:fresh",
        *(f"p[style-name='toc {level}'] => !" for level in range(1, 10)),
        *(f"p[style-name='heading {level}'] => h6:fresh" for level in range(7, 10)),
        "p[style-name='TOC Heading'] => !",
        "comment-reference => !",
    ]
)


def read(content: bytes) -> Read:
    checked = office_file(content, "word/document.xml")
    pictures = 0

    def left_out(_: object) -> list[object]:
        nonlocal pictures
        pictures += 1
        return []

    html = mammoth.convert_to_html(
        io.BytesIO(checked), style_map=_STYLES, convert_image=left_out, id_prefix="fd-"
    ).value
    text = markup.from_html(_cleaned(html))
    if not re.search(r"\w", text):
        raise Refused(
            "has pictures but no text; type out what they say."
            if pictures
            else "is empty; put text in it or leave it out."
        )
    warnings = (_pictures(pictures),) if pictures else ()
    return Read(title="", text=text, warnings=warnings)


def _cleaned(html: str) -> str:
    soup = BeautifulSoup(html, "html.parser")
    for link in soup.find_all("a", href=re.compile("^#fd-(foot|end)note")):
        if link.get_text(strip=True) == "↑":  # the way back from a note
            link.decompose()
    return str(soup)


def _pictures(count: int) -> str:
    return "1 picture was left out." if count == 1 else f"{count} pictures were left out."
