"""What staff do with conversations, and what they see of them.

Knows no HTTP and no model. Invariant: while a person has a conversation the AI says nothing in it;
whatever staff do, nothing that a customer said is lost.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from agent.conversation import transitions
from agent.conversation.listing import Listing
from agent.conversation.service import ConversationService
from agent.conversation.transitions import Change
from agent.conversation.turn import Answerer, Question, ReplyDone, ReplyText
from agent.domain import Citation, Conversation, Importance, Message, new_id, now
from agent.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from agent.events.broadcast import Broadcaster, Moment
from agent.generation.requests import Priority
from agent.storage.people import People, User
from agent.storage.redis import ConversationStore
from agent.storage.transcript import no_such_conversation

log = logging.getLogger(__name__)

MAX_LABELS: Final = 20
_RATINGS: Final = frozenset({"feedback.submitted", "csat.submitted"})
_WAKE_EVERY_S: Final = 5.0
_WOKEN: Final = 200  # in one round, at most


class Desk:
    def __init__(
        self,
        *,
        store: ConversationStore,
        broadcaster: Broadcaster,
        service: ConversationService,
        answerer: Answerer,
        people: People,
        listing: Listing,
    ) -> None:
        self._store = store
        self._broadcaster = broadcaster
        self._service = service
        self._answerer = answerer
        self._people = people
        self.listing = listing

    # -- what there is

    async def conversation(self, conversation_id: str) -> dict[str, Any]:
        """All that staff may see: messages, notes, the handoff card, who the customer is."""
        transcript = await self._store.transcript(conversation_id)
        header = transcript.conversation
        cards = [e.data["card"] for e in transcript.events if e.type == "handoff.updated"]
        notes = [{"at": e.at, **e.data} for e in transcript.events if e.type == "note.created"]
        ratings = [e.data | {"at": e.at} for e in transcript.events if e.type in _RATINGS]
        reviews = [e.data | {"at": e.at} for e in transcript.events if e.type == "answer.reviewed"]
        return {
            **self.listing.summary(header),
            **transcript.snapshot("staff").wire(),
            "card": cards[-1] if cards and header.status != "pending" else None,
            "notes": notes,
            "reviews": {one["message_id"]: one for one in reviews},
            "ratings": {one.get("message_id", "conversation"): one for one in ratings},
            "identity": header.identity.model_dump(mode="json"),
            "page_url": header.page_url,
        }

    async def follow(self, after: str | None) -> AsyncGenerator[Moment | None]:
        """Everything that happens anywhere after the moment `after`, else from this call on."""
        return self._broadcaster.follow_all(after or await self._broadcaster.position())

    async def earlier(self, conversation_id: str) -> list[dict[str, Any]]:
        """Other conversations of the same verified customer, newest first. Raises NotFound."""
        if (header := await self._store.get(conversation_id)) is None:
            raise no_such_conversation()
        return await self.listing.earlier(header)

    # -- what staff do

    async def take_over(self, conversation_id: str, user: User) -> None:
        await self._silence(conversation_id, lambda h: transitions.take_over(h, user.id))

    async def reply(
        self,
        conversation_id: str,
        user: User,
        content: str,
        citations: tuple[Citation, ...] = (),
    ) -> Message:
        message = Message(
            id=new_id("m"),
            role="human_agent",
            author=user.display_name,
            content=content,
            created_at=now(),
            citations=citations or None,
        )
        await self._silence(
            conversation_id, lambda header: transitions.reply(header, message, user.id)
        )
        return message

    async def note(self, conversation_id: str, user: User, content: str) -> None:
        data = {"id": new_id("n"), "content": content, "by": user.id, "author": user.display_name}
        await self._service.change(
            conversation_id, lambda header: transitions.note(header, "note.created", data)
        )

    async def return_to_ai(self, conversation_id: str) -> None:
        messages = (await self._store.snapshot(conversation_id, "staff")).messages

        def returned(header: Conversation) -> Change:
            return transitions.return_to_ai(header, messages, self._returned(header.locale))

        header, _ = await self._service.change(conversation_id, returned)
        if header.turn is not None:
            self._service.run(header, header.turn, None)

    def _returned(self, locale: str | None) -> Message:
        return Message(
            id=new_id("m"),
            role="system",
            content=self._answerer.prompts.say("returned", locale),
            created_at=now(),
            notice="returned",
        )

    async def resolve(self, conversation_id: str) -> None:
        await self._silence(conversation_id, transitions.resolve)

    async def snooze(self, conversation_id: str, until: datetime) -> None:
        """Raises InvalidRequest for a moment that is over."""
        if until <= datetime.now(UTC):
            raise InvalidRequest("Snooze until a moment that is still to come.", field="until")
        moment = until.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self._service.change(
            conversation_id, lambda header: transitions.snooze(header, moment)
        )

    async def assign(self, conversation_id: str, user_id: str | None) -> None:
        """Raises InvalidRequest for a user that does not exist, or is here no more."""
        if user_id is not None:
            user = await asyncio.to_thread(self._people.get, user_id)
            if user is None or not user.active:
                raise InvalidRequest("There is no such user.", field="user_id")
        await self._service.change(
            conversation_id, lambda header: transitions.assign(header, user_id)
        )

    async def label(self, conversation_id: str, labels: list[str]) -> None:
        await self._service.change(
            conversation_id, lambda header: transitions.label(header, labels)
        )

    async def prioritize(self, conversation_id: str, priority: Importance) -> None:
        await self._service.change(
            conversation_id, lambda header: transitions.prioritize(header, priority)
        )

    async def draft(self, conversation_id: str) -> AsyncGenerator[str | dict[str, Any]]:
        """A reply to what the customer said last, as the model writes it; last, the draft itself
        with its citations. Staff policies may be used. Nothing is sent; leaving the iteration stops
        the model. Raises Conflict, before anything is written, if the customer said nothing."""
        messages = (await self._store.snapshot(conversation_id, "staff")).messages
        asked = [at for at, message in enumerate(messages) if message.role == "customer"]
        if not asked:
            raise Conflict("The customer has said nothing yet that could be answered.")
        return self._drafted(messages[: asked[-1]], messages[asked[-1]])

    async def _drafted(
        self, history: tuple[Message, ...], last: Message
    ) -> AsyncGenerator[str | dict[str, Any]]:
        question = Question(
            content=last.content,
            history=history,
            audience="staff",
            asked_at=datetime.fromisoformat(last.created_at),
        )
        answer = self._answerer.answer(question, message_id=new_id("m"), priority=Priority.STAFF)
        async with aclosing(answer) as parts:
            async for part in parts:
                if isinstance(part, ReplyDone):
                    draft = part.message.wire()
                    kept = ("content", "citations", "confidence", "outcome")
                    based = {"in_reply_to": last.id, "question": last.content}
                    yield {name: draft.get(name) for name in kept} | based
                elif isinstance(part, ReplyText):
                    yield part.text

    async def _silence(self, conversation_id: str, make: Callable[[Conversation], Change]) -> None:
        await self._service.change(conversation_id, make)
        self._service.stop(conversation_id)

    # -- what happens by itself

    async def wake_snoozed(self) -> None:
        """Opens each snoozed conversation when its time has come, until it is cancelled."""
        while True:
            await asyncio.sleep(_WAKE_EVERY_S)
            try:
                moment = now()
                for conversation_id in await self._store.due(moment, _WOKEN):
                    await self._wake(conversation_id, moment)
            except StoreUnavailable:
                continue  # the next round is soon
            except Exception:
                log.exception("Snoozed conversations could not be woken; tried again soon")

    async def _wake(self, conversation_id: str, moment: str) -> None:
        try:
            await self._service.change(
                conversation_id, lambda header: transitions.wake(header, moment)
            )
        except (Conflict, NotFound):
            return  # somebody was faster
