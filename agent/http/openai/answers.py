"""The two kinds of chat models that are served: the bare one, and the one that knows the policies.

Owns the way from an engine's or an answerer's parts to OpenAI's JSON, whole and streamed. Refuses
to know the connection. Invariant: capacity is reserved before anything is answered, so that "busy"
is a status and not a broken stream.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Any, Protocol

from agent.conversation.turn import Question, ReplyDone, ReplyText
from agent.domain import new_id
from agent.errors import GenerationFailed
from agent.generation.requests import Delta, Finished, TokenLogprob
from agent.http.openai import wire
from agent.http.openai.schemas import ChatIn
from agent.services import Services

Frame = dict[str, Any]


class Answer(Protocol):
    def parts(self) -> AsyncIterator[Any]: ...

    def opening(self) -> Frame: ...

    def frames(self, part: Any) -> Iterator[Frame]: ...

    async def whole(self, parts: AsyncIterable[Any]) -> Frame: ...


class Bare:
    """The chat model as it is, without retrieval."""

    def __init__(self, body: ChatIn, services: Services) -> None:
        self._asked = wire.generation_request(body)
        self._usage_wanted = bool(body.stream_options and body.stream_options.include_usage)
        self._completion = wire.Completion(services.engine.model.name)
        self._engine = services.engine
        self._permit = self._engine.reserve(self._asked.priority)

    async def parts(self) -> AsyncIterator[Delta | Finished]:
        try:
            async for part in self._engine.generate(self._asked, self._permit):
                yield part
        finally:
            self._permit.release()

    def opening(self) -> Frame:
        return self._completion.chunk({"role": "assistant", "content": ""})

    def frames(self, part: Delta | Finished) -> Iterator[Frame]:
        if isinstance(part, Delta):
            yield self._completion.chunk(
                {"content": part.text}, logprobs=self._logprobs(part.logprobs)
            )
            return
        if part.tool_calls:
            calls = wire.tool_calls(part.tool_calls, indexed=True)
            yield self._completion.chunk({"tool_calls": calls})
        yield self._completion.chunk({}, finish=wire.finish_reason(part))
        if self._usage_wanted:
            yield self._completion.usage_chunk(part.usage)

    async def whole(self, parts: AsyncIterable[Delta | Finished | None]) -> Frame:
        text = ""
        tokens: list[TokenLogprob] = []
        async for part in parts:
            if isinstance(part, Delta):
                text += part.text
                tokens += part.logprobs
            elif isinstance(part, Finished):
                message: Frame = {"content": text or (None if part.tool_calls else "")}
                if part.tool_calls:
                    message["tool_calls"] = wire.tool_calls(part.tool_calls, indexed=False)
                return self._completion.whole(
                    message,
                    finish=wire.finish_reason(part),
                    used=part.usage,
                    logprobs=self._logprobs(tokens),
                )
        raise GenerationFailed("The generation ended early; try again.")

    def _logprobs(self, tokens: Any) -> Frame | None:
        return None if self._asked.logprobs is None else wire.logprobs(tokens)


class Grounded:
    """Answers from the knowledge base, as a customer would get them, with `citations`."""

    def __init__(self, body: ChatIn, services: Services) -> None:
        content, history = wire.question(body)
        self._question = Question(content=content, history=history)
        self._usage_wanted = bool(body.stream_options and body.stream_options.include_usage)
        self._completion = wire.Completion(body.model)
        self._answerer = services.answerer
        self._permit = services.engine.reserve()

    async def parts(self) -> AsyncIterator[ReplyText | ReplyDone]:
        try:
            answer = self._answerer.answer(
                self._question, message_id=new_id("m"), permit=self._permit
            )
            async for part in answer:
                yield part
        finally:
            self._permit.release()

    def opening(self) -> Frame:
        return self._completion.chunk({"role": "assistant", "content": ""})

    def frames(self, part: ReplyText | ReplyDone) -> Iterator[Frame]:
        if isinstance(part, ReplyText):
            yield self._completion.chunk({"content": part.text})
            return
        extra = wire.grounding(part.message)
        if part.replaced:
            # What was streamed does not stand: this does.
            extra["replaced_by"] = part.message.content
        yield self._completion.chunk({}, finish="stop", extra=extra)
        if self._usage_wanted:
            yield self._completion.usage_chunk(wire.usage_of(part.message))

    async def whole(self, parts: AsyncIterable[ReplyText | ReplyDone | None]) -> Frame:
        async for part in parts:
            if isinstance(part, ReplyDone):
                said = {"content": part.message.content, **wire.grounding(part.message)}
                return self._completion.whole(said, finish="stop", used=wire.usage_of(part.message))
        raise GenerationFailed("The answer ended early; try again.")
