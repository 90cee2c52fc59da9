"""What staff say of the AI's answers: right, or wrong and why.

Writes through the conversation's service, so that everybody sees it as an event. Invariant: an
answer that was reported is never given again by itself, and one that was approved no longer stands
as reported.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.conversation import transitions
from agent.conversation.memory import AnswerMemory
from agent.conversation.service import ConversationService
from agent.domain import Message, now
from agent.errors import Conflict, NotFound
from agent.storage.people import User
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from agent.storage.reports import Fault, Report


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an answer, in staff's words."""

    reason: Fault
    comment: str = ""
    right_answer: str = ""


class Reviews:
    def __init__(
        self,
        store: ConversationStore,
        records: Records,
        service: ConversationService,
        memory: AnswerMemory | None,
    ) -> None:
        self._store = store
        self._records = records
        self._service = service
        self._memory = memory

    async def approve(self, conversation_id: str, message_id: str, user: User) -> None:
        """It is given again at once to whoever asks the same. Conflict if it cannot be."""
        messages, at = await self._answer(conversation_id, message_id)
        if self._memory is None:
            raise Conflict("Answers are not given again: set FRONTDESK_ANSWER_MEMORY above 0.")
        if not await self._memory.approve(conversation_id, messages, messages[at]):
            raise Conflict(
                "This answer fits only this conversation: it has no source, or its question needs "
                "what was said before."
            )
        await asyncio.to_thread(self._records.reports.withdraw, message_id)
        await self._tell(conversation_id, message_id, user, {"verdict": "approved"})

    async def report(
        self, conversation_id: str, message_id: str, user: User, finding: Finding
    ) -> None:
        messages, at = await self._answer(conversation_id, message_id)
        answer = messages[at]
        asked = [m.content for m in messages[:at] if m.role == "customer"]
        report = Report(
            message_id=message_id,
            conversation_id=conversation_id,
            created_at=now(),
            reason=finding.reason,
            comment=finding.comment,
            right_answer=finding.right_answer,
            question=asked[-1] if asked else "",
            answer=answer.content,
            citations=tuple(one.model_dump(mode="json") for one in answer.citations or ()),
            by=user.id,
            author=user.display_name,
        )
        await asyncio.to_thread(self._records.reports.keep, report)
        await asyncio.to_thread(self._records.answers.block, answer.content)
        if self._memory is not None:
            await self._memory.load()
        said = {"verdict": "reported", "reason": finding.reason, "comment": finding.comment or None}
        await self._tell(conversation_id, message_id, user, said)

    async def _answer(self, conversation_id: str, message_id: str) -> tuple[Sequence[Message], int]:
        messages = (await self._store.snapshot(conversation_id, "staff")).messages
        for at, message in enumerate(messages):
            if message.id == message_id and message.role == "ai_agent" and not message.pending:
                return messages, at
        raise NotFound("There is no such answer of the AI in this conversation.")

    async def _tell(
        self, conversation_id: str, message_id: str, user: User, said: dict[str, Any]
    ) -> None:
        data = {"message_id": message_id, "by": user.id, "author": user.display_name, **said}
        await self._service.change(
            conversation_id, lambda header: transitions.note(header, "answer.reviewed", data)
        )
