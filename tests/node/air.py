"""What carries presence, and frames, between machines of a test without a transport; what they then tell."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from crdt.ids import ThreadId
from node.bus import Subscription
from node.happenings import Happening
from node.presence import Presence
from tests.node.second_device import PATIENCE_S, Machine, enter, machine


class Air:
    """What carries whispers between devices, at once, and remembers all."""

    def __init__(self) -> None:
        self.said: list[tuple[ThreadId, bytes]] = []
        self.ears: list[Presence] = []

    def join(self, machine: Machine) -> Presence:
        made = Presence(machine.account, machine.threads, machine.threads.bus, self._carry)
        self.ears.append(made)
        return made

    def _carry(self, thread: ThreadId, payload: bytes) -> None:
        self.said.append((thread, payload))
        loop = asyncio.get_running_loop()
        for each in self.ears:
            loop.call_soon(each.heard, thread, payload)  # one's own comes back too: nobody minds


async def carry(source: Machine, target: Machine, thread: ThreadId) -> None:
    frames = [frame.frame async for frame in source.store.stream_frames(thread)]
    await target.threads.receive(thread, frames, 1)


@asynccontextmanager
async def in_one_thread(folder: Path) -> AsyncIterator[tuple[Machine, Machine, ThreadId]]:
    """A laptop with a thread, and a desktop that has all of it."""
    async with machine(folder, "laptop") as laptop, machine(folder, "desktop") as desktop:
        await enter(laptop, desktop)
        await carry(laptop, desktop, laptop.account.thread)
        thread = await laptop.new("watched")
        await carry(laptop, desktop, laptop.account.thread)
        await carry(laptop, desktop, thread)
        yield laptop, desktop, thread


async def happening(events: Subscription, kind: str, holds: Callable[[dict[str, Any]], bool]) -> Happening:
    """The next event of that type of which that holds."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if isinstance(event, Happening) and event.type == kind and holds(event.data):
                return event
    raise AssertionError("the bus was closed")
