"""Sync with one other device over one line: reconcile what each lacks, then pass on what is new, at once.

The other side is a device of a member, proved by the transport; what it sends is bounded and checked all
the same. Only threads that `shared` names are spoken of, in either direction.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Final

from crdt import reconcile, wire
from crdt.errors import PeerFault
from crdt.ids import DeviceId, ThreadId
from crdt.reconcile import Buckets, Frames, Holds, Inventory, Listing, Overview
from node.threads import Threads
from node.transports.base import Transport, TransportClosed

READ_AT_ONCE: Final = 256  # frames read from the store for one answer
MAX_DUE: Final = 100_000  # messages waiting to be sent; a peer that takes nothing is hung up on
Shared = Callable[[], list[ThreadId]]
log = logging.getLogger(__name__)


class Inventories:
    """The inventories of this device's threads, shared by all sessions; read from the store when first asked for."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._known: dict[ThreadId, Inventory] = {}
        self._lock = asyncio.Lock()

    async def of(self, thread: ThreadId) -> Inventory:
        """The thread's inventory; an empty one for a thread that isn't here yet."""
        async with self._lock:
            if thread not in self._known:
                self._known[thread] = Inventory(await self._threads.store.hashes(thread))
            return self._known[thread]

    def add(self, thread: ThreadId, hashes: Iterable[bytes]) -> None:
        """Frames were stored. A thread nobody asked about isn't in memory, and needs nothing."""
        inventory = self._known.get(thread)
        if inventory is not None:
            for each in hashes:
                inventory.add(each)

    def digest(self, thread: ThreadId) -> bytes | None:
        """The thread's digest, if somebody has asked about it."""
        inventory = self._known.get(thread)
        return inventory.digest if inventory is not None else None

    def forget(self, thread: ThreadId) -> None:
        """The thread is gone from this device."""
        self._known.pop(thread, None)

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
        self._transport = transport
        self._threads = threads
        self._inventories = inventories
        self._shared = shared
        self._due: asyncio.Queue[reconcile.PeerMessage] = asyncio.Queue(MAX_DUE)
        self._told: set[ThreadId] = set()
        self._theirs: dict[ThreadId, bytes] = {}  # the digest they last told us
        self._origin = 0

    def holds_all(self, thread: ThreadId) -> bool:
        """Whether the other device surely has everything of the thread that is here."""
        mine = self._inventories.digest(thread)
        return mine is not None and self._theirs.get(thread) == mine

    def frames_stored(self, thread: ThreadId, frames: list[bytes], origin: int) -> None:
        """New frames are on our disk: pass them on, unless this very device sent them."""
        if origin == self._origin or thread not in self._told:
            return
        for batch in reconcile.batches(frames):
            self._say(Frames(thread, batch))
        mine = self._inventories.digest(thread)
        if mine is not None:
            self._say(Holds(thread, mine))

    def threads_changed(self) -> None:
        """There may be threads now that this session has not spoken of."""
        self._later = asyncio.get_running_loop().create_task(self._open_threads())

    @property
    def origin(self) -> int:
        """The number of the other device in our store."""
        return self._origin

    async def run(self) -> None:
        """Sync until the line is cut. Raises `PeerFault` if the other side breaks the rules."""
        self._origin = await self._threads.store.origin_number("device", self.device.hex())
        sending = asyncio.create_task(self._send(), name="peer sends")
        try:
            await self._open_threads()
            while True:
                await self._take(reconcile.decode(await self._transport.receive()))
        except TransportClosed:
            return
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            await self._transport.close()

    async def _open_threads(self) -> None:
        """Tell of every thread not spoken of yet, the account first: it brings the index of the others."""
        new = [thread for thread in self._shared() if thread not in self._told]
        self._told.update(new)
        for start in range(0, len(new), reconcile.MAX_THREADS):
            told = [
                (bytes(thread), (await self._inventories.of(thread)).digest)
                for thread in new[start : start + reconcile.MAX_THREADS]
            ]
            self._say(Overview(tuple(told)))

    def _say(self, message: reconcile.PeerMessage) -> None:
        try:
            self._due.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("a device takes nothing and is hung up on")
            asyncio.get_running_loop().create_task(self._transport.close())

    async def _send(self) -> None:
        with contextlib.suppress(TransportClosed):
            while True:
                await self._transport.send(reconcile.encode(await self._due.get()))

    # ---- what the other side says

    async def _take(self, message: reconcile.PeerMessage) -> None:
        match message:
            case Overview():
                for thread, digest in message.threads:
                    await self._compare(ThreadId(thread), digest)
            case Buckets():
                await self._list(ThreadId(message.thread), message.digests)
            case Listing():
                await self._answer(ThreadId(message.thread), message)
            case Frames():
                await self._store(ThreadId(message.thread), message.frames)
            case Holds():
                self._hear(ThreadId(message.thread), message.digest)

    def _may(self, thread: ThreadId) -> bool:
        return thread in self._told or thread in self._shared()

    async def _compare(self, thread: ThreadId, digest: bytes) -> None:
        if not self._may(thread):
            return
        inventory = await self._inventories.of(thread)
        self._told.add(thread)
        # What we told of it before may have been of a thread that the other side didn't know yet.
        self._say(Holds(thread, inventory.digest))
        self._hear(thread, digest)
        if inventory.digest != digest:
            self._say(Buckets(thread, b"".join(inventory.digests())))

    def _hear(self, thread: ThreadId, digest: bytes) -> None:
        if self._may(thread):
            self._theirs[thread] = digest
            self.changed()

    async def _list(self, thread: ThreadId, digests: bytes) -> None:
        if self._may(thread):
            inventory = await self._inventories.of(thread)
            for listing in inventory.listings(thread, inventory.differing(digests)):
                self._say(listing)

    async def _answer(self, thread: ThreadId, listing: Listing) -> None:
        if not self._may(thread):
            return
        lacking = (await self._inventories.of(thread)).lacking(listing)
        for start in range(0, len(lacking), READ_AT_ONCE):
            wanted = lacking[start : start + READ_AT_ONCE]
            for batch in reconcile.batches(await self._threads.store.frames_by_hash(thread, wanted)):
                self._say(Frames(thread, batch))

    async def _store(self, thread: ThreadId, frames: tuple[bytes, ...]) -> None:
        if not self._may(thread):
            raise PeerFault("out of turn", "frames of a thread we do not share")
        await self._threads.receive(thread, frames, self._origin)
        inventory = await self._inventories.of(thread)
        for frame in frames:
            # Damaged frames are not stored; counted as known they are not asked for again, in this session.
            inventory.add(wire.frame_hash(frame))
        self._say(Holds(thread, inventory.digest))
        self.changed()
