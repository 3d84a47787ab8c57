"""A run's events for readers who come early, late, or go away."""

import asyncio
from typing import Any

from node.agent.feed import RunFeed
from tests.node.agent.stage import PATIENCE_S

DELTA, END = {"type": "run.delta", "text": "x"}, {"type": "run.completed", "text": "x"}


async def read(feed: RunFeed) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in feed.read()]


async def test_everybody_gets_everything_in_order_whenever_they_come() -> None:
    feed = RunFeed()
    early = asyncio.ensure_future(read(feed))
    feed.put(DELTA)
    between = asyncio.ensure_future(read(feed))
    await asyncio.wait([early], timeout=0)
    feed.put(END)
    assert await early == await between == await read(feed) == [DELTA, END]


async def test_nothing_follows_the_last_event() -> None:
    feed = RunFeed()
    assert not feed.ended
    feed.put(END)
    feed.put(DELTA)
    feed.put(END)
    assert feed.ended and await read(feed) == [END]


async def test_a_reader_who_does_not_read_holds_nobody_up() -> None:
    feed = RunFeed()
    idle = feed.read()
    feed.put(DELTA)
    assert await anext(idle) == DELTA
    for _ in range(1_000):
        feed.put(DELTA)
    feed.put(END)
    assert len(await read(feed)) == 1_002
    await idle.aclose()
