"""Two devices of one identity over one line: both end with the union, and each knows what the other has."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from crdt import reconcile, wire
from crdt.errors import OpenSeshError, PeerFault
from crdt.ids import ThreadId
from crdt.reconcile import BUCKETS, Buckets, Frames, Holds, Listing, Overview
from node.open_thread import OpenThread
from node.sync import peer_session
from node.sync.peer_session import Inventories, PeerSession
from node.transports.base import Transport, TransportClosed, memory_pair
from tests.node.second_device import Machine, enter, machine
from tests.waiting import until


class Side:
    """A device with a session, wired as node/neighbours.py wires it."""

    def __init__(self, here: Machine, there: Machine, transport: Transport) -> None:
        self.here = here
        self.kept: set[ThreadId] = set()
        self.inventories = Inventories(here.threads)
        device = there.account.device.id
        self.session = PeerSession(device, transport, here.threads, self.inventories, self)
        here.threads.on_stored.append(self._on_stored)
        here.account.listeners.append(self.session.threads_changed)
        self.task = asyncio.create_task(self.session.run())

    def threads(self) -> list[ThreadId]:
        return [thread for thread in self.here.account.affairs.rooms if self.may(thread)]

    def may(self, thread: ThreadId) -> bool:
        return thread in self.here.account.affairs.rooms and thread not in self.kept

    def _on_stored(self, opened: OpenThread, stored: list[tuple[bytes, bytes, object]], origin: int) -> None:
        hashes = [frame_hash for _, frame_hash, _ in stored]
        self.inventories.add(opened.id, hashes)
        self.session.frames_stored(opened.id, hashes, origin)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.here.account.listeners.remove(self.session.threads_changed)
        self.here.threads.on_stored.clear()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Machine, Machine]]:
    async with machine(tmp_path, "laptop") as laptop, machine(tmp_path, "desktop") as desktop:
        await enter(laptop, desktop)
        yield laptop, desktop


class Line:
    """Sessions on both ends of a line within this process."""

    def __init__(self, laptop: Machine, desktop: Machine) -> None:
        self.ends = memory_pair()
        self.left, self.right = Side(laptop, desktop, self.ends[0]), Side(desktop, laptop, self.ends[1])

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.left.end()
        await self.right.end()

    async def settled(self, *threads: ThreadId) -> None:
        """Until both know that both have all of these threads."""
        sides = (self.left, self.right)
        await until(lambda: all(side.session.holds_all(thread) for side in sides for thread in threads))


async def test_what_a_device_lacks_comes_and_then_both_know_that_both_have_it(pair: tuple[Machine, Machine]) -> None:
    laptop, desktop = pair
    thread = await laptop.new("Plans")
    await laptop.say(thread, "one", "two")
    async with Line(laptop, desktop) as line:
        await line.settled(laptop.account.thread, thread)
        assert await desktop.texts(thread) == ["one", "two"]
        assert await laptop.hashes(thread) == await desktop.hashes(thread)


async def test_new_frames_go_to_the_other_at_once_and_both_ways(pair: tuple[Machine, Machine]) -> None:
    laptop, desktop = pair
    thread = await laptop.new("Live")
    async with Line(laptop, desktop) as line:
        await line.settled(laptop.account.thread, thread)
        await laptop.say(thread, "there")
        await line.settled(thread)
        await desktop.say(thread, "and back")
        await line.settled(thread)
        founded = await desktop.new("Founded while the line stands")
        await desktop.say(founded, "first")

        async def arrived() -> bool:
            with contextlib.suppress(OpenSeshError):  # not there at all yet
                return await laptop.texts(founded) == ["first"]
            return False

        await until(arrived)
        assert await laptop.texts(thread) == ["there", "and back"]


async def test_what_both_wrote_apart_meets_when_the_line_comes_back(pair: tuple[Machine, Machine]) -> None:
    laptop, desktop = pair
    thread = await laptop.new("Apart")
    async with Line(laptop, desktop) as line:
        await line.settled(laptop.account.thread, thread)
    await laptop.say(thread, *(f"laptop {number}" for number in range(40)))
    await desktop.say(thread, *(f"desktop {number}" for number in range(40)))
    async with Line(laptop, desktop) as line:
        await line.settled(thread)
    assert await laptop.texts(thread) == await desktop.texts(thread)
    assert len(await laptop.texts(thread)) == 80


async def test_a_thread_kept_here_is_silent_from_that_moment_and_told_of_again_later(
    pair: tuple[Machine, Machine],
) -> None:
    laptop, desktop = pair
    kept, shared = await laptop.new("Kept"), await laptop.new("Shared")
    async with Line(laptop, desktop) as line:
        await line.settled(laptop.account.thread, kept, shared)
        line.left.kept.add(kept)
        line.left.session.threads_changed()
        await laptop.say(kept, "for me alone")
        await desktop.say(kept, "unheard")  # passed over, and no reason to hang up
        await laptop.say(shared, "for both")
        await line.settled(shared)
        assert await desktop.texts(kept) == ["unheard"]
        assert await laptop.texts(kept) == ["for me alone"]
        assert not line.left.session.holds_all(kept)
        line.left.kept.discard(kept)
        line.left.session.threads_changed()
        await line.settled(kept)
    assert await laptop.texts(kept) == await desktop.texts(kept)
    assert len(await laptop.texts(kept)) == 2


async def test_a_frame_stored_while_the_hashes_are_read_is_not_forgotten(
    pair: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop, _ = pair
    thread = await laptop.new("Race")
    inventories = Inventories(laptop.threads)
    read = laptop.store.hashes

    async def slow(wanted: bytes) -> list[bytes]:
        found = await read(wanted)
        inventories.add(thread, [b"h" * 16])
        return found

    monkeypatch.setattr(laptop.store, "hashes", slow)
    assert len(await inventories.of(thread)) == len(await read(thread)) + 1


# ---- a member's device that does not keep to the rules


class Hostile:
    """The far end of a line, by hand."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def say(self, *messages: reconcile.PeerMessage) -> None:
        for message in messages:
            await self.transport.send(reconcile.encode(message))

    async def hear(self) -> reconcile.PeerMessage:
        return reconcile.decode(await self.transport.receive())


