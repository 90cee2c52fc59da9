"""The verbs of a conversation: what customers do, and the turns that answer them.

The only writer of conversation events, with the turn's writer. Knows no HTTP and no model; the
store is Redis, the answers come from an Answerer. Invariant: once `post_message` has returned, the
message and the turn it started are in Redis, and whatever dies afterwards the customer gets one
answer or a person.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from agent.conversation import access, transitions, writing
from agent.conversation.access import CustomerClaim
from agent.conversation.cards import CardWriter
from agent.conversation.reception import Reception, email_in
from agent.conversation.transitions import Change
from agent.conversation.turn import Answerer
from agent.conversation.writing import TurnWriter
from agent.domain import Conversation, Event, Identity, Message, Snapshot, Turn, new_id, now
from agent.errors import Busy, InvalidRequest, NotAuthorized, NotFound, StoreUnavailable
from agent.events.broadcast import Broadcaster
from agent.events.events import for_customer
from agent.generation.requests import Engine, Permit
from agent.prompting import Prompts
from agent.storage.records import Records
from agent.storage.redis import ConversationStore, VersionConflict

log = logging.getLogger(__name__)

MAX_CONTENT: Final = 4000
MAX_ATTEMPTS: Final = 2  # a turn that was running in two deaths is not tried a third time
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Started:
    conversation: Conversation
    token: str
    greeting: str


@dataclass(frozen=True, slots=True)
class Posted:
    message_id: str
    event_id: str


class ConversationService:
    def __init__(
        self,
        *,
        store: ConversationStore,
        records: Records,
        broadcaster: Broadcaster,
        engine: Engine,
        answerer: Answerer,
        prompts: Prompts,
        reception: Reception,
        widget_secrets: tuple[bytes, ...],
        jwt_secrets: tuple[bytes, ...],
    ) -> None:
        self._store = store
        self._records = records
        self._broadcaster = broadcaster
        self._engine = engine
        self._prompts = prompts
        self._reception = reception
        self._widget_secrets = widget_secrets
        self._jwt_secrets = jwt_secrets
        self._memory = answerer.memory
        self._cards = CardWriter(store, answerer)
        self._writer = TurnWriter(store, records, answerer, reception, self._cards.watch)
        self._turns: dict[str, asyncio.Task[None]] = {}

    # -- who is who

    async def start(
        self,
        *,
        locale: str | None = None,
        customer: CustomerClaim | None = None,
        page_url: str | None = None,
    ) -> Started:
        identity = self._identity(customer)
        token, hashed = access.new_token()
        moment = now()
        conversation = Conversation(
            id=new_id("c"),
            token_hash=hashed,
            created_at=moment,
            active_at=moment,
            locale=locale,
            page_url=page_url,
            identity=identity,
        )
        await self._store.create(conversation)
        return Started(conversation, token, await self._greeting(locale))

    async def identify(self, conversation: Conversation, customer: CustomerClaim) -> Started:
        """Binds an identity and rotates the token. Conflict if it is bound to another already."""
        identity = self._identity(customer)
        token, hashed = access.new_token()
        header, _ = await self.change(
            conversation.id, lambda header: transitions.bind(header, identity, hashed)
        )
        return Started(header, token, await self._greeting(header.locale))

    async def _greeting(self, locale: str | None) -> str:
        settings = await asyncio.to_thread(self._records.widget.shown)
        return settings.greeting(locale) or self._prompts.say("welcome", locale)

    def _identity(self, claim: CustomerClaim | None) -> Identity:
        return access.identify(
            claim, widget_secrets=self._widget_secrets, jwt_secrets=self._jwt_secrets
        )

    async def authorize(self, conversation_id: str, token: str) -> Conversation:
        """The conversation, if the token is its own and has not ended."""
        conversation = await self._store.get(conversation_id)
        if conversation is None or not access.token_holds(token, conversation.token_hash):
            raise NotFound("There is no such conversation for this token: start a new one.")
        if access.is_idle(conversation.active_at):
            raise NotAuthorized("The token has ended after 30 idle days: start a new conversation.")
        return conversation

    async def conversations_of(self, conversation: Conversation) -> list[dict[str, Any]]:
        """Every conversation of the same verified customer, newest first."""
        if conversation.identity.level != "verified" or not conversation.identity.identifier:
            raise NotAuthorized("Only a verified customer has a list of conversations.")
        found = []
        for other in await self._store.conversations_of(conversation.identity.identifier):
            header = await self._store.get(other)
            if header is not None:
                found.append(
                    {
                        "id": header.id,
                        "status": header.status,
                        "created_at": header.created_at,
                        "active_at": header.active_at,
                    }
                )
        return sorted(found, key=lambda item: str(item["active_at"]), reverse=True)

    # -- what is said

    async def post_message(
        self, conversation: Conversation, content: str, client_message_id: str | None
    ) -> Posted:
        """Stores the message and, while the AI answers, starts the turn that replies to it.

        Raises EngineBusy, with nothing stored, when no turn can be taken on.
        """
        content = content.strip()
        if not 1 <= len(content) <= MAX_CONTENT:
            raise InvalidRequest(
                f"A message has 1 to {MAX_CONTENT:,} characters; this one has {len(content):,}.",
                field="content",
            )
        message = Message(id=new_id("m"), role="customer", content=content, created_at=now())
        for _ in range(_TRIES):
            header = await self._known(conversation.id)
            if client_message_id is not None:
                before = await self._store.sent(header.id, client_message_id)
                if before is not None:
                    return Posted(*before)
            permit = self._engine.reserve() if transitions.takes_turn(header) else None
            email = email_in(header, content) if header.status == "open" else None
            thanks = self._reception.thanks(header, email) if email else None
            wanted, position = transitions.say(header, message, email=email, thanks=thanks)
            sent = (client_message_id, message.id, position) if client_message_id else None
            try:
                events = await self._store.commit(wanted.conversation, wanted.drafts, sent=sent)
            except VersionConflict:
                if permit is not None:
                    permit.release()
                continue
            except BaseException:
                if permit is not None:
                    permit.release()
                raise
            self._cards.watch(wanted.conversation, events)
            if wanted.conversation.turn is not None:
                self.run(wanted.conversation, wanted.conversation.turn, permit)
            return Posted(message.id, events[position].id)
        raise Busy("Too many messages at once in this conversation.", retry_after=1)

    async def snapshot(self, conversation_id: str) -> Snapshot:
        """The conversation as its customer sees it."""
        return await self._store.snapshot(conversation_id, "customer")

    async def follow(self, conversation_id: str, after: str | None) -> AsyncIterator[Event | None]:
        """What the customer may see of the log after `after`, then as it happens; None: silence."""
        async for event in self._broadcaster.follow(conversation_id, after or "0-0"):
            if event is None:
                yield None
            elif (shown := for_customer(event)) is not None:
                yield shown

    # -- a person instead

    async def request_handoff(self, conversation: Conversation, reason: str | None) -> None:
        """Always honoured, in any state, whether or not the engine works."""
        messages = (await self.snapshot(conversation.id)).messages
        away = await self._reception.away(conversation, messages)
        await self.change(
            conversation.id,
            lambda header: transitions.open_for_person(header, "customer_request", messages, away),
        )
        self.stop(conversation.id)
        if reason:
            await self._note(conversation.id, "note.created", {"content": reason, "by": "customer"})

    # -- what the customer thinks of it

    async def rate_message(
        self,
        conversation: Conversation,
        message_id: str,
        rating: Literal["up", "down"],
        *,
        reason: str | None = None,
        comment: str | None = None,
    ) -> None:
        messages = (await self.snapshot(conversation.id)).messages
        reply = next((m for m in messages if m.id == message_id and m.role != "customer"), None)
        if reply is None:
            raise NotFound("There is no such reply in this conversation.")
        await self._note(
            conversation.id,
            "feedback.submitted",
            {"message_id": message_id, "rating": rating, "reason": reason, "comment": comment},
        )
        if reply.role == "ai_agent":
            await asyncio.to_thread(self._records.asked.rate, message_id, rating, reason, comment)
        if self._memory is not None and reply.role == "ai_agent":
            await self._memory.rated(conversation.id, messages, reply, rating)

    async def submit_csat(
        self, conversation: Conversation, score: int, comment: str | None
    ) -> None:
        await self._note(conversation.id, "csat.submitted", {"score": score, "comment": comment})

    async def erase(self, conversation: Conversation) -> None:
        """Everything that is kept of the conversation, everywhere."""
        self.stop(conversation.id)
        self._cards.stop(conversation.id)
        self._engine.forget(conversation.id)
        await self._store.erase(conversation.id)
        if self._memory is not None:
            await self._memory.load()

    # -- life and death of the process

    async def recover(self) -> int:
        """Runs again every turn that was running when the last process ended. Returns how many."""
        recovered = 0
        for conversation_id in await self._store.running_turns():
            header = await self._store.get(conversation_id)
            if header is None or header.turn is None:
                continue
            recovered += 1
            if header.turn.attempts >= MAX_ATTEMPTS:
                await self._writer.give_up(header.id, header.turn.epoch)
                continue
            again = await self._again(conversation_id, header.turn)
            if again.turn is not None:
                self.run(again, again.turn, None)
        return recovered

    async def _again(self, conversation_id: str, turn: Turn) -> Conversation:
        messages = (await self.snapshot(conversation_id)).messages
        known = any(message.id == turn.message_id for message in messages)
        again, _ = await self.change(
            conversation_id, lambda header: transitions.run_again(header, reply_is_known=known)
        )
        return again

    async def close(self) -> None:
        """Stops the turns without ending them: they are in Redis and run at the next start."""
        await self._cards.close()
        tasks = dict(self._turns)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for conversation_id in tasks:
            try:
                await self.change(conversation_id, transitions.forgive)
            except NotFound:
                continue  # erased meanwhile
            except StoreUnavailable:
                return  # then the next start counts it as a death: no more than one try lost

    # -- inside

    def run(self, header: Conversation, turn: Turn, permit: Permit | None) -> None:
        """Begin the turn that the header names."""
        self.stop(header.id)
        task = asyncio.create_task(
            self._writer.write(header, turn, permit), name=f"turn {turn.message_id}"
        )
        self._turns[header.id] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._turns.get(header.id) is ended:
                del self._turns[header.id]
            if not ended.cancelled() and (error := ended.exception()) is not None:
                log.error("A turn ended with an unexpected error", exc_info=error)

        task.add_done_callback(done)

    def stop(self, conversation_id: str) -> None:
        """End what this process computes for the conversation; what is stored of it stays."""
        if (task := self._turns.pop(conversation_id, None)) is not None:
            task.cancel()

    async def _known(self, conversation_id: str) -> Conversation:
        conversation = await self._store.get(conversation_id)
        if conversation is None:
            raise NotFound("This conversation does not exist any more: start a new one.")
        return conversation

    async def _note(self, conversation_id: str, type_: str, data: dict[str, Any]) -> None:
        await self.change(conversation_id, lambda header: transitions.note(header, type_, data))

    async def change(
        self, conversation_id: str, make: Callable[[Conversation], Change]
    ) -> tuple[Conversation, list[Event]]:
        """Read the header, make the change, commit; raises what `make` raises."""
        header, events = await writing.change(self._store, conversation_id, make)
        self._cards.watch(header, events)
        return header, events
