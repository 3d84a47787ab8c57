"""Sync with one other device over one line: reconcile what each lacks, then pass on what is new, at once.

The other side is a device of a member, proved by the transport; what it sends is bounded and checked all
the same. Only threads that may be shared at that moment are spoken of, in either direction; what is said
of others is passed over, for the other side can't know yet.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from crdt import reconcile, wire
from crdt.errors import PeerFault
from crdt.ids import DeviceId, ThreadId
from crdt.reconcile import Buckets, Frames, Holds, Inventory, Listing, Overview, Whisper
from node.sync.owed import Debt, Owed
from node.threads import Threads
from node.transports.base import Transport, TransportClosed

READ_AT_ONCE: Final = 32  # frames read from the store for one turn: 16 MiB at most
MAX_WHISPERS: Final = 64  # presence that waits for the line; what is older goes
MAX_UNSTORED: Final = 1024  # frames of one session that came to nothing: more are no accident
log = logging.getLogger(__name__)


class Shared(Protocol):
    """What may be spoken of with a peer."""

    def threads(self) -> list[ThreadId]:
        """Every thread to tell of, in that order."""

    def may(self, thread: ThreadId) -> bool:
        """Whether this one is among them, now."""


class Inventories:
    """The inventories of this device's threads, shared by all sessions; read from the store when first asked for."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._known: dict[ThreadId, Inventory] = {}
        self._meanwhile: dict[ThreadId, list[bytes]] = {}  # stored while the thread's hashes are being read
        self._lock = asyncio.Lock()

    async def of(self, thread: ThreadId) -> Inventory:
        """The thread's inventory; an empty one for a thread that isn't here yet."""
        async with self._lock:
            if thread not in self._known:
                self._meanwhile[thread] = []
                try:
                    inventory = Inventory(await self._threads.store.hashes(thread))
                finally:
                    meanwhile = self._meanwhile.pop(thread)
                for each in meanwhile:
                    inventory.add(each)
                self._known[thread] = inventory
            return self._known[thread]

    def add(self, thread: ThreadId, hashes: Iterable[bytes]) -> None:
        """Frames were stored. A thread nobody asked about isn't in memory, and needs nothing."""
        if thread in self._meanwhile:
            self._meanwhile[thread] += hashes
        elif (inventory := self._known.get(thread)) is not None:
            for each in hashes:
                inventory.add(each)

    def digest(self, thread: ThreadId) -> bytes | None:
        """The thread's digest, if somebody has asked about it."""
        inventory = self._known.get(thread)
        return inventory.digest if inventory is not None else None

    def clear(self) -> None:
        """Nobody syncs: free the memory."""
        self._known.clear()


