"""Turns the tokens of one generation into text: whole characters, cut at the first stop string.

Knows no model and no thread. Invariant: what `feed` and `close` returned, joined, is a prefix of
what the tokens say and contains no stop string.
"""

import codecs


class Transcript:
    """Holds back what may still become a stop string or is not yet a whole character."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._released: list[str] = []
        self.stopped = False

    @property
    def text(self) -> str:
        """Everything that was released so far."""
        return "".join(self._released)

    def feed(self, piece: bytes) -> str:
        """The text that is certain now. After a stop string was met (`stopped`), nothing more."""
        if self.stopped:
            return ""
        text = self._held + self._decoder.decode(piece)
        if self._stop:
            found = [at for at in map(text.find, self._stop) if at >= 0]
            if found:
                self.stopped = True
                self._held = ""
                return self._release(text[: min(found)])
            keep = self._possible_stop(text)
            self._held = text[len(text) - keep :]
            text = text[: len(text) - keep]
        return self._release(text)

    def close(self) -> str:
        """What was held back. Bytes of a character that was never finished are left out."""
        text, self._held = self._held, ""
        return self._release(text)

    def _release(self, text: str) -> str:
        if text:
            self._released.append(text)
        return text

    def _possible_stop(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a stop string."""
        longest = max(map(len, self._stop)) - 1
        for length in range(min(longest, len(text)), 0, -1):
            tail = text[-length:]
            if any(stop.startswith(tail) for stop in self._stop):
                return length
        return 0
