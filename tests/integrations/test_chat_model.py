"""What the standard suites leave open of EngineChatModel."""

from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from agent.errors import EngineBusy
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.integrations.langchain import EngineChatModel
from agent.integrations.messages import chat_messages, tool_choice_of


class City(BaseModel):
    name: str
    country: str


@tool
def room_price(nights: int) -> str:
    """The price of a stay of so many nights, in euros."""
    return f"{nights * 73} euros"


@pytest.fixture
def model(engine: LlamaEngine) -> EngineChatModel:
    return EngineChatModel(engine=engine, max_tokens=64)


@pytest.mark.model
async def test_the_synchronous_calls_work_while_a_loop_is_running(model: EngineChatModel) -> None:
    answer = model.invoke("What is the capital of France? One word.")
    assert "Paris" in answer.text


@pytest.mark.model
def test_the_synchronous_calls_work_without_a_loop(model: EngineChatModel) -> None:
    text = "".join(chunk.text for chunk in model.stream("What is the capital of France? One word."))
    assert "Paris" in text


@pytest.mark.model
def test_what_is_streamed_is_what_invoke_returns(model: EngineChatModel) -> None:
    question = "Name three colours, separated by commas."
    assert "".join(chunk.text for chunk in model.stream(question)) == model.invoke(question).text


@pytest.mark.model
async def test_a_stream_that_is_left_gives_its_place_back(
    chat_weights: Path,
) -> None:
    one_place = EngineSettings(max_sequences=1, queue_limit=0, context_tokens=2048)
    engine = await LlamaEngine.open(chat_weights, name="one", sha256=None, settings=one_place)
    try:
        narrow = EngineChatModel(engine=engine)
        stream = narrow.astream("Count from one to a hundred.", max_tokens=1000)
        await anext(stream)
        with pytest.raises(EngineBusy):
            await narrow.ainvoke("Say hello.")
        await stream.aclose()  # type: ignore[attr-defined]
        assert (await narrow.ainvoke("Say hello.", max_tokens=5)).text
    finally:
        await engine.close()


@pytest.mark.model
def test_logprobs_and_the_finish_are_in_the_response_metadata(model: EngineChatModel) -> None:
    answer = model.invoke("Say hello.", logprobs=True, top_logprobs=2, max_tokens=3)
    tokens = answer.response_metadata["logprobs"]["content"]
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.response_metadata["model_name"] == model.model_name
    assert "".join(token["token"] for token in tokens) == answer.text
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 2 for token in tokens)


@pytest.mark.model
def test_a_stop_string_ends_the_answer_and_is_not_in_it(model: EngineChatModel) -> None:
    answer = model.invoke("Count from 1 to 9, separated by commas.", stop=["5"])
    assert "4" in answer.text
    assert "5" not in answer.text
    assert answer.response_metadata["finish_reason"] == "stop"


@pytest.mark.model
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_keeps_the_raw_message_when_asked(
    model: EngineChatModel, method: Any
) -> None:
    structured = model.with_structured_output(City, method=method, include_raw=True)
    found = structured.invoke("Paris is the capital of France. Which city, in which country?")
    assert isinstance(found, dict)
    assert found["parsed"] == City(name="Paris", country="France")
    assert isinstance(found["raw"], AIMessage)
    assert found["parsing_error"] is None


@pytest.mark.model
def test_a_named_tool_is_the_one_that_is_called(model: EngineChatModel) -> None:
    bound = model.bind_tools([room_price, City], tool_choice="room_price")
    answer = bound.invoke("What do three nights cost?")
    assert [call["name"] for call in answer.tool_calls] == ["room_price"]
    assert answer.tool_calls[0]["args"] == {"nights": 3}


@pytest.mark.model
def test_a_langchain_agent_calls_a_tool_and_uses_its_answer(engine: LlamaEngine) -> None:
    agent = create_agent(
        EngineChatModel(engine=engine, max_tokens=128),
        [room_price],
        system_prompt="You know no prices yourself. Always call room_price to learn one.",
    )
    messages = agent.invoke({"messages": [HumanMessage("What do 3 nights cost?")]})["messages"]
    assert any(isinstance(m, ToolMessage) and m.content == "219 euros" for m in messages)
    assert "219" in messages[-1].text


@pytest.mark.model
def test_another_model_than_the_engines_is_refused(model: EngineChatModel) -> None:
    with pytest.raises(ValueError, match="serves"):
        model.invoke("Hello", model="gpt-5")


def test_messages_keep_their_roles_texts_and_calls() -> None:
    calls = [{"name": "room_price", "args": {"nights": 2}, "id": "call_1", "type": "tool_call"}]
    said = chat_messages(
        [
            SystemMessage("Be brief."),
            HumanMessage([{"type": "text", "text": "Two "}, "nights?"]),
            AIMessage("", tool_calls=calls),
            ToolMessage("146 euros", tool_call_id="call_1"),
        ]
    )
    assert [message.role for message in said] == ["system", "user", "assistant", "tool"]
    assert said[1].content == "Two nights?"
    assert said[2].tool_calls[0].arguments == '{"nights": 2}'
    assert said[3].tool_call_id == "call_1"


def test_content_that_is_no_text_is_refused() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    with pytest.raises(ValueError, match="text only"):
        chat_messages([HumanMessage([picture])])


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, "auto"),
        (False, "auto"),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        (True, "required"),
        ("required", "required"),
        ("room_price", "room_price"),
        ({"type": "function", "function": {"name": "room_price"}}, "room_price"),
    ],
)
def test_every_form_of_tool_choice_is_understood(given: Any, meant: str) -> None:
    assert tool_choice_of(given) == meant
