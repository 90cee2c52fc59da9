"""Asks the model everything that the compared designs of answering could want to know.

For each question, once: of each of the first passages what several judges say of it, how likely
the question is behind it, and the answer from it alone; the same of the first two together; and of
every third question the answer from four passages. The designs
themselves are rules over these records (`designs`). A passage's keys and values are computed once
behind the system prompt and kept, as the product does it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.evaluation.dataset import Item
from agent.generation.backend import Chunk
from agent.generation.chat import ChatTemplate
from agent.generation.llama import LlamaBackend, LlamaModel
from agent.generation.requests import ChatMessage, Sampling
from agent.prompting import Prompts
from tests.benchmarks.design_items import Asked

JUDGED = 3
MAX_TOKENS = 64
LEAD = 8  # tokens of the answer whose mean log-probability is kept
KEPT = 200  # passages' states in memory
# What stands behind the question, which itself stands first, so that an answer can share it.
ANSWER = (
    "\n\n(Today is {today}. Answer in full sentences, with the amount, time limit or condition"
    " that the policy text gives.)"
)
TAILS = {
    "second": "\n\n(Does the policy text above answer this question of a customer?"
    " Reply YES or NO.)",
}

Read = Callable[[int], None]
Step = tuple[Chunk, Read | None]


@dataclass(slots=True)
class _Text:
    """One sequence of the context with what its last decode said."""

    sequence: int
    length: int = 0
    answer: list[int] = field(default_factory=list)
    lead: list[float] = field(default_factory=list)
    ended: bool = False


@dataclass(slots=True)
class _Parts:
    """Tokens of a prompt whose last message is the question and a tail."""

    system: list[int]
    passage: list[int]
    opening: list[int]  # the history, if any, and what opens the customer's message
    question: list[int]
    closing: list[int]


class Recorder:
    def __init__(self, weights: Path, prompts: Prompts) -> None:
        self._prompts = prompts
        self._model = LlamaModel(weights)
        self._template = ChatTemplate(self._model.template)
        self._backend = LlamaBackend(
            self._model, context_tokens=16384, batch_tokens=512, sequences=100
        )
        self._system: list[int] = []
        self._states: OrderedDict[str, bytes] = OrderedDict()
        self._free = list(range(100, 0, -1))
        self._used: list[int] = []
        self.prefilled = self.decoded = self.steps = 0
        self.prefill_s = self.decode_s = 0.0

    def close(self) -> None:
        self._backend.close()

    def records(self, group: Sequence[tuple[Asked, bool]]) -> list[dict[str, Any]]:
        """One for each question, answered side by side; True: also from four passages."""
        turns = [_Turn(self, asked, four=four) for asked, four in group]
        self._run(step for turn in turns for step in turn.passages())
        for turn in turns:
            turn.keep_states()
        self._run(step for turn in turns for step in turn.second_behind_first())
        self._run(step for turn in turns for step in turn.openings())
        self._run(step for turn in turns for step in turn.questions())
        self._run(step for turn in turns for step in turn.tails())
        self._run(step for turn in turns for step in turn.all_four())
        self._answer([text for turn in turns for text in turn.answers()])
        for sequence in self._used:
            self._backend.drop(sequence)
        self._free, self._used = self._used[::-1] + self._free, []
        return [turn.record() for turn in turns]

    # What a turn needs of the context

    def parts(self, messages: Sequence[ChatMessage], question: str) -> _Parts:
        asked = ChatMessage.of("user", question)
        segments, _ = self._template.segments([*messages, asked], (), 1)
        cut = [self._model.tokenize(one.text, control=one.control) for one in segments]
        first, system, passage, *opening, said, closing = cut
        return _Parts(first + system, passage, [t for one in opening for t in one], said, closing)

    def tokenize(self, text: str) -> list[int]:
        return self._model.tokenize(text, control=False)

    def text(self, source: _Text | None = None) -> _Text:
        """A sequence that goes on from `source`; None: an empty one."""
        sequence = self._free.pop()
        self._used.append(sequence)
        if source is None:
            return _Text(sequence)
        self._backend.copy(source.sequence, sequence)
        return _Text(sequence, source.length)

    def system(self, tokens: list[int]) -> _Text:
        """The system prompt's sequence, computed at first use."""
        if not self._system:
            self._system = tokens
            self._run([(Chunk(0, 0, tokens, 0), None)])
        if tokens != self._system:
            raise ValueError("two system prompts in one run")
        return _Text(0, len(tokens))

    def load(self, passage_id: str, text: _Text, length: int) -> bool:
        state = self._states.get(passage_id)
        if state is None or not self._backend.load(text.sequence, state):
            return False
        self._states.move_to_end(passage_id)
        text.length += length
        return True

    def keep(self, passage_id: str, text: _Text) -> None:
        if passage_id not in self._states:
            self._states[passage_id] = self._backend.save(text.sequence, len(self._system))
            if len(self._states) > KEPT:
                self._states.popitem(last=False)

    def feed(self, text: _Text, tokens: Sequence[int], read: Read | None = None) -> Iterator[Step]:
        start, text.length = text.length, text.length + len(tokens)
        size = self._backend.batch_tokens
        for at in range(0, len(tokens), size):
            last = at + size >= len(tokens)
            wants = last and read is not None
            chunk = Chunk(text.sequence, start + at, tokens[at : at + size], int(wants))
            yield chunk, read if last else None

    def logprob(self, chunk: int, token: int) -> float:
        return self._backend.logprobs(chunk, 0, token, 0).logprob

    def verdict(self, chunk: int) -> dict[str, float]:
        """The probabilities of NO and YES as the next token, in any writing among the ten best."""
        sums = {"no": 0.0, "yes": 0.0}
        for text, logprob in self._backend.logprobs(chunk, 0, 0, 10).top:
            word = text.strip().lower()
            if word in sums:
                sums[word] += 2.718281828459045**logprob
        return {word: round(value, 4) for word, value in sums.items()}

    def choose(self, text: _Text, chunk: int) -> None:
        with_sampler = self._backend.sampler(Sampling(), None, 1)
        token = self._backend.sample(with_sampler, chunk)
        with_sampler.close()
        if token is None or self._model.ends(token):
            text.ended = True
            return
        if len(text.lead) < LEAD:
            text.lead.append(self.logprob(chunk, token))
        text.answer.append(token)

    def words(self, text: _Text) -> dict[str, Any]:
        raw = b"".join(self._model.piece(token) for token in text.answer)
        return {
            "text": raw.decode("utf-8", "replace").strip(),
            "tokens": len(text.answer) + text.ended,
            "ended": text.ended,
            "lead": round(sum(text.lead) / max(1, len(text.lead)), 4),
        }

    # The context

    def _run(self, steps: Iterator[Step] | list[Step]) -> None:
        """Decode in batches that fit, reading what is wanted of each."""
        batch: list[Step] = []
        for step in steps:
            tokens = sum(len(chunk.tokens) for chunk, _ in batch) + len(step[0].tokens)
            outputs = sum(chunk.logits for chunk, _ in batch) + step[0].logits
            if tokens > self._backend.batch_tokens or outputs > self._backend.sequences:
                self._decode(batch)
                batch = []
            batch.append(step)
        if batch:
            self._decode(batch)

    def _decode(self, batch: list[Step]) -> None:
        began = time.perf_counter()
        if not self._backend.decode([chunk for chunk, _ in batch]):
            raise RuntimeError("llama_decode failed: the context is too small")
        for place, (_, read) in enumerate(batch):
            if read:
                read(place)
        self.prefill_s += time.perf_counter() - began
        self.prefilled += sum(len(chunk.tokens) for chunk, _ in batch)

    def _answer(self, texts: list[_Text]) -> None:
        began = time.perf_counter()
        while live := [t for t in texts if not t.ended and len(t.answer) < MAX_TOKENS]:
            chunks = [Chunk(t.sequence, t.length, t.answer[-1:], 1) for t in live]
            if not self._backend.decode(chunks):
                raise RuntimeError("llama_decode failed: the context is too small")
            for place, text in enumerate(live):
                text.length += 1
                self.choose(text, place)
            self.decoded += len(live)
            self.steps += 1
        self.decode_s += time.perf_counter() - began


