"""A server behind a URL: what can go wrong on the way, and that nothing goes elsewhere."""

import asyncio
import socket

import pytest

from agent.errors import (
    EngineBusy,
    EngineUnreachable,
    GenerationFailed,
    InvalidRequest,
    PromptTooLong,
)
from agent.generation.remote import RemoteEngine
from agent.generation.remote_wire import body_of
from agent.generation.requests import (
    ChatMessage,
    Finished,
    GenerationRequest,
    Sampling,
    ToolCall,
    ToolSpec,
)

CALL = '<tool_call>{"name": "track", "arguments": {"id": 7}}</tool_call>'


async def whole(engine, request) -> Finished:
    return [part async for part in engine.generate(request)][-1]


async def test_tools_are_called_across_the_wire(scripted, served, ask) -> None:
    async with scripted(lambda _: CALL) as engine, served(engine) as remote:
        finished = await whole(remote, ask("?", tools=(ToolSpec("track", "", {}),)))
        assert finished.reason == "tool_calls"
        assert [(call.name, call.arguments) for call in finished.tool_calls] == [
            ("track", '{"id": 7}')
        ]


async def test_leaving_stops_the_server(scripted, served, ask) -> None:
    async with scripted(lambda _: "word " * 700) as engine, served(engine) as remote:
        stream = remote.generate(ask("?", max_tokens=3500))
        await anext(stream)
        await stream.aclose()
        assert remote._permits.out == 0
        async with asyncio.timeout(20):
            while engine.busy:
                await engine.ping()


async def test_a_full_server_is_busy_with_its_own_time_to_wait(scripted, served, ask) -> None:
    async with (
        scripted(lambda _: "", max_sequences=1, queue_limit=0) as engine,
        served(engine) as remote,
    ):
        permit = engine.reserve()
        with pytest.raises(EngineBusy) as busy:
            await whole(remote, ask("?"))
        assert busy.value.retry_after == 1.0
        permit.release()


async def test_a_refused_prompt_keeps_its_kind(scripted, served, ask) -> None:
    async with scripted(lambda _: "", context_tokens=256) as engine, served(engine) as remote:
        with pytest.raises(PromptTooLong):
            await whole(remote, ask("x" * 300))
        with pytest.raises(InvalidRequest):
            await whole(remote, ask("x", max_tokens=0))


async def test_a_failure_in_the_middle_is_a_failure(scripted, served, ask) -> None:
    async with (
        scripted(
            lambda _: "word " * 50, before_decode=lambda chunks: chunks[0].start < 150
        ) as engine,
        served(engine) as remote,
    ):
        with pytest.raises(GenerationFailed):
            await whole(remote, ask("?"))


async def test_past_the_deadline_the_reply_is_cut(scripted, served, ask) -> None:
    async with scripted(lambda _: "word " * 700) as engine, served(engine) as remote:
        assert (await whole(remote, ask("?", deadline_s=0.0))).reason == "cancelled"


async def test_nobody_at_the_url_is_unreachable_and_names_the_setting() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(EngineUnreachable, match="FRONTDESK_ENGINE_URL"):
            await RemoteEngine.open(url)


async def test_a_model_that_is_not_served_is_refused(scripted, served) -> None:
    async with scripted(lambda _: "") as engine, served(engine) as remote:
        with pytest.raises(EngineUnreachable, match="nonsuch"):
            await RemoteEngine.open(remote._url, model="nonsuch")


def test_the_body_is_openais_and_has_extras_only_when_asked() -> None:
    messages = (
        ChatMessage.of("system", "a", "b"),
        ChatMessage("assistant", ("",), (ToolCall("1", "t", "{}"),)),
        ChatMessage("tool", ("found",), tool_call_id="1"),
    )
    plain = body_of(GenerationRequest(messages), "m")
    assert plain["messages"][0] == {"role": "system", "content": "ab"}
    assert plain["messages"][1]["tool_calls"][0]["function"]["name"] == "t"
    assert plain["messages"][2]["tool_call_id"] == "1"
    assert not {"grammar", "top_k", "min_p", "tools", "response_format", "logprobs"} & set(plain)
    full = body_of(
        GenerationRequest(
            messages,
            tools=(ToolSpec("t", "", {}),),
            tool_choice="t",
            json_schema={"type": "object"},
            logprobs=2,
            sampling=Sampling(temperature=0.5, top_k=3, logit_bias={7: -1.0}),
        ),
        "m",
    )
    assert full["tool_choice"] == {"type": "function", "function": {"name": "t"}}
    assert full["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (full["top_logprobs"], full["top_k"], full["logit_bias"]) == (2, 3, {"7": -1.0})
