"""One turn: from a customer's question to a reply with its sources, readable from top to bottom.

screen → find → recall → choose → decide → write → check. Knows no storage and no HTTP: it takes a
question and yields text and, last, the finished message; whoever runs it stores and publishes.
Invariant: the texts yielded, joined, are the message's content unless `replaced` says otherwise.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import dataclass, replace
from typing import Final, Self

from agent.conversation.checking import check
from agent.conversation.finding import REMEMBERED, Finder, Searched
from agent.conversation.memory import AnswerMemory, Recalled
from agent.conversation.question import Question
from agent.conversation.reading import DEFAULTS, Choice, Kept, Reader, Thresholds
from agent.conversation.reply import Reply, ReplyDone, ReplyText
from agent.domain import AnswerRecord, HandoffReason, Outcome, Piece
from agent.generation.requests import (
    Engine,
    Finished,
    GenerationRequest,
    ModelCard,
    Permit,
    Priority,
)
from agent.policy import guardrails
from agent.policy.cases import (
    DECISIONS,
    Case,
    Decision,
    condition_as_question,
    is_new_question,
    leaves_something_to_ask,
    own_case,
)
from agent.policy.citing import CitingStream
from agent.policy.premises import premise_of
from agent.prompting import Prompts
from knowledge_base.library import Library
from knowledge_base.model import Passage

__all__ = ["Answerer", "Question", "ReplyDone", "ReplyText"]

DECIDED: Final = 0.4  # a yes or no that is less likely is left to the answer itself
Parts = AsyncGenerator[ReplyText | ReplyDone, None]


class Answerer:
    """Answers from the policies. One instance serves every conversation; it keeps no state."""

    def __init__(
        self,
        *,
        engine: Engine,
        library: Library,
        prompts: Prompts,
        time_zone: str,
        thresholds: Thresholds = DEFAULTS,
        memory: AnswerMemory | None = None,
    ) -> None:
        self.memory = memory
        self.engine = engine
        self.library = library
        self.prompts = prompts
        self.thresholds = thresholds
        self.reader = Reader(
            engine=engine, prompts=prompts, time_zone=time_zone, thresholds=thresholds
        )
        self.finder = Finder(library, self.reader)

    def over(self, view: Searched) -> Self:
        """One that answers from the view, and gives no answer again."""
        other = copy(self)
        other.memory = None
        other.finder = Finder(view, self.reader)
        return other

    @property
    def model(self) -> ModelCard:
        return self.engine.model

    @property
    def revision(self) -> str:
        """Of the prompts in force."""
        return self.prompts.revision()

    async def answer(
        self,
        question: Question,
        *,
        message_id: str,
        permit: Permit | None = None,
        priority: Priority = Priority.CUSTOMER,
    ) -> Parts:
        """Leaving the iteration stops the generation. Raises what the engine and library raise."""
        turn = _Turn(self, question, Reply(message_id), permit, priority)
        try:
            async with aclosing(await turn.parts()) as parts:
                async for part in parts:
                    yield part
        finally:
            if permit is not None:
                permit.release()


@dataclass(frozen=True, slots=True)
class _Turn:
    by: Answerer
    question: Question
    reply: Reply
    permit: Permit | None
    priority: Priority

    async def parts(self) -> Parts:
        case = own_case(_said(self.question))
        kind = guardrails.kind_of(self.question.content)
        if kind == "acknowledged" and case is not None:  # "ok" to a question of ours is a yes
            kind = "question"
        if kind == "wants_person":
            return self._say("handoff", "handed_off", "customer_request")
        if kind == "off_limits":
            return self._say(kind, "refused")
        if kind != "question":
            return self._say(kind, "answered")
        return await self._look_up(case)

    async def _look_up(self, case: Case | None) -> Parts:
        about = self.question if case is None else _about(case, self.question)
        found = await self.by.finder.find(about, case, self.permit, self.priority)
        hits = found.hits
        self.reply.retrieved(hits)
        if self.by.memory is not None and (case is None or not (case.told or case.asked)):
            recalled = await self.by.memory.recall(self.question, hits)
            if recalled is not None:
                return self._repeat(recalled)
        premise = premise_of(self.question.content)
        if premise is not None:
            wrong = await self.by.reader.contradicting(premise, hits, self.permit, self.priority)
            if wrong is not None:
                choice = Choice((wrong,), wrong.score)
                self.reply.chose(choice)
                return self._write(about, choice, mistaken=premise)
        if case is not None and case.asked:
            choice = self.by.reader.go_on(hits)
        else:
            choice = await self.by.reader.choose(found.understood, hits, self.permit, self.priority)
        self.reply.chose(choice)
        if choice.hits:
            decision = None if case is None else await self._decide(case, choice)
            if case is not None and decision == "clarify":
                asked = await self._question_back(case, choice)
                if asked is not None:
                    return self._ask(asked)
                self.reply.decided = decision = None
            return self._write(about, choice, decision)
        if self._has_failed_enough():
            return self._say("missing_knowledge", "handed_off", "missing_knowledge")
        return self._say("refusal", "refused")

    async def _repeat(self, recalled: Recalled) -> Parts:
        self.reply.confidence = recalled.similarity
        yield ReplyText(recalled.content)
        yield self.reply.done(recalled.content, "answered", recalled.citations)

    async def _say(
        self, name: str, outcome: Outcome, handoff: HandoffReason | None = None
    ) -> Parts:
        """Words of our own, without the model."""
        said = self.by.prompts.say(name, self.question.language)
        yield ReplyText(said)
        yield self.reply.done(said, outcome, handoff=handoff)

    async def _decide(self, case: Case, choice: Choice) -> Decision | None:
        """A question back on a case of the customer's own, or after one yes or no, if it is likely
        enough. A first question is answered by the model's own lights: held to what is likely on
        rules, it said "No" to "Can I bring my dog?"."""
        policy = choice.hits[0].passage.text
        if not case.asked and not leaves_something_to_ask(case, policy):
            return None  # whatever the model says of it, nothing would follow
        found = await self.by.reader.decide(case, choice.hits[0], self.permit, self.priority)
        decision = max(DECISIONS, key=lambda name: found[name])
        enough = self.by.thresholds.clarify_at if decision == "clarify" else DECIDED
        if found[decision] < enough or (decision != "clarify" and not case.asked):
            return None
        self.reply.decided = round(found[decision], 4)
        return decision

    async def _question_back(self, case: Case, choice: Choice) -> str | None:
        """The model's, or a condition of the policy put as a question if the model asks nothing
        new; None if there is none to ask."""
        request = self.by.reader.clarification(case, choice.hits[0], self.priority)
        asked = ""
        async for part in self.by.engine.generate(request, self.permit and Kept()):
            if isinstance(part, Finished):
                self.reply.finished(part)
                asked = part.text.strip()
        if is_new_question(case, asked):
            return asked
        return condition_as_question(case, choice.hits[0].passage.text)

    async def _ask(self, asked: str) -> Parts:
        self.reply.confidence = self.reply.decided
        yield ReplyText(asked)
        yield self.reply.done(asked, "clarify")

    async def _write(
        self,
        about: Question,
        choice: Choice,
        decision: Decision | None = None,
        mistaken: str | None = None,
    ) -> Parts:
        """The model's answer from the chosen passages, cited while it streams, checked at its end;
        one that is not sure enough goes to a person as well."""
        reply, language = self.reply, self.question.language
        passages = [hit.passage for hit in choice.hits]
        citing = CitingStream([passage.text for passage in passages], self._background(passages))
        begins = decision and decision.capitalize()
        request = self.by.reader.request(about, choice.hits, self.priority, begins, mistaken)
        async for part in self.by.engine.generate(request, self.permit):
            if isinstance(part, Finished):
                reply.finished(part)
                reply.record = self._record(request, passages, part)
                continue
            reply.tokens += part.logprobs
            if shown := citing.feed(part.text):
                reply.first_token()
                yield ReplyText(shown)
        if shown := citing.finish():
            yield ReplyText(shown)
        refusal = self.by.prompts.say("refusal", language)
        checked = check(citing, passages, refusal=refusal, cut_off=reply.cut_off, mistaken=mistaken)
        if checked.said is not None:
            yield ReplyText(checked.said)
        text, outcome = checked.text, checked.outcome
        handoff: HandoffReason | None = None
        if outcome == "refused" and self._has_failed_enough():
            text = self.by.prompts.say("missing_knowledge", language)
            outcome, handoff = "handed_off", "missing_knowledge"
        if outcome == "answered" and reply.weigh(citing) < self.by.thresholds.hand_off_below:
            unsure = "\n\n" + self.by.prompts.say("low_confidence", language)
            yield ReplyText(unsure)
            text, outcome, handoff = text + unsure, "handed_off", "low_confidence"
        yield reply.done(
            text, outcome, checked.citations, replaced=checked.replaced, handoff=handoff
        )

    def _record(
        self, request: GenerationRequest, passages: Sequence[Passage], end: Finished
    ) -> AnswerRecord:
        model = self.by.model
        return AnswerRecord(
            message_id=self.reply.id,
            model=model.name,
            sha256=model.sha256,
            build=model.build,
            prompts=self.by.revision,
            passages=tuple((passage.document_id, passage.revision) for passage in passages),
            prompt=tuple(Piece(role=m.role, pieces=m.pieces) for m in request.messages),
            shared_pieces=request.shared_pieces,
            max_tokens=request.max_tokens,
            temperature=request.sampling.temperature,
            seed=request.sampling.seed,
            alone=end.alone,
            tokens=tuple(token.text for token in self.reply.tokens),
        )

    def _background(self, passages: Sequence[Passage]) -> list[str]:
        """What an answer may name although it stands in no passage's text."""
        said = [text for is_customers, text in _said(self.question) if is_customers]
        titles = [f"{passage.title} {passage.section or ''}" for passage in passages]
        return [*said, *titles, self.by.prompts.company]

    def _has_failed_enough(self) -> bool:
        """Whether the questions before, one after the other, were left unanswered too."""
        enough = self.by.thresholds.hand_off_after
        replies = [m.outcome for m in self.question.history if m.role == "ai_agent"]
        return 0 < enough <= 1 + _last_in_a_row(replies, "refused")


def _said(question: Question) -> list[tuple[bool, str]]:
    """(is the customer's, text) of the last messages, the question itself last."""
    before = [m for m in question.history[-REMEMBERED:] if m.role != "system"]
    return [*((m.role == "customer", m.content) for m in before), (True, question.content)]


def _about(case: Case, question: Question) -> Question:
    """A reply to a question of ours is about the case that was asked about: all of it is told in
    one piece, for the history would be cut."""
    return replace(question, content=case.text, history=()) if case.asked else question


def _last_in_a_row(values: Sequence[Outcome | None], value: Outcome) -> int:
    return next((n for n, one in enumerate(reversed(values)) if one != value), len(values))
