"""What carries presence, and frames, between machines of a test without a transport."""

import asyncio

from crdt.ids import ThreadId
from node.presence import Presence
from tests.node.second_device import Machine


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
