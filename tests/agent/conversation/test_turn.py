"""A turn on a case of the customer's own, with a model whose words are given and a real library."""

import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent.conversation.turn import Answerer, Question, ReplyDone, ReplyText
from agent.domain import Message
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.requests import TokenLogprob
from agent.generation.scripted import ScriptedBackend
from agent.prompting import Prompts
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings
from tests.knowledge_base.conftest import HashedTrigrams

RULE = """# Apprentice rate

You are entitled to the apprentice rate if you are an apprentice and:

* you are under 19
* or you are in the first year of your apprenticeship
"""
QUESTION = "Am I entitled to the apprentice rate?"
ASKED_BACK = "Are you in the first year of your apprenticeship?"


class OneWord(ScriptedBackend):
    """Says `word` of every case, and then asks or answers."""

    def __init__(self, word: str) -> None:
        super().__init__(self.reply)
        self.word = word
        self.asks = ASKED_BACK

    def reply(self, prompt: str) -> str:
        if "in one word" in prompt:
            return self.word
        if "one short question" in prompt:
            return self.asks
        return "Yes, you are entitled to the apprentice rate."

    def logprobs(self, chunk: int, output: int, token: int, top: int) -> TokenLogprob:
        first = super().logprobs(chunk, output, token, top)
        return TokenLogprob(first.text, -0.01, ((self.word, math.log(0.97)),)) if top else first


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(
        KnowledgeSettings(data_dir=tmp_path), HashedTrigrams(), "trigrams"
    ) as library:
        library.add_texts([("rate.md", RULE, "Apprentice rate")], source="test", publish=True)
        yield library


@pytest.fixture
async def unclear(library: Library) -> AsyncIterator[tuple[Answerer, OneWord]]:
    backend = OneWord("Unclear")
    engine = LlamaEngine(
        backend, name="scripted", sha256="1", settings=EngineSettings(shutdown_grace_s=0.0)
    )
    yield (
        Answerer(engine=engine, library=library, prompts=Prompts(company="T"), time_zone="UTC"),
        backend,
    )
    await engine.close()


async def answered(answerer: Answerer, question: Question) -> ReplyDone:
    text, done = "", None
    async for part in answerer.answer(question, message_id="m1"):
        if isinstance(part, ReplyText):
            text += part.text
        else:
            done = part
    assert done is not None
    assert done.replaced or text == done.message.content
    return done


def said(role: str, content: str) -> Message:
    return Message(
        id=content,
        role=role,
        content=content,
        created_at="2026-03-01T10:00:00Z",  # type: ignore[arg-type]
    )


async def test_what_the_policy_leaves_open_is_asked(unclear: tuple[Answerer, OneWord]) -> None:
    done = await answered(unclear[0], Question(QUESTION))
    assert done.message.outcome == "clarify"
    assert done.message.content == ASKED_BACK
    assert done.message.citations == ()


async def test_a_reply_is_understood_as_the_answer_to_what_was_asked(
    unclear: tuple[Answerer, OneWord],
) -> None:
    answerer, backend = unclear
    backend.word = "Yes"
    history = (said("customer", QUESTION), said("ai_agent", ASKED_BACK))
    done = await answered(answerer, Question("ok, yes", history))
    assert done.message.outcome == "answered"
    assert done.message.citations
    assert done.record is not None
    told = "".join(piece for one in done.record.prompt for piece in one.pieces)
    assert f"You asked: {ASKED_BACK}\nThe customer answered: ok, yes" in told


async def test_the_same_is_never_asked_twice(unclear: tuple[Answerer, OneWord]) -> None:
    history = (said("customer", QUESTION), said("ai_agent", ASKED_BACK))
    done = await answered(unclear[0], Question("I don't know", history))
    assert done.message.content != ASKED_BACK


class Disagrees(OneWord):
    """Agrees with no statement, and answers as told."""

    def __init__(self, says: str) -> None:
        super().__init__("no")
        self.says = says

    def reply(self, prompt: str) -> str:
        return "NO" if "agree with this statement" in prompt else self.says


CLAIMED = "Since apprentices are entitled to the rate in any year, how do I get it in my third?"


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (
            "You are entitled in the first year of your apprenticeship.",
            "You are entitled in the first year",
        ),
        ("Yes, apprentices are entitled to the rate in any year.", "under 19"),
        ("Apprentices are entitled to the rate in any year.", "under 19"),
    ],
)
async def test_a_false_premise_is_corrected_and_never_accepted(
    library: Library, says: str, told: str
) -> None:
    engine = LlamaEngine(
        Disagrees(says), name="s", sha256="1", settings=EngineSettings(shutdown_grace_s=0.0)
    )
    answerer = Answerer(
        engine=engine, library=library, prompts=Prompts(company="T"), time_zone="UTC"
    )
    done = await answered(answerer, Question(CLAIMED))
    await engine.close()
    assert done.message.outcome == "answered"
    assert told in done.message.content
    assert "any year" not in done.message.content
    assert done.message.citations[0].quote.replace("- ", "* ") in RULE
