"""Other programs: the official OpenAI client and LangChain's, unchanged, against `/v1`."""

import asyncio
import json
import math
from collections.abc import Iterator

import httpx
import openai
import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

from .conftest import Product

pytestmark = pytest.mark.model

PRICE: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "room_price",
        "description": "The price of a stay of so many nights, in euros.",
        "parameters": {
            "type": "object",
            "properties": {"nights": {"type": "integer"}},
            "required": ["nights"],
        },
    },
}


@pytest.fixture
def program(product: Product) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{product.url}/v1", api_key=product.key, max_retries=0, timeout=120
    ) as client:
        yield client


@pytest.fixture
def bare(product: Product) -> str:
    return product.services.engine.model.name


def test_a_chat_is_answered_by_the_bare_model(program: openai.OpenAI, bare: str) -> None:
    answer = program.chat.completions.create(
        model=bare,
        messages=[{"role": "user", "content": "What is the capital of France? One word."}],
        temperature=0,
        max_tokens=8,
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == bare
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_deltas_of_a_stream_are_the_answer_without_stream(
    program: openai.OpenAI, bare: str
) -> None:
    asked = {
        "model": bare,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Name three colours."}]},
        ],
        "temperature": 0,
        "max_completion_tokens": 24,
    }
    whole = program.chat.completions.create(**asked)  # type: ignore[call-overload]
    chunks = list(
        program.chat.completions.create(  # type: ignore[call-overload]
            **asked, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_tool_is_called_and_its_answer_is_used(program: openai.OpenAI, bare: str) -> None:
    question = {"role": "user", "content": "What do 3 nights cost?"}
    answer = program.chat.completions.create(
        model=bare,
        messages=[question],  # type: ignore[list-item]
        tools=[PRICE],
        tool_choice="required",
        temperature=0,
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert call.function.name == "room_price"
    assert json.loads(call.function.arguments) == {"nights": 3}
    told = program.chat.completions.create(
        model=bare,
        messages=[
            question,  # type: ignore[list-item]
            answer.choices[0].message.model_dump(exclude_none=True),  # type: ignore[list-item]
            {"role": "tool", "tool_call_id": call.id, "content": "219 euros"},
        ],
        tools=[PRICE],
        tool_choice="none",
        temperature=0,
    )
    assert "219" in (told.choices[0].message.content or "")


def test_a_streamed_tool_call_is_whole_and_its_markup_is_no_content(
    program: openai.OpenAI, bare: str
) -> None:
    chunks = list(
        program.chat.completions.create(
            model=bare,
            messages=[{"role": "user", "content": "What do 3 nights cost?"}],
            tools=[PRICE],
            tool_choice={"type": "function", "function": {"name": "room_price"}},
            temperature=0,
            stream=True,
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ""
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.function.name) for call in calls if call.function] == [
        (0, "room_price")
    ]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


class City(BaseModel):
    name: str
    country: str


def test_a_json_schema_binds_the_answer(program: openai.OpenAI, bare: str) -> None:
    answer = program.chat.completions.parse(
        model=bare,
        messages=[{"role": "user", "content": "The capital of France, and its country."}],
        response_format=City,
        temperature=0,
        max_tokens=60,
    )
    assert answer.choices[0].message.parsed == City(name="Paris", country="France")


def test_a_json_object_is_an_object(program: openai.OpenAI, bare: str) -> None:
    answer = program.chat.completions.create(
        model=bare,
        messages=[{"role": "user", "content": "Give {'colour': 'red'} as JSON."}],
        response_format={"type": "json_object"},
        temperature=0,
        max_tokens=60,
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_logprobs_are_of_the_tokens_of_the_answer(program: openai.OpenAI, bare: str) -> None:
    answer = program.chat.completions.create(
        model=bare,
        messages=[{"role": "user", "content": "Say hello."}],
        logprobs=True,
        top_logprobs=3,
        temperature=0,
        max_tokens=4,
    )
    tokens = answer.choices[0].logprobs
    assert tokens is not None
    assert tokens.content
    assert "".join(one.token for one in tokens.content) == answer.choices[0].message.content
    assert all(one.logprob <= 0 and len(one.top_logprobs) == 3 for one in tokens.content)
    assert tokens.content[0].top_logprobs[0].token == tokens.content[0].token, "greedy"


def test_the_same_seed_gives_the_same_answer(program: openai.OpenAI, bare: str) -> None:
    texts = {
        program.chat.completions.create(
            model=bare,
            messages=[{"role": "user", "content": "Invent a name for a boat."}],
            seed=7,
            temperature=1.2,
            top_p=0.95,
            max_tokens=12,
        )
        .choices[0]
        .message.content
        for _ in range(2)
    }
    assert len(texts) == 1


def test_a_stop_string_and_a_token_limit_end_the_answer(program: openai.OpenAI, bare: str) -> None:
    count = {"role": "user", "content": "Count from 1 to 9, separated by commas."}
    stopped = program.chat.completions.create(
        model=bare,
        messages=[count],
        stop=["5"],
        temperature=0,  # type: ignore[list-item]
    ).choices[0]
    assert "5" not in (stopped.message.content or "5")
    assert stopped.finish_reason == "stop"
    cut = program.chat.completions.create(
        model=bare,
        messages=[count],
        max_tokens=2,
        temperature=0,  # type: ignore[list-item]
    ).choices[0]
    assert cut.finish_reason == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_frontdesk_answers_from_the_policies_and_cites_them(
    program: openai.OpenAI, stream: bool
) -> None:
    asked = {
        "model": "frontdesk",
        "messages": [{"role": "user", "content": "How much is the fee for a dog?"}],
    }
    if stream:
        chunks = list(program.chat.completions.create(**asked, stream=True))  # type: ignore[call-overload]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        extra = chunks[-1].model_extra
    else:
        message = program.chat.completions.create(**asked).choices[0].message  # type: ignore[call-overload]
        text, extra = message.content, message.model_extra
    assert "17" in text
    assert extra["outcome"] == "answered"
    assert extra["citations"][0]["title"] == "Pets"


def test_embeddings_come_as_numbers_and_as_base64(program: openai.OpenAI) -> None:
    model = program.models.list().data[-1].id
    texts = ["May I bring my dog?", "The fee for a dog", "A key was lost"]
    # The client asks for base64 by default and decodes it.
    default = program.embeddings.create(model=model, input=texts)
    numbers = program.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [one.index for one in default.data] == [0, 1, 2]
    for one, other in zip(default.data, numbers.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-3)
        assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-3)
    dog, fee, key = (one.embedding for one in numbers.data)
    assert math.dist(dog, fee) < math.dist(dog, key)
    assert default.usage.prompt_tokens > 0


def test_one_text_is_embedded_and_what_is_no_text_is_not(program: openai.OpenAI) -> None:
    model = program.models.list().data[-1].id
    assert len(program.embeddings.create(model=model, input="hello").data) == 1
    for wrong in ("", [], ["a", ""], [1, 2], [[1, 2]]):
        with pytest.raises(openai.BadRequestError) as refused:
            program.embeddings.create(model=model, input=wrong)
        assert refused.value.param == "input"


def test_the_models_are_listed_and_found(program: openai.OpenAI, bare: str) -> None:
    ids = [model.id for model in program.models.list()]
    assert ids[:2] == ["frontdesk", bare]
    assert program.models.retrieve("frontdesk").owned_by == "frontdesk"


def test_an_unknown_model_is_not_found(program: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        program.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "hello"}]
        )
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        program.models.retrieve("gpt-5")


@pytest.mark.parametrize("key", ["fd_wrong", "x", "é"])
def test_a_wrong_key_is_an_authentication_error(product: Product, key: str) -> None:
    response = httpx.get(
        f"{product.url}/v1/models", headers={b"Authorization": f"Bearer {key}".encode("latin-1")}
    )
    assert response.status_code == 401
    if key.isascii():
        with (
            openai.OpenAI(base_url=f"{product.url}/v1", api_key=key) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()


def test_no_key_and_a_customers_token_open_nothing(product: Product) -> None:
    with product.client() as client:
        assert client.get("/v1/models").json()["error"]["type"] == "invalid_request_error"
        token = client.post("/api/v1/conversations", json={}).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/v1/models", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"temperature": 3}, "temperature"),
        ({"top_logprobs": 3}, None),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages"),
        ({"tool_choice": "required"}, None),
        ({"max_tokens": 100_000}, None),
        ({"model": "frontdesk", "tools": [PRICE]}, "tools"),
    ],
)
def test_what_cannot_be_done_is_a_bad_request(
    product: Product, bare: str, change: dict[str, object], param: str | None
) -> None:
    body = {"model": bare, "messages": [{"role": "user", "content": "hello"}], **change}
    with product.client(headers={"Authorization": f"Bearer {product.key}"}) as client:
        response = client.post(
            "/v1/chat/completions",
            content=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"] == param


async def test_a_program_that_leaves_ends_its_generation(product: Product, bare: str) -> None:
    engine = product.services.engine
    async with openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key=product.key) as client:
        stream = await client.chat.completions.create(
            model=bare,
            messages=[{"role": "user", "content": "Count from one to five hundred in words."}],
            max_tokens=4000,
            stream=True,
        )
        await anext(stream)
        assert engine.busy  # type: ignore[attr-defined]
        await stream.close()
    await _until_idle(product)


