"""Has the engine write the better handoff card, behind everything that a customer waits for.

The plain card is there already when this begins, so nothing depends on it: a card that fails, comes
too late or says what nobody said is not written. Invariant: one card at a time is being written, a
bounded number waits, and none is written for a conversation that no longer waits for a person.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from agent.conversation import transitions, writing
from agent.conversation.question import Question
from agent.conversation.transitions import Change
from agent.conversation.turn import Answerer, ReplyDone
from agent.domain import Conversation, Event, HandoffCard, HandoffReason, Message, new_id
from agent.errors import Busy, Conflict, FrontdeskError
from agent.generation.requests import ChatMessage, Finished, GenerationRequest, Priority
from agent.policy import guardrails
from agent.policy.citing import without_markers
from agent.policy.handoff import WRITTEN, better_card, plain_card
from agent.storage.redis import ConversationStore
from knowledge_base.errors import KnowledgeError

log = logging.getLogger(__name__)

MAX_WAITING: Final = 50  # beyond that plain cards have to do
PATIENCE_S: Final = 120.0  # a card that comes later comes too late
READ_MESSAGES: Final = 12
READ_CHARACTERS: Final = 500  # of each
MAX_TOKENS: Final = 200


class CardWriter:
    def __init__(self, store: ConversationStore, answerer: Answerer) -> None:
        self._store = store
        self._answerer = answerer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)

    def watch(self, header: Conversation, events: Sequence[Event]) -> None:
        """To be told of every change: begins a card at a handoff and anew when the customer says
        more before anybody has taken the conversation; stops when it is not open any more."""
        if header.status != "open":
            self.stop(header.id)
        elif any(
            event.type == "handoff.updated" or (header.assignee is None and _is_customers(event))
            for event in events
        ):
            self._begin(header.id)

    def stop(self, conversation_id: str) -> None:
        if (task := self._tasks.pop(conversation_id, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, conversation_id: str) -> None:
        self.stop(conversation_id)
        if len(self._tasks) >= MAX_WAITING:
            return
        task = asyncio.create_task(self._write(conversation_id), name=f"card {conversation_id}")
        self._tasks[conversation_id] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(conversation_id) is ended:
                del self._tasks[conversation_id]

        task.add_done_callback(done)

    async def _write(self, conversation_id: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S), self._one_at_a_time:
                while True:
                    try:
                        return await self._replace(conversation_id)
                    except Busy as busy:
                        await asyncio.sleep(busy.retry_after)
        except (FrontdeskError, KnowledgeError, TimeoutError, ValueError, KeyError) as error:
            log.info(
                "A handoff card stays plain: %s", error, extra={"conversation": conversation_id}
            )
        except Exception:
            log.exception("A handoff card stays plain", extra={"conversation": conversation_id})

    async def _replace(self, conversation_id: str) -> None:
        transcript = await self._store.transcript(conversation_id)
        header = transcript.conversation
        fresh = header.fresh_since or ""
        messages = [
            m for m in transcript.snapshot("staff").messages if m.created_at > fresh and m.content
        ]
        reason = header.reason
        if reason is None or not any(m.role == "customer" for m in messages):
            return
        plain = plain_card(reason, messages)
        written = await self._written(messages)
        card = better_card(plain, written, messages, self._answerer.prompts.company)
        await self._put(conversation_id, reason, card)
        if suggested := await self._suggested(messages, plain.open_questions):
            suggesting = card.model_copy(update={"suggested_reply": suggested})
            await self._put(conversation_id, reason, suggesting)

    async def _put(self, conversation_id: str, reason: HandoffReason, card: HandoffCard) -> None:
        def replaced(now: Conversation) -> Change:
            if now.status != "open" or now.reason != reason:
                raise Conflict("The conversation does not wait for a person any more.")
            return transitions.note(now, "handoff.updated", {"card": card.model_dump(mode="json")})

        await writing.change(self._store, conversation_id, replaced)

    async def _written(self, messages: Sequence[Message]) -> dict[str, Any]:
        """Raises ValueError or KeyError for what is not what was asked for."""
        request = GenerationRequest(
            messages=(
                ChatMessage.of("system", self._answerer.prompts.render("handoff_card")),
                ChatMessage.of("user", _told(messages)),
            ),
            max_tokens=MAX_TOKENS,
            json_schema=WRITTEN,
            priority=Priority.BACKGROUND,
            deadline_s=PATIENCE_S,
        )
        text = ""
        async for part in self._answerer.engine.generate(request):
            if isinstance(part, Finished):
                text = part.text
        return dict(json.loads(text))

    async def _suggested(self, messages: Sequence[Message], open_questions: Sequence[str]) -> str:
        """What the policies, staff's included, answer to the question that is open; nothing if they
        do not, or if none is."""
        asked = [
            at
            for at, m in enumerate(messages)
            if m.role == "customer" and guardrails.kind_of(m.content) == "question"
        ]
        if not open_questions or not asked:
            return ""
        last = messages[asked[-1]]
        question = Question(
            content=last.content,
            history=tuple(messages[: asked[-1]]),
            audience="staff",
            asked_at=datetime.fromisoformat(last.created_at),
        )
        parts = self._answerer.answer(
            question, message_id=new_id("m"), priority=Priority.BACKGROUND
        )
        async for part in parts:
            if isinstance(part, ReplyDone) and part.message.outcome == "answered":
                return without_markers(part.message.content)
        return ""


def _told(messages: Sequence[Message]) -> str:
    """The customer's own words, and whether they were answered: shown the assistant's words, a
    small model reports them as facts."""
    lines = []
    for message in messages[-READ_MESSAGES:]:
        if message.role == "customer":
            if guardrails.wants_person(message.content):
                continue
            lines.append(f"Customer: {' '.join(message.content.split())[:READ_CHARACTERS]}")
        elif message.role != "system":
            answered = message.role == "human_agent" or message.outcome == "answered"
            lines.append("(answered)" if answered else "(not answered)")
    return "\n".join(lines)


def _is_customers(event: Event) -> bool:
    return event.type == "message.created" and event.data["message"]["role"] == "customer"
