"""Presence over a real relay and between neighbours: at once, in order, and never for a thread kept here."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crdt import reconcile
from crdt.errors import PeerFault
from crdt.ids import ThreadId
from node.presence import Presence
from node.synchronizer import Synchronizer
from tests.node.second_device import Machine, enter
from tests.node.sync.test_peer_session import Line
from tests.node.sync.with_relay import URL, Place, devices, syncing
from tests.waiting import until

KEYS = [bytes([letter]) for letter in b"the quick brown fox jumps over the lazy dog"]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Machine, Machine]]:
    async with devices(tmp_path, "laptop", "desktop") as (laptop, desktop):
        await laptop.account.ensure()
        await laptop.account.put("relays", {URL: ""})
        await enter(laptop, desktop)
        yield laptop, desktop


@asynccontextmanager
async def present(machine: Machine, way: Callable[[ThreadId, bytes], None]) -> AsyncIterator[Presence]:
    presence = Presence(machine.account, machine.threads, machine.threads.bus, way)
    try:
        yield presence
    finally:
        await presence.close()


async def settle(*synchronizers: Synchronizer) -> None:
    for synchronizer in (*synchronizers, *synchronizers):
        await synchronizer.wait(None, incoming=True)


async def test_keys_pass_a_relay_at_once_and_in_order(pair: tuple[Machine, Machine], tmp_path: Path) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    thread = await laptop.new("Typed into")
    async with (
        place.up(),
        syncing(laptop, (URL, place)) as (left, _),
        syncing(desktop, (URL, place)) as (right, _),
        present(laptop, left.whisper) as at_laptop,
        present(desktop, right.whisper) as at_desktop,
    ):
        left.on_heard, right.on_heard = at_laptop.heard, at_desktop.heard
        await settle(left, right)
        heard: list[tuple[bytes, float]] = []
        at_laptop.on("keys", lambda *given: heard.append((given[3], time.perf_counter())))
        await at_laptop.show(thread)
        await at_desktop.show(thread)
        for key in KEYS:  # in one breath
            at_desktop.send(thread, "keys", key)
        await until(lambda: len(heard) == len(KEYS), "all that was typed")
        assert [key for key, _ in heard] == KEYS
        waits_s = []
        for number, key in enumerate(KEYS, len(KEYS) + 1):  # and one after the other
            begun = time.perf_counter()
            at_desktop.send(thread, "keys", key)
            await until(lambda number=number: len(heard) == number, "a key")  # type: ignore[misc]
            waits_s.append(heard[-1][1] - begun)
        assert statistics.median(waits_s) < 0.05, waits_s


async def test_nothing_is_whispered_in_a_thread_that_is_kept_here(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    laptop, desktop = pair
    place = Place(tmp_path)
    kept, shared = await laptop.new("Kept"), await laptop.new("Shared")
    async with (
        place.up(),
        syncing(laptop, (URL, place)) as (left, _),
        syncing(desktop, (URL, place)) as (right, _),
        present(laptop, left.whisper) as at_laptop,
    ):
        heard: list[ThreadId] = []
        right.on_heard = lambda thread, payload: heard.append(thread)
        await settle(left, right)
        await left.allow(kept, None, False)
        at_laptop.send(kept, "keys", b"secret")
        at_laptop.send(shared, "keys", b"not secret")
        await until(lambda: shared in heard, "the other word")
        assert kept not in heard


async def test_presence_passes_a_line_between_neighbours(pair: tuple[Machine, Machine]) -> None:
    laptop, desktop = pair
    thread = await laptop.new("Side by side")
    async with Line(laptop, desktop) as line:
        await line.settled(laptop.account.thread, thread)
        left, right = line.left.session, line.right.session
        async with present(laptop, left.whisper) as at_laptop, present(desktop, right.whisper) as at_desktop:
            left.on_heard, right.on_heard = at_laptop.heard, at_desktop.heard
            heard: list[bytes] = []
            at_laptop.on("keys", lambda *given: heard.append(given[3]))
            for key in KEYS[:20]:
                at_desktop.send(thread, "keys", key)
            await until(lambda: heard == KEYS[:20], "all that was typed")
            line.left.kept.add(thread)
            at_laptop.send(thread, "keys", b"x")
            right.whisper(thread, b"unheard")  # passed over, and no reason to hang up
            await asyncio.sleep(0)
            line.left.kept.clear()
            at_desktop.send(thread, "keys", b"y")
            await until(lambda: heard[-1] == b"y", "the line stands")


def test_a_whisper_between_neighbours_is_bounded() -> None:
    whisper = reconcile.Whisper(bytes(32), b"word")
    assert reconcile.decode(reconcile.encode(whisper)) == whisper
    for bad in (reconcile.Whisper(bytes(31), b""), reconcile.Whisper(bytes(32), bytes(5_000))):
        with pytest.raises(PeerFault, match="bad message"):
            reconcile.decode(reconcile.encode(bad))
