"""What a relay withholds from a device is said on it after a minute, and no more once it came."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crdt.heartbeat import PATIENCE_MS
from crdt.ids import ThreadId
from crdt.permissions import LaneKind
from crdt.records import Grant
from node.bus import Subscription
from node.heartbeats import Heartbeats
from node.presence import Presence
from tests.crdt.people import Person
from tests.node.air import Air, carry, happening, in_one_thread
from tests.node.second_device import Machine
from tests.waiting import until

FAST_S = 0.02


class Pair:
    """A laptop and a desktop with one thread; presence goes through the air, frames only where a test carries them."""

    def __init__(self, laptop: Machine, desktop: Machine, thread: ThreadId) -> None:
        self.laptop, self.desktop, self.thread, self.air = laptop, desktop, thread, Air()
        self.ahead_ms = 0
        for each in (laptop, desktop):
            real = each.threads.now_ms
            each.threads.now_ms = lambda real=real: real() + self.ahead_ms  # type: ignore[misc]

    @asynccontextmanager
    async def beating(self, each: Machine) -> AsyncIterator[tuple[Heartbeats, Presence]]:
        presence = self.air.join(each)
        beats = Heartbeats(each.account, each.threads, presence, FAST_S)
        await beats.start()
        beats.use(self.thread)
        try:
            yield beats, presence
        finally:
            await beats.close()
            await presence.close()
            self.air.ears.remove(presence)
            each.threads.on_change.clear()

    async def grow(self) -> None:
        """The laptop lets somebody in, and nothing carries that away."""
        async with self.laptop.threads.change(self.thread) as draft:
            draft.record(LaneKind.CONTROL, [Grant(Person("Ben").id, 1, "Ben")])


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with in_one_thread(tmp_path) as (laptop, desktop, thread):
        yield Pair(laptop, desktop, thread)


async def warned(events: Subscription, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    event = await happening(events, "sync.warning", holds)
    assert not event.passing and event.cursor
    return event.data


async def kinds(beats: Heartbeats, thread: ThreadId) -> list[str]:
    return [each["kind"] for each in (await beats.of(thread))["warnings"]]


async def test_the_membership_is_known_as_of_the_last_beat_of_an_owners_device(pair: Pair) -> None:
    async with pair.beating(pair.desktop) as (desktop, _):
        assert (await desktop.of(pair.thread))["membership_as_of"] is None
        async with pair.beating(pair.laptop):

            async def known() -> object:
                return (await desktop.of(pair.thread))["membership_as_of"]

            await until(known, "a beat of the laptop")
        assert (await desktop.of(pair.thread))["warnings"] == []


async def test_a_record_and_a_message_that_are_withheld_are_warned_of_until_they_come(pair: Pair) -> None:
    await pair.grow()
    await pair.laptop.say(pair.thread, "withheld")
    with pair.desktop.threads.bus.subscribe() as events:
        async with pair.beating(pair.desktop) as (desktop, _), pair.beating(pair.laptop):
            await until(lambda: desktop._watches.get(pair.thread), "a beat of the laptop")
            assert await kinds(desktop, pair.thread) == []
            pair.ahead_ms = PATIENCE_MS + 1_000
            both = [await warned(events, lambda data: data["state"] == "raised") for _ in range(2)]
            control, raised = sorted(both, key=lambda data: str(data["kind"]))
            assert control["kind"] == "control-withheld" and control["by"] is None and control["message"]
            assert (
                raised["kind"] == "work-withheld" and raised["by"]["name"] == "laptop" and "laptop" in raised["message"]
            )
            assert await kinds(desktop, pair.thread) == ["control-withheld", "work-withheld"]
            assert [each["kind"] for each in await desktop.all()] == ["control-withheld", "work-withheld"]
            await carry(pair.laptop, pair.desktop, pair.thread)
            cleared = await warned(events, lambda data: data["state"] == "cleared")
            assert cleared["kind"] in ("control-withheld", "work-withheld")
            assert await kinds(desktop, pair.thread) == []


async def test_what_a_device_spoke_of_is_kept_over_a_restart_so_that_a_rollback_shows(pair: Pair) -> None:
    async with pair.beating(pair.laptop) as (_, laptop):
        old: list[bytes] = []
        laptop.send = lambda thread, kind, payload: old.append(payload)  # type: ignore[method-assign]
        await until(lambda: old, "a beat")
    await pair.grow()
    await carry(pair.laptop, pair.desktop, pair.thread)
    async with pair.beating(pair.desktop) as (desktop, _), pair.beating(pair.laptop):

        async def marked() -> object:
            return any(name.startswith("heartbeat/") for name in await pair.desktop.store.settings())

        await until(marked, "the mark is stored")
    async with pair.beating(pair.desktop) as (desktop, ears):
        me = pair.laptop.account
        for handler in ears._handlers["heartbeat"]:
            handler(pair.thread, me.identity, me.device.id, old[0])
        await until(lambda: desktop._heard.empty() and desktop._watches[pair.thread]._rolled, "the beat is taken in")
        pair.ahead_ms = PATIENCE_MS + 1_000
        assert await kinds(desktop, pair.thread) == ["rolled-back"]


async def test_nobody_beats_in_threads_that_nobody_uses(pair: Pair) -> None:
    async with pair.beating(pair.desktop) as (desktop, _), pair.beating(pair.laptop) as (laptop, _):
        desktop._in_use.clear()
        laptop._in_use.clear()
        said = len(pair.air.said)
        with pair.laptop.threads.bus.subscribe():
            await until(lambda: not laptop._due.is_set(), "nothing is due")
            await laptop._beat_all()
            await desktop._beat_all()
        assert len(pair.air.said) == said