class _Turn:
    """One question on its way through the phases of `Recorder.records`."""

    def __init__(self, recorder: Recorder, asked: Asked, *, four: bool) -> None:
        self._recorder = recorder
        self._asked = asked
        self._four = four
        self._parts = [recorder.parts(context, asked.item.question) for context in asked.contexts]
        self._judged = self._parts[:JUDGED]
        answer, first = _prompted(recorder._prompts, asked.item)
        closing = self._parts[0].closing
        self._answer_tail = recorder.tokenize(answer) + closing
        self._first_judge = recorder.tokenize(first) + closing
        self._tails = {name: recorder.tokenize(tail) + closing for name, tail in TAILS.items()}
        self._singles: list[_Text] = []
        self._fresh: list[tuple[str, _Text]] = []
        self._firsts: list[_Text] = []
        # Of each passage, and last of the first two together; likelihood also of no passage.
        candidates = len(self._judged) + (len(self._judged) > 1)
        self._said: list[dict[str, Any]] = [{} for _ in range(candidates)]
        self._likely: list[list[float]] = [[] for _ in range(candidates + 1)]
        self._bare: list[_Text] = []
        self._all: _Text | None = None

    def passages(self) -> Iterator[Step]:
        for parts, hit in zip(self._judged, self._asked.hits, strict=False):
            text = self._recorder.text(self._recorder.system(parts.system))
            self._bare.append(text)
            if not self._recorder.load(hit.passage.id, text, len(parts.passage)):
                self._fresh.append((hit.passage.id, text))
                yield from self._recorder.feed(text, parts.passage)

    def keep_states(self) -> None:
        for passage_id, text in self._fresh:
            self._recorder.keep(passage_id, text)

    def second_behind_first(self) -> Iterator[Step]:
        if len(self._bare) > 1:
            text = self._recorder.text(self._bare[0])
            self._bare.append(text)
            yield from self._recorder.feed(text, self._judged[1].passage)

    def openings(self) -> Iterator[Step]:
        """Also of no passage at all: how likely the question is by itself."""
        recorder = self._recorder
        # What follows goes on copies, so that the passages alone stay to be continued.
        self._singles = [recorder.text(text) for text in self._bare]
        self._alone = recorder.text(recorder.system(self._parts[0].system))
        for place, text in enumerate([*self._singles, self._alone]):
            yield from recorder.feed(
                text, self._parts[0].opening, self._likelihood(place, self._parts[0].question[0])
            )

    def questions(self) -> Iterator[Step]:
        recorder = self._recorder
        question = self._parts[0].question
        for place, text in enumerate([*self._singles, self._alone]):
            if place < len(self._singles):
                first = recorder.text(text)
                self._firsts.append(first)
                yield from recorder.feed(first, self._first_judge, self._verdict(place, "first"))
            for token, following in zip(question, [*question[1:], -1], strict=True):
                read = self._likelihood(place, following) if following >= 0 else None
                yield from recorder.feed(text, [token], read)

    def tails(self) -> Iterator[Step]:
        recorder = self._recorder
        for place, text in enumerate(self._singles):
            for name, tail in self._tails.items():
                judge = recorder.text(text)
                yield from recorder.feed(judge, tail, self._verdict(place, name))
            yield from recorder.feed(text, self._answer_tail, self._choice(text))

    def all_four(self) -> Iterator[Step]:
        recorder = self._recorder
        if self._four and len(self._parts) > JUDGED:
            self._all = recorder.text(self._bare[-1])
            rest = [token for parts in self._parts[2:] for token in parts.passage]
            question = self._parts[0].opening + self._parts[0].question + self._answer_tail
            yield from recorder.feed(self._all, rest + question, self._choice(self._all))

    def answers(self) -> list[_Text]:
        return [*self._singles, *([self._all] if self._all else [])]

    def record(self) -> dict[str, Any]:
        asked, parts = self._asked, self._parts
        alone = self._likely[-1]
        candidates = [
            {**said, "likely": _mean(likely), "answer": self._recorder.words(text)}
            for said, likely, text in zip(self._said, self._likely, self._singles, strict=False)
        ]
        return {
            "set": asked.set,
            "id": asked.item.id,
            "question": asked.item.question,
            "gold": asked.item.answer,
            "key_facts": asked.key_facts,
            "answerable": asked.item.answerable,
            "tokens": {
                "system": len(parts[0].system),
                "opening": len(parts[0].opening),
                "question": len(parts[0].question),
                "answer": len(self._answer_tail),
                "first": len(self._first_judge),
                **{name: len(tail) for name, tail in self._tails.items()},
            },
            "alone": _mean(alone),
            "hits": [
                {
                    "passage": hit.passage.id,
                    "document": key,
                    "text": hit.passage.text,
                    "score": round(hit.score, 4),
                    "dense": round(hit.dense_similarity, 4),
                    "lexical": round(hit.lexical_score, 3),
                    "gold": key in asked.item.gold,
                    "tokens": len(one.passage),
                }
                for hit, key, one in zip(asked.hits, asked.keys, parts, strict=True)
            ],
            "judged": candidates[: len(self._judged)],
            "pair": candidates[-1] if len(candidates) > 1 else None,
            "four": self._recorder.words(self._all) if self._all else None,
        }  # fmt: skip

    def _likelihood(self, place: int, token: int) -> Read:
        return lambda chunk: self._likely[place].append(self._recorder.logprob(chunk, token))

    def _verdict(self, place: int, judge: str) -> Read:
        return lambda chunk: self._said[place].update({judge: self._recorder.verdict(chunk)})

    def _choice(self, text: _Text) -> Read:
        return lambda chunk: self._recorder.choose(text, chunk)


def _prompted(prompts: Prompts, item: Item) -> tuple[str, str]:
    """What stands behind the question in the answer's prompt, and the first judge's message."""
    answer = ANSWER.format(today=f"{datetime.now(UTC):%d %B %Y}")
    return answer, prompts.render("answer_judge") + item.question


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / max(1, len(values)), 4)
