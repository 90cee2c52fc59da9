"""Writes a turn's reply into the log while the answerer speaks, and ends it exactly once.

Knows no HTTP. Invariant: all that it appends carries the turn's epoch, so a writer whose turn was
cancelled or taken over can add nothing more.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from agent.conversation import transitions
from agent.conversation.asking import asked as kept_question
from agent.conversation.question import returns_first
from agent.conversation.reception import Reception
from agent.conversation.transitions import Change
from agent.conversation.turn import Answerer, Question, ReplyDone
from agent.domain import Conversation, Event, EventDraft, Message, Turn
from agent.errors import Busy, FrontdeskError, NotFound, StoreUnavailable
from agent.generation.requests import Permit
from agent.storage.records import Records
from agent.storage.redis import ConversationStore, StaleTurn, VersionConflict
from agent.telemetry import observe_turn
from knowledge_base.errors import KnowledgeError

log = logging.getLogger(__name__)

_TRIES: Final = 20
_STORE_PATIENCE_S: Final = 60.0


async def change(
    store: ConversationStore, conversation_id: str, make: Callable[[Conversation], Change]
) -> tuple[Conversation, list[Event]]:
    """Read the header, make the change, commit; again from the start if somebody was faster."""
    for _ in range(_TRIES):
        header = await store.get(conversation_id)
        if header is None:
            raise NotFound("This conversation does not exist any more: start a new one.")
        wanted = make(header)
        try:
            return wanted.conversation, await store.commit(wanted.conversation, wanted.drafts)
        except VersionConflict:
            continue
    raise Busy("Too many changes at once in this conversation.", retry_after=1)


class TurnWriter:
    """`changed` is told of each change that ends a turn: the header and the events."""

    def __init__(
        self,
        store: ConversationStore,
        records: Records,
        answerer: Answerer,
        reception: Reception,
        changed: Callable[[Conversation, list[Event]], None],
    ) -> None:
        self._store = store
        self._records = records
        self._answerer = answerer
        self._reception = reception
        self._changed = changed

    async def write(self, header: Conversation, turn: Turn, permit: Permit | None) -> None:
        """Runs the turn to its end. Cancelling the task stops it and writes nothing."""
        try:
            while True:
                try:
                    return await self._answer(header, turn, permit)
                except Busy as busy:  # a recovered turn holds no permit: it waits for its place
                    await asyncio.sleep(busy.retry_after)
        except StaleTurn:
            return None  # a newer message, a person or an erasure ended this turn
        except NotFound:
            return None  # erased while it was answered
        except (FrontdeskError, KnowledgeError, OSError) as error:
            log.warning("A turn failed: %s", error, extra={"conversation": header.id})
            await self._patiently(lambda: self.give_up(header.id, turn.epoch))
        except Exception:
            log.exception("A turn failed unexpectedly", extra={"conversation": header.id})
            await self._patiently(lambda: self.give_up(header.id, turn.epoch))
        finally:
            if permit is not None:
                permit.release()

    async def _answer(self, header: Conversation, turn: Turn, permit: Permit | None) -> None:
        fresh = header.fresh_since or ""
        said = returns_first([m for m in await self._messages(header.id) if m.created_at > fresh])
        asked = next((m for m in said if m.id == turn.in_reply_to), None)
        if asked is None:
            raise NotFound("The message that this turn answers is gone.")
        question = Question(
            content=asked.content,
            history=tuple(said[: said.index(asked)]),
            locale=header.locale,
            session=header.id,
            asked_at=datetime.fromisoformat(asked.created_at),
        )
        parts = self._answerer.answer(question, message_id=turn.message_id, permit=permit)
        async for part in parts:
            if isinstance(part, ReplyDone):
                await self._complete(header, turn, question, part)
                return
            draft = EventDraft(
                type="reply.delta", data={"message_id": turn.message_id, "text": part.text}
            )
            await self._store.append(header.id, turn.epoch, [draft])

    async def _complete(
        self, begun: Conversation, turn: Turn, question: Question, done: ReplyDone
    ) -> None:
        conversation_id = begun.id
        if done.record is not None:
            await self._keep(self._records.answers.keep, conversation_id, done.record)
        messages = await self._messages(conversation_id) if done.handoff else ()
        away = await self._away(conversation_id, messages) if done.handoff else None

        def completed(header: Conversation) -> Change:
            _require(header, turn.epoch)
            return transitions.complete(
                header,
                done.message,
                replaced=done.replaced,
                handoff=done.handoff,
                messages=messages,
                away=away,
            )

        await self._patiently(lambda: self._change(conversation_id, completed))
        await self._keep(self._records.asked.keep, kept_question(begun, question, done))
        timings = done.message.timings
        observe_turn(
            done.message.outcome or "answered", timings.first_token_ms if timings else None
        )

    async def _keep(self, keep: Callable[..., None], *what: object) -> None:
        """An answer is not held up by a database that is away: it can only not be replayed, and
        is missing among the questions."""
        try:
            await asyncio.to_thread(keep, *what)
        except StoreUnavailable as error:
            log.warning("What an answer was made from was not kept: %s", error)

    async def give_up(self, conversation_id: str, epoch: int) -> None:
        """The turn failed for good: the conversation opens to a person."""
        try:
            messages = await self._messages(conversation_id)
            away = await self._away(conversation_id, messages)

            def failed(header: Conversation) -> Change:
                _require(header, epoch)
                return transitions.fail(header, messages, away)

            await self._change(conversation_id, failed)
        except (StaleTurn, NotFound):
            return
        observe_turn("failed")

    async def _change(self, conversation_id: str, make: Callable[[Conversation], Change]) -> None:
        self._changed(*await change(self._store, conversation_id, make))

    async def _away(self, conversation_id: str, messages: Sequence[Message]) -> Message | None:
        header = await self._store.get(conversation_id)
        return None if header is None else await self._reception.away(header, messages)

    async def _messages(self, conversation_id: str) -> tuple[Message, ...]:
        return (await self._store.snapshot(conversation_id, "staff")).messages

    async def _patiently(self, write: Callable[[], object]) -> None:
        """The end of a turn is worth waiting for: the store may be coming back from an outage.

        If it does not, the turn is still in Redis and runs again at the next start.
        """
        deadline = asyncio.get_running_loop().time() + _STORE_PATIENCE_S
        while True:
            try:
                await write()  # type: ignore[misc]
                return
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.5)


def _require(header: Conversation, epoch: int) -> None:
    if header.turn is None or header.turn.epoch != epoch:
        raise StaleTurn("Another turn has taken this one's place.")
