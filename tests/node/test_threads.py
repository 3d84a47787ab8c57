"""One copy of a thread in memory, whoever loads it and whatever happens meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crdt.ids import ThreadId
from node.store import Store, StoredFrame
from tests.node.second_device import PATIENCE_S, Machine, machine


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine(tmp_path, "here") as made:
        yield made


class Gate:
    """Holds whoever reads a thread's frames, once they were read, until it is opened."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._read = store.stream_frames
        self._first = True
        monkeypatch.setattr(store, "stream_frames", self._held)

    async def _held(self, thread: ThreadId) -> AsyncIterator[StoredFrame]:
        held, self._first = self._first, False
        for frame in [frame async for frame in self._read(thread)]:
            yield frame
        if held:
            self.reached.set()
            await self.opened.wait()


async def test_a_thread_that_is_loaded_while_it_is_forgotten_and_changed_shows_the_change(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await here.new("read while it was written")
    here.threads.forget(thread)
    gate = Gate(here.store, monkeypatch)
    slow = asyncio.create_task(here.texts(thread))
    await gate.reached.wait()
    here.threads.forget(thread)
    async with asyncio.timeout(PATIENCE_S):
        await here.say(thread, "written meanwhile")
    gate.opened.set()
    assert await slow == ["written meanwhile"]
    assert await here.texts(thread) == ["written meanwhile"]


async def test_a_load_that_began_before_a_founding_does_not_replace_the_founded_thread(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await here.new("founded")
    founded = await here.threads.open(thread)
    here.threads.forget(thread)
    gate = Gate(here.store, monkeypatch)
    slow = asyncio.create_task(here.threads.open(thread))
    await gate.reached.wait()
    assert here.threads._remember(founded) is founded  # as `adopt` ends
    async with asyncio.timeout(PATIENCE_S):
        await here.say(thread, "first words")
    gate.opened.set()
    assert await slow is founded
    assert await here.texts(thread) == ["first words"]


async def test_two_that_begin_a_thread_they_do_not_have_share_one_copy(here: Machine) -> None:
    await here.account.ensure()
    unknown = ThreadId(os.urandom(32))
    first, second = await asyncio.gather(*(here.threads._open_or_begin(unknown) for _ in range(2)))
    assert first is second
