"""Cuts a revision's Markdown into passages along its headings.

Owns where the cuts are. Refuses to change a character: a piece is a pair of offsets.
Invariant: the pieces are in order, do not overlap, and leave out nothing but white space.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_text_splitters import RecursiveCharacterTextSplitter
from markdown_it import MarkdownIt

from knowledge_base.sizes import PassageSizes

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
# Paragraphs and list items, nested items, sentences (not the dot of "2. "), words, characters.
_BOUNDARIES = [r"\n\n(?=\S)", r"\n(?=\S)", r"\n", r"(?<=\D[.?!;]) ", " ", ""]
_PAGE = re.compile(r"(?:^Page |\(page )(\d+)\)?$")  # as `formats.pdf` writes them
_INLINE_MARKS = re.compile(r"[*`]+|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Piece:
    section: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Block:
    start: int
    end: int
    is_table: bool
    heading: tuple[int, str] | None  # depth and text


@dataclass(frozen=True, slots=True)
class _Section:
    path: tuple[str, ...]
    blocks: tuple[_Block, ...]

    @property
    def start(self) -> int:
        return self.blocks[0].start

    @property
    def end(self) -> int:
        return self.blocks[-1].end


def cut(text: str, title: str, sizes: PassageSizes) -> list[Piece]:
    """Cut `text`; a heading that only repeats `title` is left out of the section paths."""
    pieces: list[Piece] = []
    for section in _merged(_sections(text, title), sizes):
        name = " > ".join(section.path) or None
        pieces += [Piece(name, start, end) for start, end in _packed(text, section, sizes)]
    return pieces


def page_of(section: str | None) -> int | None:
    """The page that a section's name ends in."""
    page = _PAGE.search(section.rpartition(" > ")[2]) if section else None
    return int(page[1]) if page else None


def _sections(text: str, title: str) -> Iterator[_Section]:
    """One for each heading with what follows it, and one for what stands before the first."""
    path: list[tuple[int, str]] = []
    blocks: list[_Block] = []
    for block in _blocks(text):
        if block.heading and blocks:
            yield _section(path, blocks, title)
            blocks = []
        if block.heading:
            depth, name = block.heading
            path = [(above, parent) for above, parent in path if above < depth]
            path += [(depth, name)] if name else []
        blocks.append(block)
    if blocks:
        yield _section(path, blocks, title)


def _section(path: Sequence[tuple[int, str]], blocks: Sequence[_Block], title: str) -> _Section:
    names = tuple(name for _, name in path if name.casefold() != title.casefold())
    return _Section(names, tuple(blocks))


def _blocks(text: str) -> Iterator[_Block]:
    """The top-level blocks. Each reaches to the next one's first line, so nothing falls between."""
    line_starts = [0]
    for line in text.split("\n"):
        line_starts.append(line_starts[-1] + len(line) + 1)
    starts: list[int] = []
    kinds: list[tuple[bool, tuple[int, str] | None]] = []
    tokens = _MARKDOWN.parse(text)
    for index, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        heading = None
        if token.type == "heading_open":
            name = _INLINE_MARKS.sub(r"\1", tokens[index + 1].content).strip()
            heading = (int(token.tag[1]), name)
        starts.append(line_starts[token.map[0]])
        kinds.append((token.type == "table_open", heading))
    if not starts:
        starts, kinds = [0], [(False, None)]
    starts[0] = 0
    for start, end, (is_table, heading) in zip(
        starts, [*starts[1:], len(text)], kinds, strict=True
    ):
        piece = text[start:end]
        if body := piece.strip():
            offset = start + piece.index(body)
            yield _Block(offset, offset + len(body), is_table, heading)


def _merged(sections: Iterator[_Section], sizes: PassageSizes) -> Iterator[_Section]:
    """A tiny section is joined to the next one when that is its sibling or its child."""
    held: _Section | None = None
    for section in sections:
        if held is None:
            held = section
            continue
        parent = held.path[:-1]
        if (
            not _names_a_page(held)
            and held.end - held.start < sizes.tiny
            and section.end - held.start <= sizes.target
            and section.path[: len(parent)] == parent
        ):
            is_child = section.path[: len(held.path)] == held.path
            path = section.path if is_child else parent or held.path
            held = _Section(path, held.blocks + section.blocks)
        else:
            yield held
            held = section
    if held is not None:
        yield held


def _names_a_page(section: _Section) -> bool:
    """What stands on one page is not cited as standing on another."""
    return bool(section.path) and _PAGE.search(section.path[-1]) is not None


def _packed(text: str, section: _Section, sizes: PassageSizes) -> Iterator[tuple[int, int]]:
    """Whole blocks, as many as fit the target; a heading is never left alone at an end."""
    parts = [part for block in section.blocks for part in _parts(text, block, sizes)]
    start, end = parts[0]
    for index, part in enumerate(parts[1:], start=1):
        only_heading = index == 1 and text.startswith("#", start)
        if part[1] - start <= sizes.target or only_heading:
            end = part[1]
        else:
            yield start, end
            start, end = part
    yield start, end


def _parts(text: str, block: _Block, sizes: PassageSizes) -> Sequence[tuple[int, int]]:
    if block.end - block.start <= (sizes.table if block.is_table else sizes.target):
        return [(block.start, block.end)]
    splitter = RecursiveCharacterTextSplitter(
        separators=["\n"] if block.is_table else _BOUNDARIES,
        is_separator_regex=True,
        chunk_size=sizes.target,
        chunk_overlap=0,
        keep_separator="end",
        add_start_index=True,
    )
    parts = []
    for document in splitter.create_documents([text[block.start : block.end]]):
        offset = block.start + int(document.metadata["start_index"])
        parts.append((offset, offset + len(document.page_content)))
    return parts
