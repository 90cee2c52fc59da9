"""What every follower of the live streams is told: all of it, once, in order."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.domain import Event, Snapshot
from tests.product.following import Books, Follower, differs
from tests.product.living import Crowd, live
from tests.product.running import Product
from tests.product.scripted_engine import scripted_engine


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with scripted_engine() as engine:
        product = Product(tmp_path / "data", {"FRONTDESK_ENGINE_URL": engine}).start()
        yield product
        product.stop()


@pytest.mark.model
def test_customers_and_staff_are_told_everything_once_and_in_order(product: Product) -> None:
    crowd = Crowd(idle=5, active=6, staff=2, seconds=20, pause_s=1.0)
    day = asyncio.run(live(product, crowd))
    for books in (day.customers, day.staff):
        assert not books.different
        assert (books.lost, books.doubled, books.out_of_order) == (0, 0, 0)
        assert books.compared
        assert books.resumed
    assert day.told_apart == 0
    assert {"questions", "handoffs", "resolve"} <= set(day.done), "the day had something of each"


def event(number: int) -> Event:
    message = {"id": f"m_{number}", "role": "customer", "content": "hi", "created_at": "x"}
    return Event(
        id=f"{number}-0",
        type="message.created",
        conversation_id="c_1",
        at="2026-01-01T00:00:00Z",
        data={"message": message},
    )


async def test_the_books_notice_what_is_doubled_out_of_order_or_missing() -> None:
    books = Books()
    follower = Follower(None, "", books)  # type: ignore[arg-type]
    await follower._take([(event(n), 0.0) for n in (1, 3, 3, 2)])
    assert (books.doubled, books.out_of_order) == (1, 1)
    nothing = Snapshot(id="c_1", status="pending")
    fresh = Snapshot.model_validate(
        nothing.model_dump()
        | {"messages": [event(n).data["message"] for n in (1, 2)], "last_event_id": "2-0"}
    )
    assert differs(nothing, [event(1), event(2), event(3)], fresh) is None
    assert differs(nothing, [event(2)], fresh) is not None
