"""Ties sentences of an answer to the passages they come from: pure functions of text.

Refuses to know the model that wrote the answer: what a sentence rests on is decided by comparing
words and figures, so a citation can only name a passage that was given. Invariant: a quote is a
verbatim slice of its passage.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import Stemmer

_TO_TWENTY: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS: Final = {word: str(number) for number, word in enumerate(_TO_TWENTY.split())} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "ninety": "90",
}
_STOP_WORDS: Final = (
    "a an and are as at be been but by can could do does for from had has have how i if in into is "
    "it its may me my no not of on or our shall she should so than that the their them then there "
    "these they this those to up us was we were what when where which who will with would you your "
    "also any only must after before"
)
_STOP: Final = frozenset(_STOP_WORDS.split())
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,:]\d+)*%?", re.UNICODE)
_FIGURE: Final = re.compile(r"\d+(?:[.,:]\d+)*")
_LINK: Final = re.compile(r"https?://[^\s)>\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# A sentence ends at . ! ? before white space that is not followed by a small letter ("4 p.m. on"),
# but not after an initial or a title ("Edwin P. Hubble", "Dr. Hubble"), and at a line's end, so
# that list items and table rows are sentences.
SENTENCE_END: Final = re.compile(
    r"(?<!\s[A-Z])(?<!\b[DM]r)(?<!\bMs)(?<!\bMrs)(?<!\bSt)(?<!\be\.g)(?<!\bi\.e)"
    r"[.!?…。！？]+[\"'”’)\]]*(?=\s+[^\sa-z])|\n+"
)
QUOTE_LIMIT: Final = 320
TABLE_QUOTE_LIMIT: Final = 1200

# Below this share of a sentence's content words found in a passage, the sentence is not tied to it.
# 0.34 keeps paraphrases ("you get everything back") and drops small talk around the answer.
SUPPORT_FLOOR: Final = 0.34
# The share of their words, and how many, that two sentences have in common that mean the same fact.
NEARLY: Final = 0.6
_FEW: Final = 3


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


@dataclass(frozen=True, slots=True)
class Support:
    """How a sentence stands to the passages: the best one's index (None: none), and its share."""

    passage: int | None
    share: float


def sentence_end(text: str, begins: int = 0, at: int = 0) -> re.Match[str] | None:
    """The end of the sentence that begins at `begins`, looked for from `at` on. The number of an
    item ("1. Open the app") ends none."""
    for match in SENTENCE_END.finditer(text, at):
        if match.group()[0] != "." or not text[begins : match.start()].strip().isdecimal():
            return match
    return None


def figures(text: str) -> set[str]:
    """Numbers in one form: '1,500.00' and '1500' are the same, 'two' is '2'."""
    found = {_canonical(match) for match in _FIGURE.findall(text)}
    found |= {
        _NUMBER_WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _NUMBER_WORDS
    }
    return found


def unsupported_figures(sentence: str, sources: Sequence[str]) -> set[str]:
    """Figures written with digits in the sentence, and links, that stand in none of the sources.

    Number words are taken as support but never demanded: 'one of our hosts' is no figure.
    """
    bare = re.sub(r"(?m)^\s*\d+[.)]\s", "", sentence)  # the number of an item says nothing
    wanted = {_canonical(match) for match in _FIGURE.findall(_LINK.sub(" ", bare))}
    known: set[str] = set()
    for source in sources:
        known |= figures(source) | _converted(source)
    return (wanted - known) | {
        link for link in links(bare) if not any(link in text for text in sources)
    }


def _converted(text: str) -> set[str]:
    """Weeks in days and years in months: "3 weeks (21 days)" is no invention."""
    spans = re.findall(r"\b(\d{1,3}|[a-z]+) (week|year)", text.lower())
    numbers = ((_NUMBER_WORDS.get(number, number), span) for number, span in spans)
    return {
        str(int(number) * (7 if span == "week" else 12))
        for number, span in numbers
        if number.isdecimal()
    }


def links(text: str) -> set[str]:
    """Web and e-mail addresses."""
    return {match.rstrip(".,;:!?") for match in _LINK.findall(text)}