@asynccontextmanager
async def facing(pair: tuple[Machine, Machine], kept: Iterable[ThreadId] = ()) -> AsyncIterator[tuple[Side, Hostile]]:
    near, far = memory_pair()
    async with AsyncExitStack() as stack:
        side = Side(pair[0], pair[1], near)
        side.kept.update(kept)
        stack.push_async_callback(side.end)
        stack.push_async_callback(far.close)
        yield side, Hostile(far)


@pytest.fixture
async def against(pair: tuple[Machine, Machine]) -> AsyncIterator[tuple[Side, Hostile]]:
    async with facing(pair) as both:
        yield both


async def test_garbage_ends_the_session_by_name(against: tuple[Side, Hostile]) -> None:
    side, hostile = against
    await hostile.transport.send(b"\xff\xfe")
    with pytest.raises(PeerFault, match="bad message"):
        await side.task


async def test_damaged_frames_are_refused_and_too_many_end_the_session(
    against: tuple[Side, Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    side, hostile = against
    monkeypatch.setattr(peer_session, "MAX_UNSTORED", 50)
    thread = await side.here.new("Attacked")
    before = await side.here.hashes(thread)
    await hostile.say(Frames(thread, tuple(b"\x00" * 40 + bytes([number]) for number in range(60))))
    with pytest.raises(PeerFault, match="too many damaged frames"):
        await side.task
    assert await side.here.hashes(thread) == before


async def test_of_threads_that_are_not_shared_nothing_is_said_and_nothing_is_taken(
    pair: tuple[Machine, Machine],
) -> None:
    here, nobody = pair[0], ThreadId(b"n" * 32)
    kept, shared = await here.new("Kept"), await here.new("Shared")
    before = await here.hashes(kept)
    about: set[bytes] = set()
    answered = False
    async with facing(pair, [kept]) as (_, hostile):
        for thread in (kept, nobody):
            await hostile.say(
                Overview(((thread, bytes(16)),)), Holds(thread, bytes(16)), Buckets(thread, bytes(BUCKETS * 16)),
                Listing(thread, tuple(range(BUCKETS)), b""), Frames(thread, (bytes(64),)),
            )  # fmt: skip
        await hostile.say(Listing(shared, tuple(range(BUCKETS)), b""))
        while not answered:
            heard = await hostile.hear()
            answered = isinstance(heard, Frames) and heard.thread == shared
            about |= {each for each, _ in heard.threads} if isinstance(heard, Overview) else {heard.thread}
    assert not about & {kept, nobody}
    assert await here.hashes(kept) == before
    assert await here.hashes(nobody) == set()


async def test_asking_for_everything_a_thousand_times_without_reading_costs_hashes_and_not_frames(
    against: tuple[Side, Hostile],
) -> None:
    side, hostile = against
    thread = await side.here.new("Large")
    await side.here.say(thread, *(f"{number}" for number in range(60)))
    frames = await side.here.hashes(thread)
    asking = (Listing(thread, tuple(range(BUCKETS)), b""), Buckets(thread, bytes(BUCKETS * 16)))

    async def everything_is_owed() -> bool:
        await hostile.say(*asking)
        return len(side.session._owed.of(thread).frames) == len(frames)

    await until(everything_is_owed)  # the line has taken what it takes, and nobody reads
    for _ in range(1000):
        await hostile.say(*asking)
    debt = side.session._owed.of(thread)
    assert len(side.session._owed) <= len(side.here.account.affairs.rooms)
    assert debt.frames.keys() == frames
    assert debt.listing <= set(range(BUCKETS))


async def test_a_full_disk_ends_the_session_and_says_why(
    pair: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from crdt import errors

    laptop, desktop = pair
    thread = await laptop.new("Full")

    async def full(*_: object) -> int:
        raise errors.DISK_FULL()

    async with Line(laptop, desktop) as line:
        await line.settled(laptop.account.thread, thread)
        monkeypatch.setattr(desktop.threads, "receive", full)
        await laptop.say(thread, "does not fit")
        with pytest.raises(errors.OpenSeshError):
            await line.right.task
        await line.left.task  # hung up on, which is no fault of its own
        with pytest.raises(TransportClosed):
            await line.ends[0].send(b"x")
    assert wire.MAX_FRAME_BYTES * peer_session.READ_AT_ONCE <= 16 * 1024 * 1024
