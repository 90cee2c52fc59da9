"""Puts citation markers into an answer while it streams, and judges each sentence as it ends.

Refuses to know models and storage. Invariant: what `feed` and `finish` return, joined, is the
answer's text; a marker `[n]` stands only behind a sentence that a given passage supports, and n
counts passages in the order in which the answer first uses them.
"""

import re
from collections.abc import Sequence
from itertools import product
from typing import Final

from agent.policy import claims, grounding, guardrails
from agent.policy.language import language_of

# Markers of the model's own are dropped: ours are decided by comparison, not by the model.
_CITED: Final = re.compile(r" ?\[\d+\]")
_OWN_MARKER: Final = re.compile(r"\s?\[\d{1,2}\](?:\(#?\w*\))?")
# What the next characters may turn into a sentence's end, a marker, or nothing at all.
_UNDECIDED: Final = re.compile(r"[.!?…。！？]+[\"'”’)\]]*\s*$|\s*\[\d{0,2}\]?$|\s+$")
# What small models say before they say it: "The policy text states that hosts have 24 hours."
_SAYING: Final = ("says", "states", "explains", "specifies", "mentions")
_ALSO: Final = tuple(f"also {says}" for says in _SAYING)
_HEADS: Final = (
    "the answer is",
    "the answer to the customer's question is",
    "according to the policy text",
    *(" ".join(parts) for parts in product(("the policy text", "the policy"), (*_SAYING, *_ALSO))),
)
_OPENINGS: Final = tuple(
    "".join(parts) for parts in product(_HEADS, (" ", ": ", ", ", " that ", " that: "))
)
# What the lead asks for, gone through one by one behind the answer: "Conditions: … Amounts: none".
# Of 87 answers on DuckDuckGo help 6 went on so, and 4 of them made up what they listed.
_LISTED: Final = ("conditions", "condition", "amounts", "amount", "time limits", "time limit")
_LISTS: Final = tuple(f"{the}{name}" for the in ("", "the ") for name in _LISTED)
_CHECKLIST: Final = re.compile(rf"(?:the )?(?:{'|'.join(_LISTED)})\b[^.!?\n:]{{0,80}}(:?)$")
_STEP: Final = re.compile(r"(?:\d{1,2}[.)]|[-*•])\s")
# The least share of its words that a sentence, or a step of a list, has from what is known. Of 87
# answers on DuckDuckGo help true steps have 0.57 and more, invented ones 0.43 and less.
SENTENCE_FLOOR: Final = 0.35
STEP_FLOOR: Final = 0.5
_ENOUGH_WORDS: Final = 3