async def test_a_program_that_gives_up_waiting_ends_its_generation(
    product: Product, bare: str
) -> None:
    five_hundred_numbers = {"type": "array", "items": {"type": "integer"}, "minItems": 500}
    async with httpx.AsyncClient(base_url=product.url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(
                "/v1/chat/completions",
                json={
                    "model": bare,
                    "messages": [{"role": "user", "content": "Count to five hundred."}],
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "counted", "schema": five_hundred_numbers},
                    },
                    "max_tokens": 4000,
                },
                headers={"Authorization": f"Bearer {product.key}"},
                timeout=1.0,
            )
    await _until_idle(product)


async def _until_idle(product: Product) -> None:
    """4,000 tokens take minutes: idle within this time means that nobody finishes them."""
    async with asyncio.timeout(30):
        while product.services.engine.busy:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def test_a_langchain_agent_works_through_the_api(product: Product, bare: str) -> None:
    @tool
    def room_price(nights: int) -> str:
        """The price of a stay of so many nights, in euros."""
        return f"{nights * 73} euros"

    model = ChatOpenAI(
        base_url=f"{product.url}/v1",
        api_key=product.key,
        model=bare,
        temperature=0,  # type: ignore[arg-type]
    )
    agent = create_agent(
        model,
        [room_price],
        system_prompt="You know no prices yourself. Always call room_price to learn one.",
    )
    messages = agent.invoke({"messages": [HumanMessage("What do 3 nights cost?")]})["messages"]
    assert any(isinstance(m, ToolMessage) and m.content == "219 euros" for m in messages)
    assert "219" in messages[-1].text