class PeerSession:
    """Run it until the line is cut. `device` is whom the transport leads to."""

    def __init__(
        self, device: DeviceId, transport: Transport, threads: Threads, inventories: Inventories, shared: Shared
    ) -> None:
        self.device = device
        self.changed: Callable[[], None] = lambda: None
        self.on_heard: Callable[[ThreadId, bytes], None] = lambda thread, payload: None  # must not raise
        self._transport = transport
        self._threads = threads
        self._inventories = inventories
        self._shared = shared
        self._owed = Owed()
        self._told: set[ThreadId] = set()
        self._theirs: dict[ThreadId, bytes] = {}  # the digest they last told us
        self._origin = 0
        self._unstored = 0
        self._whispers: deque[Whisper] = deque(maxlen=MAX_WHISPERS)
        self._has_whispers = asyncio.Event()

    def holds_all(self, thread: ThreadId) -> bool:
        """Whether the other device surely has everything of the thread that is here."""
        mine = self._inventories.digest(thread)
        return mine is not None and self._theirs.get(thread) == mine

    def frames_stored(self, thread: ThreadId, hashes: list[bytes], origin: int) -> None:
        """New frames are on our disk: pass them on, unless this very device sent them, and say what we have."""
        if thread not in self._theirs or not self._shared.may(thread):
            return  # once they speak of it, what they lack shows
        if origin != self._origin:
            self._owed.frames(thread, hashes)
        self._owed.of(thread).holds = True

    def whisper(self, thread: ThreadId, payload: bytes) -> None:
        """Pass presence on, if the line keeps up; nothing is kept for a line that is cut."""
        if thread in self._theirs and self._shared.may(thread):
            self._whispers.append(Whisper(thread, payload))
            self._has_whispers.set()

    def threads_changed(self) -> None:
        """Other threads may be shared now than before: tell of the new ones, and be silent of the others."""
        if not self._origin:
            return  # not begun yet
        shared = self._shared.threads()
        for thread in (self._told | self._theirs.keys()).difference(shared):
            self._told.discard(thread)
            self._theirs.pop(thread, None)
            self._owed.drop(thread)
        for thread in shared:
            if thread not in self._told:
                self._told.add(thread)
                self._owed.of(thread).overview = True

    async def run(self) -> None:
        """Sync until the line is cut. Raises `PeerFault` if they break the rules, and what storing raises."""
        self._origin = await self._threads.store.origin_number("device", self.device.hex())
        self.threads_changed()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(), name="peer sends")
                tasks.create_task(self._send_whispers(), name="peer whispers")
                tasks.create_task(self._receive(), name="peer receives")
        except BaseExceptionGroup as group:
            faults = [each for each in group.exceptions if not isinstance(each, TransportClosed)]
            if faults:
                raise faults[0] from None
        finally:
            await self._transport.close()

    async def _receive(self) -> None:
        while True:
            await self._take(reconcile.decode(await self._transport.receive()))

    # ---- what we say

    async def _send(self) -> None:
        while True:
            thread, debt = await self._owed.next()
            if debt.overview:
                await self._tell([thread, *self._owed.overviews(reconcile.MAX_THREADS - 1)])
            if self._shared.may(thread):
                await self._pay(thread, debt)
                self._owed.back(thread, debt)

    async def _send_whispers(self) -> None:
        """Beside what is owed: a key typed does not wait for a thread's history."""
        while True:
            await self._has_whispers.wait()
            self._has_whispers.clear()
            while self._whispers:
                await self._say(self._whispers.popleft())

    async def _say(self, message: reconcile.PeerMessage) -> None:
        await self._transport.send(reconcile.encode(message))

    async def _tell(self, threads: list[ThreadId]) -> None:
        shared = [thread for thread in threads if self._shared.may(thread)]
        digests = [(bytes(thread), (await self._inventories.of(thread)).digest) for thread in shared]
        await self._say(Overview(tuple(digests)))

    async def _pay(self, thread: ThreadId, debt: Debt) -> None:
        """Everything but the frames beyond one turn's share."""
        inventory = await self._inventories.of(thread)
        if debt.buckets:
            await self._say(Buckets(thread, b"".join(inventory.digests())))
        for listing in inventory.listings(thread, sorted(debt.listing)):
            await self._say(listing)
        wanted = debt.take_frames(READ_AT_ONCE)
        if wanted:
            for batch in reconcile.batches(await self._threads.store.frames_by_hash(thread, wanted)):
                await self._say(Frames(thread, batch))
        if debt.holds:
            await self._say(Holds(thread, inventory.digest))

    # ---- what the other side says

    async def _take(self, message: reconcile.PeerMessage) -> None:
        if isinstance(message, Overview):
            for told, digest in message.threads:
                await self._compare(ThreadId(told), digest)
            return
        thread = ThreadId(message.thread)
        if not self._shared.may(thread):
            return
        match message:
            case Buckets():
                inventory = await self._inventories.of(thread)
                self._owed.of(thread).listing.update(inventory.differing(message.digests))
            case Listing():
                inventory = await self._inventories.of(thread)
                self._owed.frames(thread, inventory.lacking(message))
            case Frames():
                await self._store(thread, message.frames)
            case Holds():
                await self._hear(thread, message.digest, compare=False)
            case Whisper():
                self.on_heard(thread, message.payload)

    async def _compare(self, thread: ThreadId, digest: bytes) -> None:
        if self._shared.may(thread):
            self._told.add(thread)
            # What we told of it before may have come when the other side didn't know the thread yet.
            self._owed.of(thread).holds = True
            await self._hear(thread, digest, compare=True)

    async def _hear(self, thread: ThreadId, digest: bytes, *, compare: bool) -> None:
        """What they have. Hearing of a thread for the first time is a reason to compare, too."""
        compare = compare or thread not in self._theirs
        self._theirs[thread] = digest
        if compare and (await self._inventories.of(thread)).digest != digest:
            self._owed.of(thread).buckets = True
        self.changed()

    async def _store(self, thread: ThreadId, frames: tuple[bytes, ...]) -> None:
        await self._threads.receive(thread, frames, self._origin)
        inventory = await self._inventories.of(thread)
        for each in map(wire.frame_hash, frames):
            # Damaged frames are not stored; counted as known they are not asked for again, in this session.
            self._unstored += inventory.add(each)
        if self._unstored > MAX_UNSTORED:
            raise PeerFault("too many damaged frames")
        self._owed.of(thread).holds = True
        self.changed()
