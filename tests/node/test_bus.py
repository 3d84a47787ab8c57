"""Events reach every subscriber in order, and a slow one costs nobody else anything."""

import asyncio

from node.bus import OVERFLOW, Bus, Event, Overflow, Subscription


class Renamed(Event, frozen=True, kw_only=True):
    type: str = "thread.renamed"
    title: str


def renamed(cursor: int) -> Renamed:
    return Renamed(cursor=cursor, thread="t", title=f"title {cursor}")


async def cursors(subscription: Subscription) -> list[int | Overflow]:
    return [item if isinstance(item, Overflow) else item.cursor async for item in subscription]


def test_an_event_crosses_the_api_with_cursor_type_and_thread() -> None:
    assert renamed(3).to_json() == {"cursor": 3, "type": "thread.renamed", "thread": "t", "title": "title 3"}
    assert Event(cursor=1, type="sync.state").to_json() == {"cursor": 1, "type": "sync.state", "thread": None}


async def test_each_subscriber_gets_each_event_in_order_from_when_it_subscribed() -> None:
    bus = Bus()
    bus.publish(renamed(1))
    early = bus.subscribe()
    bus.publish(renamed(2))
    late = bus.subscribe()
    bus.publish(renamed(3))
    bus.close()
    assert await cursors(early) == [2, 3]
    assert await cursors(late) == [3]


async def test_a_waiting_subscriber_is_woken() -> None:
    bus = Bus()
    with bus.subscribe() as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        bus.publish(renamed(1))
        assert await asyncio.wait_for(waiting, 10) == renamed(1)


async def test_a_subscriber_that_falls_behind_gets_one_marker_for_all_it_missed_and_then_goes_on() -> None:
    bus = Bus()
    slow, quick = bus.subscribe(limit=3), bus.subscribe()
    for cursor in range(1, 11):
        bus.publish(renamed(cursor))
    assert await anext(slow) is OVERFLOW
    bus.publish(renamed(11))
    bus.close()
    assert await cursors(slow) == [11]
    assert await cursors(quick) == list(range(1, 12))


async def test_a_full_buffer_is_not_yet_an_overflow() -> None:
    bus = Bus()
    events = bus.subscribe(limit=3)
    for cursor in (1, 2, 3):
        bus.publish(renamed(cursor))
    bus.close()
    assert await cursors(events) == [1, 2, 3]


async def test_one_event_over_the_limit_is_an_overflow() -> None:
    bus = Bus()
    events = bus.subscribe(limit=3)
    for cursor in (1, 2, 3, 4):
        bus.publish(renamed(cursor))
    bus.close()
    assert await cursors(events) == [OVERFLOW]


async def test_the_bus_forgets_a_subscriber_that_left() -> None:
    bus = Bus()
    with bus.subscribe() as events:
        assert bus.subscribers == 1
    assert bus.subscribers == 0
    bus.publish(renamed(1))
    assert await cursors(events) == []
