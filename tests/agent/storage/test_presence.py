"""Who is in a conversation is known on every server, for seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from agent.conversation.presence import Presence
from agent.storage.people import User
from agent.storage.presence import PresenceStore

ANN = User(id="u_ann", email="ann@example.org", role="staff", created_at="2026-01-01T00:00:00Z")
BO = User(id="u_bo", email="bo@example.org", role="staff", created_at="2026-01-01T00:00:00Z")


@asynccontextmanager
async def a_server(redis_url: str, prefix: str) -> AsyncIterator[Presence]:
    presence = Presence(PresenceStore(redis_url, prefix=prefix))
    presence.start()
    try:
        yield presence
    finally:
        await presence.close()


async def test_what_is_done_on_one_server_is_told_on_another(redis_url: str, prefix: str) -> None:
    async with a_server(redis_url, prefix) as one, a_server(redis_url, prefix) as other:
        async with aclosing(other.follow("c_1")) as customers, aclosing(other.follow(None)) as all_:
            heard = asyncio.ensure_future(anext(customers))
            seen = asyncio.ensure_future(anext(all_))
            while not heard.done():  # a server hears what happens from its start on
                assert await one.put("c_1", ANN, "typing", audible=True) == []
                await asyncio.wait({heard}, timeout=0.5)
            assert heard.result().data == {"role": "human_agent", "name": "Ann"}
            assert (await seen).data["doing"] == "typing"
        there = await other.put("c_1", BO, "looking", audible=True)
        assert [(one["user_id"], one["doing"]) for one in there] == [("u_ann", "typing")]
        await one.put("c_1", ANN, "gone", audible=True)
        assert await other.put("c_1", BO, "looking", audible=True) == []


async def test_a_slow_follower_costs_a_bounded_queue(redis_url: str, prefix: str) -> None:
    async with a_server(redis_url, prefix) as server, aclosing(server.follow(None)) as all_:
        first = asyncio.ensure_future(anext(all_))
        while not first.done():
            await server.put("c_1", ANN, "looking", audible=False)
            await asyncio.wait({first}, timeout=0.5)
        for _ in range(200):
            await server.put("c_1", ANN, "looking", audible=False)
        assert (await anext(all_)).type == "presence.updated"
