"""Frontdesk's engine and library as LangChain's chat model and retriever.

Owns the translation between LangChain's messages and the engine's. Refuses to know which engine or
store is behind them. Invariant: what is streamed, joined, is what `invoke` returns.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from operator import itemgetter
from secrets import randbits
from typing import Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForLLMRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.base import BaseOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, Field, SkipValidation

from agent.generation.requests import (
    Delta,
    Engine,
    Finished,
    GenerationRequest,
    Sampling,
    TokenLogprob,
)
from agent.integrations import bridge
from agent.integrations.messages import chat_messages, tool_choice_of, tool_spec
from knowledge_base.library import Library
from knowledge_base.model import Audience, Hit

PROVIDER = "frontdesk"
Method = Literal["json_schema", "function_calling", "json_mode"]


class EngineChatModel(BaseChatModel):
    """A chat model on an engine: `EngineChatModel(engine=services.engine)`.

    Every method may be used from any thread and any event loop: engines belong to none.
    """

    engine: SkipValidation[Engine] = Field(exclude=True, repr=False)
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop: list[str] | None = None
    seed: int | None = None
    timeout: float = 300.0
    logprobs: bool = False
    top_logprobs: int = 0

    @property
    def model_name(self) -> str:
        return self.engine.model.name

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "temperature": self.temperature}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop or None, **kwargs)
        params["ls_provider"] = PROVIDER
        params["ls_model_name"] = kwargs.get("model") or self.model_name
        return params

    def _request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> GenerationRequest:
        """`options` are a call's own and win over the model's fields."""

        def chosen(name: str) -> Any:
            given = options.get(name)
            return getattr(self, name) if given is None else given

        model = options.get("model")
        if model not in (None, self.model_name):
            raise ValueError(f"This engine serves {self.model_name!r}, not {model!r}.")
        seed = chosen("seed")
        return GenerationRequest(
            messages=chat_messages(messages),
            max_tokens=chosen("max_tokens"),
            stop=tuple(stop or self.stop or ()),
            sampling=Sampling(
                temperature=chosen("temperature"),
                top_p=chosen("top_p"),
                seed=randbits(31) if seed is None else seed,
                frequency_penalty=options.get("frequency_penalty") or 0.0,
                presence_penalty=options.get("presence_penalty") or 0.0,
            ),
            tools=tuple(tool_spec(tool) for tool in options.get("tools") or ()),
            tool_choice=tool_choice_of(options.get("tool_choice")),
            json_schema=_schema_of(options.get("response_format")),
            logprobs=chosen("top_logprobs") if chosen("logprobs") else None,
            deadline_s=self.timeout,
        )

    async def _chunks(self, request: GenerationRequest) -> AsyncIterator[ChatGenerationChunk]:
        async for part in self.engine.generate(request):
            yield self._last(part) if isinstance(part, Finished) else _chunk(part)

    def _last(self, end: Finished) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content="",
            tool_call_chunks=[
                tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=index)
                for index, call in enumerate(end.tool_calls)
            ],
            usage_metadata=UsageMetadata(
                input_tokens=end.usage.prompt_tokens,
                output_tokens=end.usage.completion_tokens,
                total_tokens=end.usage.prompt_tokens + end.usage.completion_tokens,
                input_token_details=InputTokenDetails(cache_read=end.usage.cached_tokens),
            ),
            response_metadata={
                "model_name": self.model_name,
                "model_provider": PROVIDER,
                "finish_reason": "tool_calls" if end.tool_calls else end.reason,
            },
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        for chunk in bridge.iterate(lambda: self._chunks(request)):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in self._chunks(self._request(messages, stop, kwargs)):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _whole(list(self._stream(messages, stop, run_manager, **kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stream = self._astream(messages, stop, run_manager, **kwargs)
        return _whole([chunk async for chunk in stream])

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """`tool_choice`: "auto", "none", "any" (= "required", True), or a tool's name."""
        offered = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=offered, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Method = "json_schema",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Output of the schema. `json_schema` constrains every token, so that it always parses."""
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        kwargs.pop("strict", None)  # a grammar is always strict
        if kwargs:
            raise ValueError(f"with_structured_output takes no {', '.join(kwargs)}.")
        shape: dict[str, Any] = {"type": "json_object"}
        if method == "json_schema":
            json_schema = convert_to_json_schema(schema)
            shape = {"type": "json_schema", "json_schema": {"schema": json_schema}}
        model = self.bind(
            response_format=shape,
            ls_structured_output_format={"kwargs": {"method": method}, "schema": schema},
        )
        parser: BaseOutputParser[Any] = JsonOutputParser()
        if isinstance(schema, type) and is_basemodel_subclass(schema):
            parser = PydanticOutputParser(pydantic_object=schema)
        return _with_raw(model, parser) if include_raw else model | parser


def _with_raw(
    model: Runnable[LanguageModelInput, AIMessage], parser: BaseOutputParser[Any]
) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _schema_of(response_format: dict[str, Any] | None) -> dict[str, Any] | None:
    if response_format is None or response_format["type"] == "text":
        return None
    if response_format["type"] == "json_object":
        return {"type": "object"}
    schema: dict[str, Any] = response_format["json_schema"]["schema"]
    return schema


def _chunk(delta: Delta) -> ChatGenerationChunk:
    info = {"logprobs": {"content": [_logprob(one) for one in delta.logprobs]}}
    return ChatGenerationChunk(
        message=AIMessageChunk(content=delta.text),
        generation_info=info if delta.logprobs else None,
    )


def _logprob(one: TokenLogprob) -> dict[str, Any]:
    top = [{"token": text, "logprob": value} for text, value in one.top]
    return {"token": one.text, "logprob": one.logprob, "top_logprobs": top}


def _whole(chunks: Sequence[ChatGenerationChunk]) -> ChatResult:
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined += chunk
    streamed = joined.message
    assert isinstance(streamed, AIMessageChunk)  # noqa: S101  # it is made above
    message = AIMessage(
        content=streamed.content,
        tool_calls=streamed.tool_calls,
        invalid_tool_calls=streamed.invalid_tool_calls,
        usage_metadata=streamed.usage_metadata,
        response_metadata={**streamed.response_metadata, **(joined.generation_info or {})},
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


class LibraryRetriever(BaseRetriever):
    """The published policies as LangChain documents, best first."""

    library: SkipValidation[Library] = Field(exclude=True, repr=False)
    k: int = Field(default=5, ge=1)
    audience: Audience = "public"

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain passes it
        k: int | None = None,
    ) -> list[Document]:
        hits = self.library.search(query, k=k or self.k, audience=self.audience)
        return [document(hit) for hit in hits]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return await asyncio.to_thread(
            self._get_relevant_documents, query, run_manager=run_manager.get_sync(), k=k
        )


def document(hit: Hit) -> Document:
    passage = hit.passage
    return Document(
        id=passage.id,
        page_content=passage.text,
        metadata={
            "document_id": passage.document_id,
            "revision": passage.revision,
            "title": passage.title,
            "section": passage.section,
            "url": passage.url,
            "score": hit.score,
        },
    )
