"""The order in which a run hears of things, and how much may wait."""

import asyncio

from node.agent.inbox import INBOX_SIZE, Inbox
from node.agent.steps import CancelRequested, Delta, Event, ModelFinished
from tests.node.agent.stage import PATIENCE_S


def delta(text: str, now_ms: int = 0) -> Delta:
    return Delta("text", text, now_ms)


async def drained(inbox: Inbox, count: int) -> list[Event]:
    async with asyncio.timeout(PATIENCE_S):
        return [await inbox.get() for _ in range(count)]


async def test_what_is_urgent_comes_before_what_waits() -> None:
    inbox = Inbox()
    inbox.put(ModelFinished())
    inbox.put(CancelRequested(), urgent=True)
    assert await drained(inbox, 2) == [CancelRequested(), ModelFinished()]


async def test_waiting_text_of_one_kind_comes_as_one_and_keeps_its_place() -> None:
    inbox = Inbox()
    other = Delta("reasoning", "hm", 0)
    for event in (delta("a"), delta("b"), other, delta("c"), ModelFinished(), delta("d")):
        inbox.put(event)
    assert await drained(inbox, 5) == [delta("ab"), other, delta("c"), ModelFinished(), delta("d")]


async def test_one_who_waits_gets_what_comes() -> None:
    inbox = Inbox()
    waiting = asyncio.ensure_future(inbox.get())
    await asyncio.wait([waiting], timeout=0)
    inbox.put(ModelFinished())
    assert await asyncio.wait_for(waiting, PATIENCE_S) == ModelFinished()


async def test_a_full_inbox_lets_a_source_wait_and_an_urgent_event_in() -> None:
    inbox = Inbox()
    for _ in range(INBOX_SIZE):
        await asyncio.wait_for(inbox.put_when_room(ModelFinished()), PATIENCE_S)
    held = asyncio.ensure_future(inbox.put_when_room(delta("late")))
    await asyncio.wait([held], timeout=0)
    assert not held.done()
    inbox.put(CancelRequested(), urgent=True)
    assert await drained(inbox, 2) == [CancelRequested(), ModelFinished()]
    await asyncio.wait_for(held, PATIENCE_S)
    assert (await drained(inbox, INBOX_SIZE))[-1] == delta("late")
