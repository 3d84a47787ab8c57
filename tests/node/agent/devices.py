"""Devices that run models in threads they share, over a line that can be cut; all in this process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from crdt.ids import ThreadId, from_text, to_text
from node.agent.models import ModelWorker
from node.agent.ports import ModelSource
from node.agent.providers import Providers
from node.bus import Bus
from node.open_thread import OpenThread
from node.runs import Runs
from tests.node.agent.stage import PATIENCE_S, HandClock
from tests.node.second_device import Machine, enter, machine


class Scripts(Providers):
    """Whatever model is asked for, the next script answers."""

    def __init__(self, here: Machine) -> None:
        super().__init__(here.store, ModelWorker(command=["/nowhere"]), "")
        self.script: ModelSource | None = None

    async def resolve(self, name: str | None) -> ModelSource:
        assert self.script is not None, "no model is to be asked here"
        return self.script


class Device:
    """A machine with runs, and a clock of its own."""

    def __init__(self, here: Machine) -> None:
        self.here = here
        self.clock = HandClock()
        self.models = Scripts(here)
        self.runs = self._runs()
        self._asking: set[asyncio.Task[Any]] = set()

    def _runs(self) -> Runs:
        runs = Runs(self.here.account, self.here.threads, self.here.threads.bus, self.models)
        runs._clock = self.clock  # type: ignore[assignment]
        runs._since_ms = self.clock.monotonic_ms()
        return runs

    async def crash_and_start(self) -> None:
        """A node that was killed, and started again: what was only in memory is gone."""
        for driver in self.runs._drivers.values():
            assert driver.task
            driver.task.cancel()  # it writes nothing more
        again = Machine(self.here.store, "again")
        await again.account.load(again.threads)
        self.here = again
        self.models = Scripts(again)
        self.runs = self._runs()
        await self.runs.start()

    def ask(
        self, thread: ThreadId, text: str, request: str, *, take_over: bool = False
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What `opensesh ask` is told."""
        lines = self.runs.ask(thread, text, None, request, take_over=take_over)
        assert isinstance(lines, AsyncGenerator)
        return lines

    def asking(self, thread: ThreadId, text: str, request: str, *, take_over: bool = False) -> "Asked":
        """An `ask` that goes on in the background."""
        return Asked(self.ask(thread, text, request, take_over=take_over))

    async def opened(self, thread: ThreadId) -> OpenThread:
        return await self.here.threads.open(thread)

    async def texts(self, thread: ThreadId) -> list[tuple[str, str]]:
        """Text and state of every message, in the order shown."""
        return [(message.text, message.state) for message in (await self.opened(thread)).view.messages()]

    async def states(self, thread: ThreadId) -> list[str]:
        """The states of the thread's runs, as this device shows them."""
        return [str(run["state"]) for run in (await self.opened(thread)).view.runs().values()]


class Asked:
    """The lines of one `ask`, read in the background."""

    def __init__(self, lines: AsyncGenerator[dict[str, Any], None]) -> None:
        self.lines: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._read(lines))

    async def _read(self, lines: AsyncGenerator[dict[str, Any], None]) -> None:
        async for line in lines:
            self.lines.append(line)
            self._more.set()

    async def until(self, type_: str) -> dict[str, Any]:
        """Wait for a line of this type."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for line in self.lines:
                    if line["type"] == type_:
                        return line
                self._more.clear()
                if self.task.done():
                    raise AssertionError(f"no {type_} in {[line['type'] for line in self.lines]}")
                await asyncio.wait({asyncio.ensure_future(self._more.wait()), self.task}, return_when="FIRST_COMPLETED")

    async def end(self) -> dict[str, Any]:
        """The last line."""
        await asyncio.wait_for(asyncio.shield(self.task), PATIENCE_S)
        return self.lines[-1]


class Line:
    """Carries frames between two devices as they are stored, while it is whole."""

    def __init__(self, left: Device, right: Device) -> None:
        self._ends = (left, right)
        self._whole = False
        self._work: asyncio.Queue[tuple[Device, ThreadId, list[bytes]]] = asyncio.Queue()
        self._task = asyncio.create_task(self._carry())
        for here, there in ((left, right), (right, left)):
            here.here.threads.on_stored.append(self._towards(there))

    def _towards(self, there: Device) -> Callable[[OpenThread, list[tuple[bytes, bytes, Any]], int], None]:
        def stored(opened: OpenThread, frames: list[tuple[bytes, bytes, Any]], origin: int) -> None:
            if self._whole and origin == 0:
                self._work.put_nowait((there, opened.id, [frame for frame, _, _ in frames]))

        return stored

    async def _carry(self) -> None:
        while True:
            there, thread, frames = await self._work.get()
            await there.here.threads.receive(thread, frames, 1)
            self._work.task_done()

    def cut(self) -> None:
        """From now on nothing gets through."""
        self._whole = False

    async def mend(self, *threads: ThreadId) -> None:
        """Everything that either has of these threads goes to the other, and from now on at once."""
        self._whole = True
        for here, there in (self._ends, self._ends[::-1]):
            for thread in threads:
                frames = [stored.frame async for stored in here.here.store.stream_frames(thread)]
                self._work.put_nowait((there, thread, frames))
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until what was stored so far has arrived."""
        await asyncio.wait_for(self._work.join(), PATIENCE_S)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def one_device(folder: Path) -> AsyncIterator[tuple[Device, ThreadId]]:
    """A device with a thread."""
    async with machine(folder, "laptop") as here:
        thread = await here.new("Thread")
        device = Device(here)
        await device.runs.start()
        yield device, thread
        await device.runs.close()


@asynccontextmanager
async def two_devices(folder: Path) -> AsyncIterator[tuple[Device, Device, Line, ThreadId]]:
    """Two devices of one person with a thread that both have, and a line that is whole."""
    async with machine(folder, "laptop") as left, machine(folder, "desktop") as right:
        await enter(left, right)
        thread = await left.new("Thread")
        laptop, desktop = Device(left), Device(right)
        line = Line(laptop, desktop)
        await line.mend(left.account.thread, thread)
        for device in (laptop, desktop):
            await device.runs.start()
        yield laptop, desktop, line, thread
        for device in (laptop, desktop):
            await device.runs.close()
        await line.end()


__all__ = ["Asked", "Bus", "Device", "Line", "from_text", "one_device", "to_text", "two_devices"]