class CitingStream:
    """`sources`: the passages' texts; `background`: what else may be repeated, as what the customer
    said and the passages' titles."""

    def __init__(self, sources: Sequence[str], background: Sequence[str] = ()) -> None:
        self._sources = list(sources)
        self._background = list(background)
        self._held = ""
        self._sentence = ""
        self._gap = ""
        self._order: list[int] = []
        self._used: dict[int, list[str]] = {}
        self._last_marker: int | None = None
        self._ended = False
        self.text = ""
        self.faults: list[str] = []
        self.sentences: list[str] = []
        self.gaps: list[str] = []  # the white space before each sentence
        self.shares: list[float] = []  # of each sentence's words, how many its source has

    def feed(self, text: str) -> str:
        """The part of the answer that may be shown now."""
        self._held += text
        out = ""
        while True:
            self._held = _OWN_MARKER.sub("", self._held)
            if self._may_open() or self._may_list():
                return out
            said = self._sentence + self._held
            match = grounding.sentence_end(said, at=len(self._sentence))
            # A line's end is certain at once; a full stop only with the character behind it.
            if match is None:
                break
            line_end = match.group().startswith("\n")
            cut = (match.start() if line_end else match.end()) - len(self._sentence)
            out += self._take(cut) + self._close()
            if line_end:
                out += self._pass(match.group())
                self._gap += match.group()
                self._held = self._held[len(match.group()) :]
        keep = _UNDECIDED.search(self._held)
        return out + self._take(keep.start() if keep else len(self._held))

    def finish(self) -> str:
        """What is left, with its marker."""
        self._held = _OWN_MARKER.sub("", self._held).rstrip()
        self._may_open()
        if self._may_list() and self._ended:
            return ""
        return self._take(len(self._held)) + self._close()

    def anew(self) -> "CitingStream":
        """For another text from the same sources."""
        return CitingStream(self._sources, self._background)

    def used(self) -> list[tuple[int, str]]:
        """(index of the passage, verbatim quote) in the order of the markers 1, 2, …"""
        return [
            (index, grounding.quote(self._used[index], self._sources[index]))
            for index in self._order
        ]

    def _may_open(self) -> bool:
        """Whether what is held may yet turn out to be an opening. One that is there is left out."""
        if self._sentence.strip():
            return False
        text = self._held.lstrip()
        low = text.lower()
        if low and any(opening.startswith(low) for opening in _OPENINGS):
            return True
        cut = max((len(opening) for opening in _OPENINGS if low.startswith(opening)), default=0)
        if cut:
            before = self._held[: len(self._held) - len(text)]
            self._held = before + text[cut : cut + 1].upper() + text[cut + 1 :]
        return False

    def _may_list(self) -> bool:
        """Whether what is held may yet turn out to begin a checklist. One that is there is left
        out with all that follows."""
        low = self._held.lstrip(" \n-*•").lower()
        if self._sentence.strip() or not self.sentences:
            return self._ended
        head = low.split(":")[0] + ":" if ":" in low else low
        match = _CHECKLIST.match(head)
        self._ended |= match is not None and bool(match[1])
        return self._ended or match is not None or any(name.startswith(low) for name in _LISTS)

    def _pass(self, text: str) -> str:
        self.text += text
        return text

    def _take(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        self._sentence += text
        return self._pass(text)

    def _close(self) -> str:
        """Judge the sentence that just ended; its marker, if it gets one."""
        whole, self._sentence = self._gap + self._sentence, ""
        self._gap, sentence = "", whole.strip()
        if not re.search(r"\w", sentence):
            return ""
        self.sentences.append(sentence)
        self.gaps.append(whole[: len(whole) - len(whole.lstrip())])
        support = grounding.support(sentence, self._sources)
        self.shares.append(support.share)
        found = support.passage
        if self._is_false(sentence, found) or self._is_made_up(sentence):
            self.faults.append(sentence)
            return ""
        if found is None or sentence.endswith((":", "?")):
            return ""
        if found not in self._used:
            self._order.append(found)
        self._used.setdefault(found, []).append(sentence)
        if found == self._last_marker and not grounding.figures(sentence):
            return ""
        self._last_marker = found
        return self._pass(f" [{self._order.index(found) + 1}]")

    def _is_made_up(self, sentence: str) -> bool:
        """Whether most of its words are the model's alone. Small models go on when the policy has
        no more to say, above all with steps ("Click on Save"). Names and amounts are judged apart;
        another language shares no words."""
        if language_of(self.text) != "en" or sentence.endswith((":", "?")):
            return False
        known = grounding.content_words(" ".join((*self._sources, *self._background)))
        words = grounding.content_words(sentence)
        floor = STEP_FLOOR if _STEP.match(sentence) else SENTENCE_FLOOR
        return len(words) >= _ENOUGH_WORDS and len(words & known) < floor * len(words)

    def _is_false(self, sentence: str, found: int | None) -> bool:
        """Whether it says what no source says, or undertakes what nobody will do. Names and "not"
        are compared only where the sentence is its source's in other respects, and English: German
        has capitals everywhere."""
        known = [*self._sources, *self._background]
        if guardrails.promises_work(sentence) or grounding.unsupported_figures(sentence, known):
            return True
        if found is None or language_of(sentence) != "en":
            return False
        return bool(claims.unsupported_names(sentence, known)) or claims.reverses(
            sentence, self._sources[found]
        )


def without_markers(text: str) -> str:
    return _CITED.sub("", text).strip()
