"""Which passages the model is given, and in what order it reads them."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.conversation.choosing import CLOSE, TRUSTED_SCORE
from agent.conversation.question import Question
from agent.conversation.reading import Reader
from agent.domain import Message
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.requests import Finished, GenerationRequest, TokenLogprob
from agent.generation.scripted import ScriptedBackend
from agent.prompting import Prompts
from knowledge_base.model import Hit, Passage

PETS = "The fee for the first pet is 35 EUR per stay, for a second one 20 EUR."
LEAVING = "Guests leave by 11:00; a later checkout costs 15 EUR an hour on departure."
PARTIES = "Parties are forbidden in every home, whatever the host says."


def a_hit(text: str, score: float, title: str = "Rules") -> Hit:
    passage = Passage(
        id=text[:9],
        document_id="d",
        revision=1,
        title=title,
        section=None,
        text=text,
        position=0,
        audience="public",
        url=None,
        effective_from=None,
        effective_to=None,
    )
    return Hit(passage, score, score, 1, 1, 1.0)


class Judged(ScriptedBackend):
    """Says NO of a passage with the probability that `doubts` has for a word in it."""

    def __init__(self, doubts: dict[str, float]) -> None:
        super().__init__(lambda prompt: "NO" if "Reply YES or NO" in prompt else "Fine.")
        self.doubts = doubts
        self.asked: list[str] = []

    def logprobs(self, chunk: int, output: int, token: int, top: int) -> TokenLogprob:
        sequence = self._chunks[chunk].sequence
        text = self.vocabulary.text([cell.token for cell in self._cells[sequence]])
        self.asked.append(text)
        doubt = next(doubt for word, doubt in self.doubts.items() if word in text)

        return TokenLogprob("NO", math.log(doubt), (("NO", math.log(doubt)),))


def reader_on(backend: ScriptedBackend) -> tuple[Reader, LlamaEngine]:
    engine = LlamaEngine(
        backend, name="scripted", sha256="1", settings=EngineSettings(shutdown_grace_s=0.0)
    )
    return Reader(engine=engine, prompts=Prompts(company="Test"), time_zone="UTC"), engine


@pytest.fixture
async def judged() -> AsyncIterator[tuple[Reader, Judged]]:
    backend = Judged({"35 EUR": 0.3, "11:00": 0.5, "every home": 0.9})
    reader, engine = reader_on(backend)
    yield reader, backend
    await engine.close()


async def test_a_question_for_an_amount_is_answered_from_what_has_one_and_was_judged(
    judged: tuple[Reader, Judged],
) -> None:
    reader, backend = judged
    scores = ((LEAVING, 0.9), (PARTIES, 0.7), (f"So: {PARTIES}", 0.7), (PETS, 0.6))
    hits = [a_hit(text, score) for text, score in scores]
    choice = await reader.choose(Question("How much is a pet?"), hits)
    assert choice.hits[0] is hits[3]
    assert choice.judged == len(backend.asked) == 2


async def test_an_amount_that_nothing_is_judged_to_tell_comes_from_what_stands_out(
    judged: tuple[Reader, Judged],
) -> None:
    reader, _ = judged
    hits = [a_hit(PARTIES, 0.9), a_hit(f"So: {PARTIES}", 0.6)]
    choice = await reader.choose(Question("How much is a party?"), hits)
    assert choice.hits[0] is hits[0]


async def test_a_passage_that_stands_out_is_answered_from_without_a_judgement(
    judged: tuple[Reader, Judged],
) -> None:
    reader, backend = judged
    hits = [a_hit(PARTIES, TRUSTED_SCORE + 0.1), a_hit(PETS, TRUSTED_SCORE + 0.1 - CLOSE - 0.01)]
    choice = await reader.choose(Question("Are parties forbidden?"), hits)
    assert choice.hits == (hits[0],)
    assert (choice.judged, backend.asked) == (0, [])


async def test_close_ones_are_judged_until_the_model_is_sure(
    judged: tuple[Reader, Judged],
) -> None:
    reader, backend = judged
    hits = [a_hit(PARTIES, 0.80), a_hit(PETS, 0.79), a_hit(LEAVING, 0.78)]
    choice = await reader.choose(Question("What is asked for a pet?"), hits)
    assert choice.hits == (hits[1],)
    assert (choice.judged, len(backend.asked)) == (2, 2)
    assert choice.confidence == pytest.approx(0.7, abs=0.01)


async def test_weak_ones_are_judged_and_refused_if_none_answers(
    judged: tuple[Reader, Judged],
) -> None:
    reader, _ = judged
    choice = await reader.choose(Question("Are parties allowed?"), [a_hit(PARTIES, 0.3)])
    assert choice.hits == ()
    assert choice.confidence == pytest.approx(0.1, abs=0.01)


async def test_a_question_of_two_parts_gets_two_passages(judged: tuple[Reader, Judged]) -> None:
    reader, _ = judged
    asked = Question("What is the pet fee, and what does a later checkout on departure cost?")
    hits = [a_hit(PETS, 0.9), a_hit(PARTIES, 0.5), a_hit(LEAVING, 0.4)]
    choice = await reader.choose(asked, hits)
    assert choice.hits == (hits[0], hits[2])
    request = reader.request(asked, choice.hits)
    system, first, second = request.messages[0].pieces
    assert PETS in first
    assert LEAVING in second
    lead, words = request.messages[1].pieces
    assert request.shared_pieces == 4
    assert asked.content in words
    assert "Today is" not in system + first + second + lead, "what changes stands behind"


async def test_without_a_passage_nothing_is_chosen(judged: tuple[Reader, Judged]) -> None:
    assert (await judged[0].choose(Question("?"), [])).hits == ()


async def test_what_is_prepared_is_all_but_the_question_and_the_date() -> None:
    reader, engine = reader_on(ScriptedBackend(lambda _prompt: "It is 35 EUR."))
    hits = (a_hit(PETS, 0.3),)
    await engine.warm(reader.preparations(hits[0].passage), lambda _done, _total: None)
    read = engine.stats.prefill_tokens
    asked = Question("What does a dog cost today?", asked_at=datetime(2026, 3, 1, tzinfo=UTC))
    await reader.choose(asked, hits)
    await finished(engine, reader.request(asked, hits))
    today = "Today is 01 March 2026."
    assert engine.stats.prefill_tokens - read < 2 * len(asked.content) + len(today) + 32
    await engine.close()


def test_only_a_question_about_dates_is_put_with_the_date() -> None:
    reader, _ = reader_on(ScriptedBackend(lambda _prompt: ""))

    def put(content: str) -> str:
        asked = Question(content, asked_at=datetime(2026, 3, 1, tzinfo=UTC))
        return reader.request(asked, [a_hit(PETS, 0.3)]).messages[1].content

    assert "01 March 2026" in put("I leave tomorrow. Can I still bring a dog?")
    assert "01 March 2026" in put("Bis morgen: kostet ein Hund etwas?")
    assert "2026" not in put("What does a dog cost?")
    assert "2026" not in put("Was kostet ein Hund?")


async def test_what_was_said_before_is_never_a_beginning_that_others_share() -> None:
    reader, engine = reader_on(ScriptedBackend(lambda _prompt: "It is 35 EUR."))
    said = Message(
        id="m1",
        role="ai_agent",
        content="Ann, your code is 4711.",
        created_at="2026-11-23T10:00:00Z",
    )
    request = reader.request(Question("And a dog?", (said,)), (a_hit(PETS, 0.9),))
    pieces = [piece for message in request.messages for piece in message.pieces]
    assert "4711" not in "".join(pieces[: request.shared_pieces])
    await engine.close()


async def finished(engine: LlamaEngine, request: GenerationRequest) -> Finished:
    parts = [part async for part in engine.generate(request)]
    assert isinstance(parts[-1], Finished)
    return parts[-1]


async def test_a_follow_up_on_the_same_passage_is_read_on_from_the_last_answer() -> None:
    reader, engine = reader_on(ScriptedBackend(lambda _prompt: "It is 35 EUR."))
    hits = (a_hit(PETS, 0.9),)
    asked = Message(
        id="m1", role="customer", content="What does a dog cost?", created_at="2026-11-23T10:00:00Z"
    )
    at = datetime.fromisoformat(asked.created_at)
    first = Question(asked.content, session="c1", asked_at=at)
    answer = await finished(engine, reader.request(first, hits))
    said = Message(
        id="m2",
        role="ai_agent",
        content=f"{answer.text} [1]",
        created_at="2026-11-23T10:00:02Z",
    )
    later = at + timedelta(minutes=1)
    follow_up = Question("And a second one?", (asked, said), session="c1", asked_at=later)
    request = reader.request(follow_up, hits)
    second = await finished(engine, request)
    stranger = await finished(engine, replace(request, session="c2"))
    new = second.usage.prompt_tokens - second.usage.cached_tokens
    whole = stranger.usage.prompt_tokens - stranger.usage.cached_tokens
    said_before = len(asked.content) + len(answer.text)
    assert new <= whole - said_before
    await engine.close()


def test_long_histories_are_cut_to_what_was_said_last() -> None:
    reader, _ = reader_on(ScriptedBackend(lambda _prompt: ""))
    said = tuple(
        Message(
            id=f"m{n}",
            role="customer" if n % 2 == 0 else "ai_agent",
            content=f"number {n} " * 20,
            created_at="2026-11-23T10:00:00Z",
        )
        for n in range(9)
    )
    request = reader.request(Question("And now?", said), (a_hit(PETS, 0.9),))
    history = "".join(message.content for message in request.messages[1:-1])
    assert "number 8" in history
    assert "number 0" not in history
    assert len(history) < 1200
