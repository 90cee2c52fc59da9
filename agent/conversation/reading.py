"""Reads policies with the model: which passage answers a question, and what it is asked then.

Knows no search and no storage. Everything is put so that what is stable comes first: system prompt,
passage, what the model is to do with a question (the lead), and only then the date and the
customer's words. All but these are the same for every customer, and a session's next request begins
like its last one, so an engine that keeps what it computed computes little more than the question.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from agent.conversation.choosing import JUDGED, score_of, stands_out, to_judge
from agent.conversation.question import Question, is_return
from agent.domain import Message
from agent.generation.requests import (
    ChatMessage,
    Delta,
    Engine,
    GenerationRequest,
    Permit,
    Priority,
)
from agent.policy import guardrails
from agent.policy.cases import Case, Decision, Verdict, decide
from agent.policy.citing import without_markers
from agent.policy.language import NAMES, language_of
from agent.policy.parts import second_passage
from agent.policy.premises import is_about
from agent.prompting import Prompts
from knowledge_base.model import Hit, Passage

HISTORY_MESSAGES: Final = 4
HISTORY_CHARACTERS: Final = 600  # some 150 tokens
MAX_TOKENS: Final = 260
MAX_TRANSLATED: Final = 120
MAX_CLARIFYING: Final = 60
# Left to itself the 1.5B answers instead of asking, in every second case.
_QUESTION: Final = (
    'root ::= ("Are" | "Is" | "Do" | "Does" | "Did" | "Have" | "Has" | "Was" | "Were" | "Will")'
    ' " " [a-zA-Z0-9 ,()$£€%/.\'-]{8,160} "?"'
)
SECONDS: Final = 4
CLAIMED: Final = 2
# Below it the model does not agree with a claim: of 43 about the sample company none of the 20 true
# ones (0.55 and more) and 21 of the 23 false ones (python -m tests.benchmarks.claims).
AGREED: Final = 0.45


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability, the judge's, a passage is taken at once, and below which none is;
    from which probability a question back is asked; the confidence below which an answer goes to a
    person as well; how many questions in a row the policies may leave unanswered before a person is
    called (0: none is)."""

    sure_at: float = 0.65
    refuse_below: float = 0.4
    clarify_at: float = 0.4
    hand_off_below: float = 0.15
    hand_off_after: int = 2


DEFAULTS: Final = Thresholds()


@dataclass(frozen=True, slots=True)
class Choice:
    """The passages to answer from, none if nothing answers; `confidence` is what was made of the
    best one, even if that is not good enough: the judge's, or the search's if none was asked;
    `judged` passages were put to the model."""

    hits: tuple[Hit, ...]
    confidence: float
    judged: int = 0

    @property
    def doubt(self) -> float | None:
        """The judge's P(NO) of the first passage."""
        return 1 - self.confidence if self.judged else None