def support(sentence: str, passages: Sequence[str]) -> Support:
    """The passage that shares most of the sentence's content words, figures counting threefold."""
    words = content_words(sentence)
    if not words:
        return Support(None, 0.0)
    weight = {word: 3.0 if word[0].isdigit() else 1.0 for word in words}
    total = sum(weight.values())
    best, best_share = None, 0.0
    for index, passage in enumerate(passages):
        share = sum(weight[word] for word in words & content_words(passage)) / total
        if share > best_share + 1e-9:
            best, best_share = index, share
    return Support(best if best_share >= SUPPORT_FLOOR else None, best_share)


def nearest(sentence: str, passages: Sequence[str]) -> str:
    """What the passages say that is nearly the same, verbatim; nothing if they do not. Rows of
    tables say little alone."""
    words = content_words(sentence)
    best, found = NEARLY, ""
    for said in (said for passage in passages for said in sentences(passage)):
        theirs = content_words(said)
        same = len(words & theirs)
        if same < _FEW or said.startswith(("|", "#")) or said.endswith(":"):
            continue
        if same / min(len(words), len(theirs)) >= best:
            best, found = same / min(len(words), len(theirs)), said
    return found


def is_said(sentence: str, text: str) -> bool:
    """Whether the text has nearly all words of the sentence."""
    words = content_words(sentence)
    return len(words & content_words(text)) >= 0.8 * len(words)


def quote(sentences: Sequence[str], passage: str) -> str:
    """The stretch of the passage, verbatim and at most QUOTE_LIMIT long, that says the same."""
    wanted = set[str]().union(*map(content_words, sentences)) if sentences else set[str]()
    spans = _spans(passage)
    if not spans:
        return passage.strip()[:QUOTE_LIMIT]
    scores = [_overlap(passage[start:end], wanted) for start, end in spans]
    first = last = max(range(len(spans)), key=lambda index: scores[index])
    while True:  # grow towards the neighbour that adds most, while there is room
        grown = [
            (scores[i], i)
            for i in (first - 1, last + 1)
            if 0 <= i < len(spans)
            and scores[i] >= 0.5 * max(scores)
            and spans[max(last, i)][1] - spans[min(first, i)][0] <= QUOTE_LIMIT
        ]
        if not grown:
            break
        index = max(grown)[1]
        first, last = min(first, index), max(last, index)
    start, end = spans[first][0], spans[last][1]
    if passage[start:end].startswith("|"):
        return passage[_table_head(passage, start, end) : end]
    return _cut(passage[start:end])


def _table_head(passage: str, start: int, end: int) -> int:
    """Where the table begins that the row at `start` stands in: a row says little without it."""
    head = start
    while head > 0 and passage.rfind("|", 0, head - 1) == head - 2:
        line = passage.rfind("\n", 0, head - 1) + 1
        if not passage.startswith("|", line) or end - line > TABLE_QUOTE_LIMIT:
            break
        head = line
    return head


def _overlap(stretch: str, wanted: set[str]) -> float:
    words = content_words(stretch)
    return len(words & wanted) / (len(words) ** 0.5 * 3) if words else 0.0


def _spans(passage: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    while start < len(passage):
        match = sentence_end(passage, start, start)
        end = match.end() if match else len(passage)
        stretch = passage[start:end]
        if stretch.strip():
            left = start + len(stretch) - len(stretch.lstrip())
            spans.append((left, left + len(stretch.strip())))
        start = end
    return spans


def _cut(stretch: str) -> str:
    if len(stretch) <= QUOTE_LIMIT:
        return stretch
    return stretch[: stretch.rfind(" ", 0, QUOTE_LIMIT)].rstrip()


def _canonical(figure: str) -> str:
    if ":" in figure:
        return figure.lstrip("0")
    figure = re.sub(r",(?=\d{3}(?:\D|$))", "", figure).replace(",", ".")
    return (figure.rstrip("0").rstrip(".") if "." in figure else figure).lstrip("0") or "0"


@cache
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


def sentences(passage: str) -> list[str]:
    """Sentences, list items and table rows."""
    return [passage[start:end] for start, end in _spans(passage)]


def content_words(text: str) -> set[str]:
    """Stems of the words that carry meaning, and figures in one form."""
    words = set()
    for match in _WORD.findall(text):
        if match[0].isdigit():
            words.add(_canonical(match.rstrip("%")))
            continue
        word = match.lower().split("'")[0].split("’")[0]
        if word in _NUMBER_WORDS:
            words.add(_NUMBER_WORDS[word])
        elif word not in _STOP and len(word) > 1:
            words.add(_stem(word))
    return words
