"""The sides of the comparison: each answers an item with exactly so many tokens, streamed.

Each runs in a process of its own (`load`), on the same GGUF file, threads and texts. The peers get
the system prompt, all passages and the question in one prompt, as retrieval chains do; Frontdesk
gets the same passages and does what the product does with them. Invariant: every side generates
greedily and goes on past the end of its answer until the tokens are there.
"""

import asyncio
import json
import socket
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from agent.benchmark.items import Item, Items
from agent.conversation.question import Question
from agent.conversation.reading import Reader
from agent.errors import FrontdeskError, SetupError
from agent.generation import tuned
from agent.generation.drafting import TYPICAL
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.generation.llama import LlamaModel, Tuning, usable_threads
from agent.generation.llama.tuning import described
from agent.generation.requests import Delta, Sampling
from agent.prompting import Prompts

SLOTS: Final = 4
CONTEXT: Final = 8192
INSTALL: Final = "pip install 'frontdesk[bench]'"
_TIMEOUT_S: Final = 600.0
_START_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that all sides run; `tuned` is the folder with what is fastest on this machine."""

    model: Path
    sha256: str
    tuned: Path


class Side(ABC):
    """`settings` are said in the report; `pid` is the process whose memory counts."""

    name: str
    settings: dict[str, Any]
    pid: int | None = None  # None: the process that runs this

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._model = subject.model

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    def answer(self, item: Item, tokens: int) -> AsyncIterator[str]: ...

    async def warm(self, item: Item) -> None:
        """Let it see the item's passages, as customers before would have."""
        async for _ in self.answer(item, 1):
            pass

    async def close(self) -> None:  # noqa: B027 - most end with the process
        pass


class Texts:
    """The very texts of the product's prompts."""

    def __init__(self) -> None:
        self.prompts = Prompts(company="Tidelark")

    def system(self, item: Item) -> str:
        passages = (
            self.prompts.render("answer_passage", title=p.title, section=p.section, text=p.text)
            for p in (hit.passage for hit in item.hits)
        )
        return self.prompts.render("answer_system") + "".join(passages)

    def question(self, item: Item) -> str:
        today = time.strftime("%d %B %Y")
        asked = self.prompts.render(
            "answer_question", question=item.question, today=today, language=None, begins=None
        )
        return self.prompts.render("answer_lead") + asked.strip()

    def messages(self, item: Item) -> list[dict[str, str]]:
        return [
            {"role": "system", "content": self.system(item)},
            {"role": "user", "content": self.question(item)},
        ]


class FrontdeskSide(Side):
    name = "frontdesk"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        found = tuned.recall(subject.tuned, subject.sha256)
        self.engine_settings = EngineSettings(
            context_tokens=CONTEXT,
            max_sequences=8,
            queue_limit=64,
            tuning=found.tuning if found is not None else Tuning(),
            step_costs=found.speed.steps if found is not None else TYPICAL,
        )
        self.settings = {
            "context": CONTEXT,
            "tuning": described(self.engine_settings.tuning),
            "answer memory": "none",
        }
        self.judged = self.answers = 0

    async def open(self) -> None:
        self._cache = tempfile.TemporaryDirectory(prefix="frontdesk-bench-")
        settings = replace(self.engine_settings, cache_folder=Path(self._cache.name))
        self.engine = await LlamaEngine.open(
            self._model, name="bench", sha256=None, settings=settings
        )
        self._reader = Reader(engine=self.engine, prompts=Texts().prompts, time_zone="UTC")

    async def publish(self, asked: Items) -> None:
        """What publishing does behind customers: every passage is read once."""
        passages = {
            hit.passage.id: hit.passage
            for item in (*asked.measured, *asked.warming)
            for hit in item.hits
        }
        wanted = [one for p in passages.values() for one in self._reader.preparations(p)]
        await self.engine.warm(wanted, lambda _done, _total: None)

    async def answer(self, item: Item, tokens: int) -> AsyncIterator[str]:
        question = Question(item.question)
        choice = await self._reader.choose(question, item.hits)
        self.judged += choice.judged > 0
        self.answers += 1
        # Where the product would refuse it answers here, from the passage it found best, so that
        # every side writes the same number of tokens.
        request = self._reader.request(question, choice.hits or item.hits[:1])
        request = replace(request, max_tokens=tokens, sampling=Sampling(ignore_eos=True))
        async for part in self.engine.generate(request):
            if isinstance(part, Delta):
                yield part.text

    async def close(self) -> None:
        await self.engine.close()
        self._cache.cleanup()


