"""What the engine writes for gaps: their names, and documents to start from.

Owns what a draft is made from: what staff answered in those conversations. Refuses to publish.
Invariant: what staff did not say is not in a draft; without an engine a draft is their sentences.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any, Final

from agent.conversation.turn import Answerer
from agent.domain import Message
from agent.errors import FrontdeskError, NotFound
from agent.generation.requests import ChatMessage, Finished, GenerationRequest, Priority
from agent.policy import gap_texts
from agent.storage.gaps import Gap
from agent.storage.people import User
from agent.storage.records import Records
from agent.storage.redis import ConversationStore
from knowledge_base.model import Change

log = logging.getLogger(__name__)

SOURCE: Final = "gaps"
NOTE: Final = "drafted from a gap"
_NAMED_BY: Final = 6  # questions
_CONVERSATIONS: Final = 8  # whose staff's answers a draft is made from
_REPLIES: Final = 3  # of staff, behind a question
_LONGEST: Final = 300  # characters of a question, for a name
_SAID: Final = 2400  # characters of staff's answers, for a draft
# No limit on its length: in a grammar each character of a limit is a level of nesting.
_NAME: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


class GapWriter:
    def __init__(self, records: Records, store: ConversationStore, answerer: Answerer) -> None:
        self._records = records
        self._store = store
        self._library = answerer.library
        self._answerer = answerer

    async def name(self, gap: Gap) -> None:
        """The model's if it holds, else the most central question as it was asked."""
        asked = gap.questions[:_NAMED_BY]
        questions = [" ".join(one.question.split())[:_LONGEST] for one in asked]
        system = self._answerer.prompts.render("gap_name")
        listed = "\n".join(f"- {one}" for one in questions)
        text = await self._written(system, listed, 40, Priority.BACKGROUND, _NAME)
        try:
            name = gap_texts.held_name(json.loads(text).get("name"), questions)
        except (ValueError, AttributeError):
            name = None
        sources = frozenset(one.message_id for one in asked)
        await asyncio.to_thread(self._records.gaps.name, gap.id, name or gap.title, sources)

    async def draft(self, gap: Gap, user: User) -> str:
        """The draft's document id; drafted once more, it is the same document's next revision."""
        said = gap_texts.said_by_staff(await self._staffs_answers(gap))
        title = gap.title
        if gap_texts.is_personal(title):
            quotable = [q.question for q in gap.questions if not gap_texts.is_personal(q.question)]
            title = " ".join(quotable[0].split()) if quotable else "What customers asked"
        body = await self._body(title, said) if said else []
        text = gap_texts.draft(title, body, [one.question for one in gap.questions])
        added = await asyncio.to_thread(
            self._library.add_text,
            source=SOURCE,
            key=f"{gap.id}.md",
            text=text,
            title=title,
            by=Change(user.display_name, NOTE),
        )
        if added.document_id is None:  # only files can be refused here
            raise NotFound("The draft could not be added.")
        return added.document_id

    async def _body(self, title: str, said: Sequence[str]) -> list[str]:
        """As the engine puts it, if that holds, else in staff's own sentences."""
        quoted = "\n".join(f"- “{one}”" for one in said)[:_SAID]
        try:
            system = self._answerer.prompts.render("gap_draft", title=title)
            written = await self._written(system, quoted, 220, Priority.STAFF)
        except FrontdeskError as error:
            log.info("A draft is made of staff's own sentences: %s", error)
            return list(said)
        held = gap_texts.held_sentences(written, said)
        return held or list(said)

    async def _staffs_answers(self, gap: Gap) -> list[str]:
        """What staff reported as right, and what they wrote behind the questions."""
        reports = await asyncio.to_thread(
            self._records.reports.of, [one.message_id for one in gap.questions]
        )
        answers = [one.right_answer for one in reports if one.right_answer.strip()]
        seen: set[str] = set()
        for one in gap.questions:
            if one.conversation_id in seen or len(seen) == _CONVERSATIONS:
                continue
            seen.add(one.conversation_id)
            try:
                snapshot = await self._store.snapshot(one.conversation_id, "staff")
            except NotFound:
                continue
            answers += _behind(snapshot.messages, one.message_id)
        return answers

    async def _written(
        self,
        system: str,
        user: str,
        max_tokens: int,
        priority: Priority,
        schema: dict[str, Any] | None = None,
    ) -> str:
        request = GenerationRequest(
            messages=(ChatMessage.of("system", system), ChatMessage.of("user", user)),
            max_tokens=max_tokens,
            json_schema=schema,
            priority=priority,
            deadline_s=60.0,
        )
        text = ""
        async for part in self._answerer.engine.generate(request):
            if isinstance(part, Finished):
                text = part.text
        return text


def _behind(messages: Sequence[Message], reply_id: str) -> list[str]:
    """What people answered after the reply, until the AI answers again."""
    at = next((n for n, message in enumerate(messages) if message.id == reply_id), None)
    if at is None:
        return []
    said: list[str] = []
    for message in messages[at + 1 :]:
        if message.role == "ai_agent":
            break
        if message.role == "human_agent":
            said.append(message.content)
    return said[:_REPLIES]
