"""What is published is read at once, and how far that is can be followed."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from agent.conversation import warming
from agent.conversation.reading import Reader
from agent.conversation.warming import Warmer, Warmth
from agent.generation.requests import Engine
from agent.prompting import Prompts
from knowledge_base.library import Library
from knowledge_base.settings import KnowledgeSettings
from tests.knowledge_base.conftest import HashedTrigrams


class Quick:
    """An engine that has read whatever it is given."""

    async def warm(self, requests: Sequence[Any], progress: Callable[[int, int], None]) -> None:
        for done in range(len(requests) + 1):
            progress(done, len(requests))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(
        KnowledgeSettings(data_dir=tmp_path), HashedTrigrams(), "trigrams"
    ) as library:
        yield library


async def test_a_publication_is_read_without_waiting_for_the_next_look(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "_LOOK_EVERY_S", 3600.0)
    engine = cast("Engine", Quick())
    reader = Reader(engine=engine, prompts=Prompts(company="T"), time_zone="UTC")
    warmer = Warmer(engine=engine, library=library, reader=reader)
    task = asyncio.create_task(warmer.run())
    try:
        async with asyncio.timeout(60), aclosing(warmer.follow(library.generation)) as first:
            async for _ in first:
                pass
        texts = [("a.md", "# A\n\nA boat costs 9 euros.", None), ("b.md", "# B\n\nB.", None)]
        await asyncio.to_thread(library.add_texts, texts, source="t", publish=True)
        async with asyncio.timeout(60), aclosing(warmer.follow(library.generation)) as second:
            last = [one async for one in second][-1]
        assert last == Warmth(2, 2)
        assert warmer.read == library.generation
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