class Reader:
    def __init__(
        self,
        *,
        engine: Engine,
        prompts: Prompts,
        time_zone: str,
        thresholds: Thresholds = DEFAULTS,
    ) -> None:
        self.thresholds = thresholds
        self._engine = engine
        self._prompts = prompts
        self._zone = ZoneInfo(time_zone)
        self._answer_lead = prompts.render("answer_lead")
        self._judge_lead = prompts.render("answer_judge")
        self._agrees_lead = prompts.render("answer_agrees")
        self._translate_lead = prompts.render("answer_translate")
        self._decide_lead = prompts.render("answer_decide")
        self._clarify_lead = prompts.render("answer_clarify")

    @property
    def revision(self) -> str:
        """Of the prompts in force."""
        return self._prompts.revision()

    async def choose(
        self,
        question: Question,
        hits: Sequence[Hit],
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> Choice:
        """The first passage if it stands out, else the first that the model is sure of, else the
        one it is surest of, if at all; and a second one for what the first leaves out. A question
        for an amount is for passages that have one, and not for the first one unasked: what
        stands out may be the fine ("A guest who brings a pet … pays 100 EUR") and not the fee."""
        if not hits:
            return Choice((), 0.0)
        first = hits[0]
        candidates = to_judge(question.content, hits)
        if not candidates:
            return Choice(self._with_second(question, first, hits), round(first.score, 4))
        best: Hit | None = None
        surest = 0.0
        judged = 0
        for hit in candidates:
            confidence = await self._confidence(question, hit, permit, priority)
            judged += 1
            if confidence > surest:
                best, surest = hit, confidence
            if confidence >= self.thresholds.sure_at:
                break
        if best is None or surest < self.thresholds.refuse_below:
            if stands_out(hits):  # the judge was asked only for something better
                return Choice(self._with_second(question, first, hits), round(first.score, 4))
            return Choice((), surest, judged)
        return Choice(self._with_second(question, best, hits), surest, judged)

    def go_on(self, hits: Sequence[Hit]) -> Choice:
        """The passage that a question back was asked about: it answers, or nothing would have been
        asked."""
        return Choice(tuple(hits[:1]), round(score_of(hits), 4))

    def _with_second(self, question: Question, chosen: Hit, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        others = [hit for hit in hits[:SECONDS] if hit is not chosen]
        texts = [f"{hit.passage.title} {hit.passage.text}" for hit in others]
        second = second_passage(question.content, _whole(chosen.passage), texts)
        return (chosen,) if second is None else (chosen, others[second])

    def request(
        self,
        question: Question,
        hits: Sequence[Hit],
        priority: Priority = Priority.CUSTOMER,
        begins: str | None = None,
        mistaken: str | None = None,
    ) -> GenerationRequest:
        """Asks for the answer from the passages, and how likely each of its tokens was; the date
        stands behind all that is shared. `begins`: the answer's first word, if it is decided;
        `mistaken`: what the customer takes for granted and the passages contradict."""
        said = [
            *self._recent(question.history),
            self._asked(
                *(question.content, question.asked_at),
                returned=is_return(question.history[-1:]),
                begins=begins,
                mistaken=mistaken,
            ),
        ]
        has_lead = said[0].role == "user"
        return GenerationRequest(
            messages=(self._shared(*(hit.passage for hit in hits)), *said),
            max_tokens=MAX_TOKENS,
            logprobs=0,
            shared_pieces=1 + len(hits) + has_lead,
            session=question.session,
            priority=priority,
        )

    def preparations(self, passage: Passage) -> list[GenerationRequest]:
        """What an engine can compute before anybody asks about the passage."""
        return [
            GenerationRequest(
                messages=(self._shared(passage), ChatMessage.of("user", lead)),
                shared_pieces=3,
                priority=Priority.BACKGROUND,
            )
            for lead in (self._answer_lead, self._judge_lead)
        ]

    async def _confidence(
        self, question: Question, hit: Hit, permit: Permit | None, priority: Priority
    ) -> float:
        """1 - P(NO), the model's own, that the passage answers the question."""
        asked = ChatMessage.of("user", self._judge_lead, question.content)
        answering = self.request(question, (hit,), priority)
        judging = replace(
            answering,
            messages=(*answering.messages[:-1], asked),
            max_tokens=1,
            logprobs=10,
        )
        words = await self._first_word(judging, permit)
        return round(1 - min(words["no"], 1.0), 4)

    async def agrees(
        self,
        claim: str,
        hits: Sequence[Hit],
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> float:
        """The model's own probability that the passages say what the claim says. What they say
        nothing of is as unlikely as what they contradict."""
        asked = ChatMessage.of("user", self._agrees_lead, f"“{claim}”")
        request = GenerationRequest(
            (self._shared(*(hit.passage for hit in hits)), asked),
            max_tokens=1,
            logprobs=20,
            shared_pieces=2 + len(hits),
            priority=priority,
        )
        words = await self._first_word(request, permit)
        known = words["yes"] + words["no"]
        return words["yes"] / known if known else 1.0  # no word on it: nothing to correct

    async def contradicting(
        self,
        claim: str,
        hits: Sequence[Hit],
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> Hit | None:
        """The passage that says otherwise than the claim: the best that is about it, if none that
        is agrees."""
        about = [hit for hit in hits[:JUDGED] if is_about(claim, _whole(hit.passage))][:CLAIMED]
        for hit in about:
            if await self.agrees(claim, (hit,), permit, priority) >= AGREED:
                return None
        return about[0] if about else None

    async def decide(
        self,
        case: Case,
        hit: Hit,
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> dict[Decision, float]:
        """What the passage makes of the customer's case, each decision with its probability."""
        return decide(case, hit.passage.text, await self.verdict(case, hit, permit, priority))

    async def verdict(
        self,
        case: Case,
        hit: Hit,
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> Verdict:
        """The model's own word on the case."""
        asked = ChatMessage.of("user", self._decide_lead, case.text)
        request = GenerationRequest(
            (self._shared(hit.passage), asked),
            max_tokens=1,
            logprobs=20,
            shared_pieces=3,
            priority=priority,
        )
        words = await self._first_word(request, permit)
        return Verdict(words["yes"], words["no"], words["unc"] + words["unclear"])

    def clarification(
        self, case: Case, hit: Hit, priority: Priority = Priority.CUSTOMER
    ) -> GenerationRequest:
        """Asks for the question that the customer has to answer first."""
        asked = ChatMessage.of("user", self._clarify_lead, case.text)
        return GenerationRequest(
            (self._shared(hit.passage), asked),
            max_tokens=MAX_CLARIFYING,
            grammar=_QUESTION,
            shared_pieces=3,
            priority=priority,
        )

    async def _first_word(
        self, request: GenerationRequest, permit: Permit | None
    ) -> dict[str, float]:
        """The probabilities of the next token's likeliest texts, in small letters."""
        words: dict[str, float] = defaultdict(float)
        async for part in self._engine.generate(request, permit and Kept()):
            for token in part.logprobs if isinstance(part, Delta) else ():
                for text, logprob in token.top:
                    words[text.strip().lower()] += math.exp(logprob)
        return words

    async def in_english(
        self, question: str, permit: Permit | None = None, priority: Priority = Priority.CUSTOMER
    ) -> str:
        """The question as a search in English documents wants it."""
        asked = ChatMessage.of("user", self._translate_lead, question)
        request = GenerationRequest((asked,), max_tokens=MAX_TRANSLATED, priority=priority)
        text = ""
        async for part in self._engine.generate(request, permit and Kept()):
            text += part.text if isinstance(part, Delta) else ""
        return text.strip() or question

    def _shared(self, *passages: Passage) -> ChatMessage:
        """Pieces that are the same for everybody who asks about the passages."""
        excerpts = (
            self._prompts.render(
                "answer_passage", title=passage.title, section=passage.section, text=passage.text
            )
            for passage in passages
        )
        return ChatMessage.of("system", self._prompts.render("answer_system"), *excerpts)

    def _asked(
        self,
        question: str,
        at: datetime,
        *,
        returned: bool,
        begins: str | None = None,
        mistaken: str | None = None,
    ) -> ChatMessage:
        language = language_of(question)
        dated = guardrails.mentions_dates(question)
        asked = self._prompts.render(
            "answer_question",
            question=question,
            begins=begins,
            mistaken=mistaken,
            returned=returned,
            today=f"{at.astimezone(self._zone):%d %B %Y}" if dated else None,
            language=NAMES[language] if language not in (None, "en") else None,
        )
        return ChatMessage.of("user", self._answer_lead, asked.strip())

    def _recent(self, history: Sequence[Message]) -> list[ChatMessage]:
        """The last few messages as the model saw them then, so that it need not read them again;
        without citation markers, the newest kept."""
        recent: list[ChatMessage] = []
        room = HISTORY_CHARACTERS
        said = [at for at, message in enumerate(history) if message.role != "system"]
        for at in reversed(said[-HISTORY_MESSAGES:]):
            message = history[at]
            text = without_markers(message.content)
            if not text or len(text) > room:
                continue
            room -= len(text)
            if message.role == "customer":
                returned = is_return(history[max(at - 1, 0) : at])
                asked_at = datetime.fromisoformat(message.created_at)
                recent.append(self._asked(text, asked_at, returned=returned))
            else:
                recent.append(ChatMessage.of("assistant", text))
        return recent[::-1]


def _whole(passage: Passage) -> str:
    return f"{passage.title} {passage.section or ''} {passage.text}"


class Kept:
    """Stands for the turn's permit in a generation that is not the turn's last."""

    def release(self) -> None:
        """The turn's own permit is released when the answer ends."""
