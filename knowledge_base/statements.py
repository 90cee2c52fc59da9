"""What a passage states: its sentences, list items and table rows, with their figures and their no.

Pure. Refuses to know passages' neighbours and any model. Invariant: a statement's `text` is a
verbatim slice of its passage, and so is each figure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import Stemmer

_END = re.compile(r"(?<!\b[A-Z])(?<!\be\.g)(?<!\bi\.e)[.!?;]+[\"'”’)\]*]*(?=\s)|:(?=\s)|\n+")
_WORD = re.compile(r"[^\W\d_]+")
_ITEM = re.compile(r"^(?:[-*+]|\d+[.)])\s+")
_HEADING = re.compile(r"^#+\s")
_RULE = re.compile(r"^\|[\s|:-]+\|?$")
_LEADS_IN: Final = 4  # blanks in what a colon ends as a sentence of its own
_LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)|https?://\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SMALL_WORDS: Final = (
    "a about above all also an and any are as at be been being but by can could did do does each "
    "every for from had has have her his how i if in into is it its may me more must my need needs "
    "of on one or our own shall should so such than that the their them then there these they this "
    "those to up us was we were what when where which who whoever whose will with would you your "
    "after at least most within per only no not never none cannot nothing nobody"
)
_STOP: Final = frozenset(_SMALL_WORDS.split())
_SAME: Final = dict.fromkeys(("fee", "price", "charg", "pay", "paid"), "cost")

# -- figures
_TO_TWELVE: Final = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBERS: Final = {name: value for value, name in enumerate(_TO_TWELVE.split())}
_COUNTED = r"(?P<number>\d+(?:[.,]\d+)*|\b(?:" + "|".join(_NUMBERS) + r")\b)"
_MONTHS = "january february march april may june july august september october november december"
_DATE = re.compile(
    r"\b(?P<day>\d{1,2})\.? (?P<month>" + "|".join(_MONTHS.split()) + r")(?: (?P<year>\d{4}))?\b"
    r"|\b(?P<iso>\d{4}-\d{2}-\d{2})\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2}):(?P<minute>\d{2})(?: ?(?P<half>[ap])\.?m\b)?"
    r"|\b(?P<hour12>\d{1,2}) ?(?P<half12>[ap])\.?m\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"(?:€|\$|£|\b(?:EUR|USD|GBP) )\s?(?P<before>\d+(?:[.,]\d+)*)"
    rf"|{_COUNTED} ?(?:€|\$|£|(?:EUR|euros?|USD|dollars?|GBP|pounds?)\b)",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    rf"{_COUNTED} ?(?:%|per ?cent\b)|\b(?P<half>half) (?:of|the)\b", re.IGNORECASE
)
_SPAN = re.compile(
    rf"{_COUNTED}[ -](?:started |further |more |working |business |calendar |full )?"
    r"(?P<unit>minute|hour|day|week|month|year|night)(?P<many>s?)\b",
    re.IGNORECASE,
)
_COUNT = re.compile(rf"{_COUNTED} (?P<noun>[^\W\d_]+)", re.IGNORECASE)
_HOURS: Final = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0}
_FREE = re.compile(
    r"\b(?:free of charge|free of cost|costs? nothing"
    r"|(?:is|are) (?:always )?free\b(?! (?:to|until)))",
    re.IGNORECASE,
)

# -- yes or no
_BOUND = re.compile(
    r"\b(?:no|not)(?: [a-z]+)? (?:later|more|longer|less|fewer|earlier|sooner|higher|older) than\b"
    r"|\bnot (?:only|until|before)\b|\bno matter\b|\bwhether or not\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|no|never|none|cannot|nobody|nothing|neither|nor|forbidden|prohibited)\b|n['’]t\b",
    re.IGNORECASE,
)
# What only shows what a rule comes to.
_EXAMPLE = re.compile(r"\bexamples?\b|\be\.g\.|\bfor instance\b", re.IGNORECASE)
# Behind these a "not" holds for a part of the cases only.
_PARTLY = re.compile(
    r"\b(?:unless|except|only|other than|more than|less than|longer than|as long as|until)\b",
    re.IGNORECASE,
)


KINDS: Final = ("money", "percent", "time", "months", "nights", "clock", "date")


@dataclass(frozen=True, slots=True)
class Figure:
    """`kind`: money, percent, time (in hours), months, nights, clock, date, or `count` and what."""

    kind: str
    value: float | str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """`start` and `end` in the passage's text; `words`: its stems, without figures and small words;
    `about`: those of its table's head and of the headings above it. `negated` is None where that
    cannot be told."""

    start: int
    end: int
    words: frozenset[str]
    about: frozenset[str]
    figures: tuple[Figure, ...]
    negated: bool | None
    nots: tuple[tuple[int, int], ...] = ()  # where it says no
    example: bool = False
    row: bool = False  # of a table
    cases: frozenset[tuple[str, float | str]] = frozenset()  # the figures of a row's first cell

    def values(self, kind: str) -> set[float | str]:
        return {one.value for one in self.figures if one.kind == kind}

    @property
    def said(self) -> set[tuple[str, float | str]]:
        return {(one.kind, one.value) for one in self.figures}

    @property
    def kinds(self) -> set[str]:
        return {one.kind for one in self.figures}


def statements(text: str, headings: str = "") -> list[Statement]:
    """Those of a passage; `headings`: what stands above it."""
    above = stems(headings)
    found: list[Statement] = []
    head: frozenset[str] | None = None  # of the table that the line stands in
    for start, line in _lines(text):
        if _HEADING.match(line):
            above |= stems(line)
        elif line.startswith("|"):
            if head is None:
                head = stems(line)
            elif not _RULE.match(line):
                found.append(_statement(text, start, start + len(line), above | head, row=True))
            continue
        else:
            found += [_statement(text, *span, above) for span in _sentences(text, start, line)]
        head = None
    return [one for one in found if one.words]


def stems(text: str) -> frozenset[str]:
    """Of the words that carry meaning."""
    plain = _LINK.sub(r"\1", text).lower()
    words = [word for word in _WORD.findall(plain) if word not in _STOP and len(word) > 1]
    # A stemmer keeps state in C and is not safe for threads; making one costs microseconds.
    stemmed: list[str] = Stemmer.Stemmer("english").stemWords(words)
    return frozenset(_SAME.get(stem, stem) for stem in stemmed)


def _lines(text: str) -> list[tuple[int, str]]:
    found, at = [], 0
    for line in text.split("\n"):
        bare = line.strip()
        if bare:
            found.append((at + line.index(bare), bare))
        at += len(line) + 1
    return found


def _sentences(text: str, start: int, line: str) -> list[tuple[int, int]]:
    item = _ITEM.match(line)
    begins, end = start + (item.end() if item else 0), start + len(line)
    spans = []
    while begins < end:
        stop = _END.search(text, begins, end)
        while stop and stop.group() == ":" and text.count(" ", begins, stop.start()) < _LEADS_IN:
            stop = _END.search(text, stop.end(), end)  # "Flexible: until 24 hours before …"
        ends = stop.end() if stop else end
        piece = text[begins:ends]
        if piece.strip():
            left = begins + len(piece) - len(piece.lstrip())
            spans.append((left, left + len(piece.strip())))
        begins = ends
    return spans


def _statement(
    text: str, start: int, end: int, about: frozenset[str], *, row: bool = False
) -> Statement:
    piece = text[start:end]
    figures = [
        Figure(one.kind, one.value, one.start + start, one.end + start) for one in _figures(piece)
    ]
    first = piece.find("|", 1) + start if row else start
    return Statement(
        *(start, end, stems(_without_units(text, start, end, figures)), about),
        figures=tuple(figures),
        negated=_negated(piece),
        nots=tuple((m.start() + start, m.end() + start) for m in _NOT.finditer(piece)),
        example=_EXAMPLE.search(piece) is not None,
        row=row,
        cases=frozenset((one.kind, one.value) for one in figures if one.end <= first),
    )


def _without_units(text: str, start: int, end: int, figures: Sequence[Figure]) -> str:
    kept, at = [], start
    for one in sorted(figures, key=lambda figure: figure.start):
        kept.append(text[at : one.start])
        at = one.end if one.kind in KINDS else one.start
    return " ".join([*kept, text[at:end]])


def _negated(piece: str) -> bool | None:
    plain = _BOUND.sub(" ", piece)
    found = _NOT.findall(re.sub(r"^No,", "", plain))
    if _PARTLY.search(piece) or len(found) > 1:
        return None
    return len(found) == 1


def _figures(piece: str) -> list[Figure]:
    """Each stretch once, by the most telling pattern."""
    taken = [False] * len(piece)
    found: list[Figure] = []

    def take(pattern: re.Pattern[str]) -> list[re.Match[str]]:
        free = [m for m in pattern.finditer(piece) if not any(taken[m.start() : m.end()])]
        for match in free:
            taken[match.start() : match.end()] = [True] * (match.end() - match.start())
        return free

    for match in take(_DATE):
        date = match["iso"] or f"{match['day']} {match['month'].lower()} {match['year'] or ''}"
        found.append(Figure("date", date.strip(), *match.span()))
    found += [Figure("clock", _clock(match), *match.span()) for match in take(_CLOCK)]
    for match in take(_MONEY):
        found.append(Figure("money", _number(match["before"] or match["number"]), *match.span()))
    for match in take(_PERCENT):
        value = 50.0 if match["half"] else _number(match["number"])
        found.append(Figure("percent", value, *match.span()))
    for match in take(_SPAN):
        found += _span(match)
    found += [Figure("money", 0.0, *match.span()) for match in take(_FREE)]
    for match in take(_COUNT):
        noun = Stemmer.Stemmer("english").stemWord(match["noun"].lower())
        if match["noun"].lower() not in _STOP and match["number"].lower() != "one":
            found.append(Figure(f"count {noun}", _number(match["number"]), *match.span()))
    return found


def _span(match: re.Match[str]) -> list[Figure]:
    value, unit = _number(match["number"]), match["unit"].lower()
    hyphenated = match.group()[len(match["number"])] == "-"
    if value != 1 and not match["many"] and not hyphenated:
        return []  # "2 day visitors"
    if unit in _HOURS:
        return [Figure("time", round(value * _HOURS[unit], 3), *match.span())]
    if unit == "night":
        return [Figure("nights", value, *match.span())]
    return [Figure("months", value * (12 if unit == "year" else 1), *match.span())]


def _clock(match: re.Match[str]) -> str:
    hour, half = int(match["hour"] or match["hour12"]), match["half"] or match["half12"]
    if half:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return f"{hour}:{match['minute'] or '00'}"


def _number(text: str) -> float:
    """`1,500.00` and `1500` are the same."""
    word = _NUMBERS.get(text.lower())
    if word is not None:
        return float(word)
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", text).replace(",", ".")
    whole, _, rest = plain.partition(".")
    return float(f"{whole}.{rest.replace('.', '')}" if rest else whole)
