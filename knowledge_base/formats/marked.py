"""Reads long Markdown and HTML: the same reading as of short ones, within the child's limits.

Owns nothing but the way in. Refuses to know headers. Invariant: what comes out is what `markup`
makes of the same text.
"""

from knowledge_base import markup
from knowledge_base.formats.reading import Read


def read_markdown(content: bytes) -> Read:
    return Read(title="", text=markup.from_markdown(content.decode()))


def read_html(content: bytes) -> Read:
    return Read(title="", text=markup.from_html(content.decode()))
