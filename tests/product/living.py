"""A day at the desk, in short: customers who chat, customers who only look, staff who help.

Everything goes through the HTTP door. Who does what follows from the seed; when, from the machine.
"""

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import httpx

from agent.domain import Snapshot
from tests.product.following import Books, Comparison, Follower, now_and_then, told_alike
from tests.product.running import Product

PASSWORD = "correct horse"
QUESTIONS = (
    "How much is the pet fee for one dog?",
    "Until when can I cancel free of charge?",
    "When can I check in?",
    "What happens if I lose the key?",
    "Can I park my car there?",
    "Do I have to pay a deposit?",
)


@dataclass(frozen=True)
class Crowd:
    """How many, for how long; a customer pauses `pause_s` on average between two questions."""

    idle: int
    active: int
    staff: int
    seconds: float
    pause_s: float = 5.0
    seed: int = 1


@dataclass
class Day:
    """What the followers found, customers' and staff's apart, and what was done."""

    customers: Books = field(default_factory=Books)
    staff: Books = field(default_factory=Books)
    done: dict[str, int] = field(default_factory=dict)
    told_apart: int = 0

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    @property
    def right(self) -> bool:
        return self.customers.right and self.staff.right and not self.told_apart


class Person:
    """Somebody with a connection of their own."""

    def __init__(self, client: httpx.AsyncClient, day: Day, chance: random.Random) -> None:
        self.client = client
        self.day = day
        self.chance = chance

    async def does(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Busy is no failure: it is tried again when the server says."""
        while True:
            answer = await self.client.request(method, path, json=body, timeout=60)
            if answer.status_code not in {429, 503}:
                return answer
            self.day.count("busy")
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))


class Visitor(Person):
    """A customer with the chat open."""

    id = ""
    follower: Follower
    comparison: Comparison

    async def arrive(self) -> None:
        started = (await self.does("POST", "/api/v1/conversations", {})).json()
        self.id = started["id"]
        self.client.headers["Authorization"] = f"Bearer {started['token']}"
        path = f"/api/v1/conversations/{self.id}"
        self.follower = Follower(self.client, f"{path}/events", self.day.customers)
        self.follower.start()
        self.comparison = await Comparison.begin(self.client, path, self.follower)

    async def chat(self, pause_s: float) -> None:
        path = f"/api/v1/conversations/{self.id}"
        while True:
            content = self.chance.choice(QUESTIONS)
            posted = await self.does("POST", f"{path}/messages", {"content": content})
            assert posted.status_code == 202, posted.text
            self.day.count("questions")
            if self.chance.random() < 0.15:
                await self.does("POST", f"{path}/handoff", {})
                self.day.count("handoffs")
            if self.chance.random() < 0.2:
                await self.follower.interrupt()
            if self.chance.random() < 0.5:
                await self.comparison.compare()
            await now_and_then(self.chance, pause_s)


class Colleague(Person):
    """One of the staff with the console open."""

    follower: Follower

    async def arrive(self, email: str) -> None:
        body = {"email": email, "password": PASSWORD}
        answer = (await self.does("POST", "/api/v1/login", body)).json()
        self.client.headers["X-CSRF-Token"] = answer["csrf"]
        self.follower = Follower(self.client, "/api/v1/staff/events", self.day.staff)
        self.follower.start()
        await self.follower.is_connected()

    async def compare(self, conversation_id: str) -> None:
        """This follower has listened from before the conversation began."""
        path = f"/api/v1/staff/conversations/{conversation_id}"
        nothing = Snapshot(id=conversation_id, status="pending")
        await Comparison(self.client, path, self.follower, nothing).compare()

    async def help(self, pause_s: float) -> None:
        while True:
            await now_and_then(self.chance, pause_s)
            listed = await self.does("GET", "/api/v1/staff/conversations?status=open")
            waiting = [one["id"] for one in listed.json()["items"]]
            if not waiting:
                continue
            one = self.chance.choice(waiting)
            verbs = [("take_over", None), ("messages", {"content": "I have a look."})]
            verbs += [("notes", {"content": "Asked twice."}), ("labels", {"labels": ["seen"]})]
            verbs += [(self.chance.choice(["return_to_ai", "resolve"]), None)]
            for verb, body in verbs:
                await self.does("POST", f"/api/v1/staff/conversations/{one}/{verb}", body)
                self.day.count(verb)
            await self.compare(one)
            if self.chance.random() < 0.2:
                await self.follower.interrupt()


async def live(product: Product, crowd: Crowd) -> Day:
    """A day of this crowd, followed, and compared at its end."""
    day = Day()
    chance = random.Random(crowd.seed)
    emails = [f"colleague.{number}@example.org" for number in range(crowd.staff)]
    for email in emails:
        arguments = ("users", "add", email, "--role", "staff", "--password-stdin")
        added = await asyncio.to_thread(product.command, *arguments, said=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
    async with AsyncExitStack() as stack:

        async def client() -> httpx.AsyncClient:
            limits = httpx.Limits(max_connections=4)
            made = httpx.AsyncClient(base_url=product.url, timeout=60, limits=limits)
            return await stack.enter_async_context(made)

        people = [Colleague(await client(), day, random.Random(chance.random())) for _ in emails]
        for one, email in zip(people, emails, strict=True):
            await one.arrive(email)
        visitors = [
            Visitor(await client(), day, random.Random(chance.random()))
            for _ in range(crowd.idle + crowd.active)
        ]
        for visitor in visitors:
            await visitor.arrive()
        busy = [asyncio.create_task(v.chat(crowd.pause_s)) for v in visitors[: crowd.active]]
        busy += [asyncio.create_task(one.help(crowd.pause_s)) for one in people]
        ended, _ = await asyncio.wait(
            busy, timeout=crowd.seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        for task in ended:
            task.result()
        await _compare_at_the_end(day, visitors, people)
        for follower in (*(v.follower for v in visitors), *(one.follower for one in people)):
            await follower.stop()
    return day


async def _compare_at_the_end(day: Day, visitors: list[Visitor], people: list[Colleague]) -> None:
    for visitor in visitors:
        await _until_nothing_runs(visitor)
        await visitor.comparison.compare()
        if not visitor.follower.events:
            continue
        for one in people:
            await one.compare(visitor.id)
            day.told_apart += not told_alike(visitor.follower, one.follower, visitor.id)


async def _until_nothing_runs(visitor: Visitor) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(300):  # beside much else the model is slow
            while True:
                path = f"/api/v1/conversations/{visitor.id}"
                messages = (await visitor.client.get(path)).json()["messages"]
                if not any(message.get("pending") for message in messages):
                    return
                await asyncio.sleep(0.2)