class LangChainSide(Side):
    """`ChatLlamaCpp` from langchain-community. A model can do one thing at a time there, so
    whoever comes meanwhile waits for a lock."""

    name = "langchain"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._lock = asyncio.Lock()
        self._texts = Texts()
        self.settings = {"class": "ChatLlamaCpp", "n_ctx": CONTEXT, "n_batch": 512}

    async def open(self) -> None:
        try:
            from langchain_community.chat_models import ChatLlamaCpp
        except ImportError as error:
            raise SetupError(f"langchain-community is not installed: {INSTALL}.") from error
        self._bias = dict.fromkeys(LlamaModel(self._model).endings, -100.0)
        self._chat = ChatLlamaCpp(
            model_path=str(self._model),
            n_ctx=CONTEXT,
            n_batch=512,
            n_threads=usable_threads(),
            temperature=0.0,
            verbose=False,
        )

    async def answer(self, item: Item, tokens: int) -> AsyncIterator[str]:
        messages = [(m["role"], m["content"]) for m in self._texts.messages(item)]
        async with self._lock:
            chunks = self._chat.stream(messages, max_tokens=tokens, logit_bias=self._bias)
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                if isinstance(chunk.content, str) and chunk.content:
                    yield chunk.content


class HttpSide(Side):
    """A server that speaks OpenAI's protocol."""

    url: str
    extra: dict[str, Any]

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._texts = Texts()
        self.extra = {}

    async def answer(self, item: Item, tokens: int) -> AsyncIterator[str]:
        body = {
            "model": "bench",
            "messages": self._texts.messages(item),
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            **self.extra,
        }
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client,
            client.stream("POST", f"{self.url}/v1/chat/completions", json=body) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                said = (await answer.aread()).decode("utf-8", "replace")
                raise FrontdeskError(f"{self.name} answered {answer.status_code}: {said[:200]}")
            async for line in answer.aiter_lines():
                if text := _content(line):
                    yield text


class LlamaServerSide(HttpSide):
    """llama.cpp's own server, as the wheel `xllamacpp` carries it."""

    name = "llama-server"
    # Least tokens of a stretch that is moved to another place of a prompt, 0: none is.
    cache_reuse = 0

    async def open(self) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise SetupError(f"xllamacpp is not installed: {INSTALL}.") from error
        parameters = xllamacpp.CommonParams()
        self.settings = {
            "xllamacpp": xllamacpp.__version__,
            "n_parallel": SLOTS,
            "n_ctx": CONTEXT,
            "cache_prompt": True,
            "n_cache_reuse": self.cache_reuse,
            "flash_attn": "enabled",
            "n_batch": 2048,
            "n_ubatch": 512,
        }
        parameters.model.path = str(self._model)
        parameters.n_parallel = SLOTS
        parameters.n_ctx = CONTEXT
        parameters.n_batch, parameters.n_ubatch = 2048, 512
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = usable_threads()
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
        parameters.cache_prompt = True
        parameters.n_cache_reuse = self.cache_reuse
        parameters.port = 0
        parameters.verbosity = -1
        self.extra = {"ignore_eos": True, "cache_prompt": True}
        self._server = await asyncio.to_thread(xllamacpp.Server, parameters)
        self.url = self._server.listening_address


class LlamaServerReuseSide(LlamaServerSide):
    """The same with stretches of earlier prompts moved to where they are needed: not exact."""

    name = "llama-server-reuse"
    cache_reuse = 64


class LlamaCppServerSide(HttpSide):
    """llama-cpp-python's own server."""

    name = "llama-cpp-server"

    async def open(self) -> None:
        try:
            import sse_starlette  # noqa: F401 - what its [server] extra brings
            import starlette_context  # noqa: F401
        except ImportError as error:
            raise SetupError(f"llama-cpp-python's server is not installed: {INSTALL}.") from error
        self.settings = {"n_ctx": CONTEXT, "n_batch": 512, "flash_attn": True, "cache": True}
        self.extra = {"logit_bias": {str(t): -100.0 for t in LlamaModel(self._model).endings}}
        port = _free_port()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llama_cpp.server", "--model", str(self._model)),
            *("--port", str(port), "--n_ctx", str(CONTEXT), "--n_batch", "512"),
            *("--n_threads", str(usable_threads()), "--flash_attn", "true"),
            # By default a request that comes cuts off the one that runs.
            *("--cache", "true", "--interrupt_requests", "false", "--verbose", "false"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        self.url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(_START_S), httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    await client.get(f"{self.url}/v1/models")
                    return
                except httpx.TransportError:
                    await asyncio.sleep(0.2)

    async def close(self) -> None:
        self._process.terminate()
        await self._process.wait()


SIDES: Final[dict[str, type[Side]]] = {
    side.name: side
    for side in (
        FrontdeskSide,
        LangChainSide,
        LlamaServerSide,
        LlamaServerReuseSide,
        LlamaCppServerSide,
    )
}


def _content(line: str) -> str:
    if not line.startswith("data: ") or line == "data: [DONE]":
        return ""
    choices = json.loads(line.removeprefix("data: ")).get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or ""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def names(given: str | None) -> Iterator[str]:
    """Peers from a comma-separated list; all of them for None."""
    for name in filter(None, given.split(",")) if given is not None else SIDES:
        if name.strip() not in SIDES:
            raise SetupError(f"There is no peer '{name.strip()}': choose of {', '.join(SIDES)}.")
        if name.strip() != FrontdeskSide.name:
            yield name.strip()
