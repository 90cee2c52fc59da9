"""Outcomes as one part of the service: followed, reviewed, reported.

Owns what runs behind conversations for it. Refuses to know conversations and engines themselves.
Invariant: what fails here is logged and tried again, and stops nothing else.
"""

import asyncio
from dataclasses import dataclass
from typing import Self

from agent.generation.requests import Engine
from agent.outcomes.follower import VisitFollower
from agent.outcomes.judging import Judge
from agent.outcomes.quality import Reviewer
from agent.outcomes.report import Reporter
from agent.prompting import Prompts
from agent.settings import Settings
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from knowledge_base.library import Library


@dataclass(frozen=True, slots=True)
class Outcomes:
    follower: VisitFollower
    reviewer: Reviewer
    reporter: Reporter

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        store: ConversationStore,
        records: Records,
        library: Library,
        engine: Engine,
        prompts: Prompts,
    ) -> Self:
        return cls(
            VisitFollower(store, records),
            Reviewer(Judge(engine, prompts), library, store, records),
            Reporter(settings, records, library),
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follower.run())
            if self.reporter.settings.quality_review:
                group.create_task(self.reviewer.run())
