"""The only writer of threads: commands and received frames become stored changes here.

Every change takes the same way: into the replica, with its frames, events and summary into the store in
one transaction, and only then onto the bus. If storing fails the replica is thrown away, for it is ahead
of the disk; the next use makes it anew from what is stored, with a new session.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from crdt import errors, wire
from crdt.author import Author
from crdt.errors import PeerFault
from crdt.ids import RoomId, SessionId, ThreadId, to_text
from crdt.permissions import GOVERNANCE
from crdt.replica import Commit, Receipt, Replica, Status
from node import happenings
from node.bus import Bus
from node.open_thread import Draft, OpenThread, Pen
from node.store import (
    LOCAL,
    Answer,
    Batch,
    FrameStatus,
    NewEvent,
    NewFrame,
    RoomProgress,
    Store,
    StoredFrame,
    Summary,
)
from node.summary import encode_summary, summarise
from node.telling import news

MAX_OPEN: Final = 64  # replicas kept in memory
UNOPENED_LANE: Final = 255  # in the store: a frame whose key wasn't here when it came
LOAD_SLICE: Final = 200  # frames between two turns of the event loop while a thread is loaded
log = logging.getLogger(__name__)


# Told once frames are on the disk: (frame, hash, receipt) each, and the origin they came from.
OnStored = Callable[[OpenThread, list[tuple[bytes, bytes, Receipt]], int], None]


class Threads:
    """All threads of this device."""

    def __init__(self, store: Store, bus: Bus, pen: Pen, now_ms: Callable[[], int] | None = None) -> None:
        self.store = store
        self.bus = bus
        self.pen = pen
        self.now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._open: OrderedDict[bytes, OpenThread] = OrderedDict()
        self._loading: dict[bytes, asyncio.Task[OpenThread]] = {}
        self.on_change: list[Callable[[OpenThread, list[Receipt]], None]] = []
        self.on_stored: list[OnStored] = []
        self.on_rebuilt: list[Callable[[OpenThread], Awaitable[None]]] = []

    # ---- reading

    async def open(self, thread: ThreadId) -> OpenThread:
        """The thread, from memory or from the store. Raises THREAD_NOT_FOUND."""
        found = self._open.get(thread)
        if found is not None:
            self._open.move_to_end(thread)
            return found
        loading = self._loading.get(thread)
        if loading is None:
            loading = asyncio.create_task(self._load(thread), name="load thread")
            self._loading[thread] = loading
            loading.add_done_callback(lambda task: self._loaded(thread, task))
        return await asyncio.shield(loading)

    def _loaded(self, thread: ThreadId, task: "asyncio.Task[OpenThread]") -> None:
        if self._loading.get(thread) is task:
            del self._loading[thread]

    def peek(self, thread: ThreadId) -> OpenThread | None:
        """The thread if it is in memory."""
        return self._open.get(thread)

    async def _load(self, thread: ThreadId) -> OpenThread:
        stored = [f async for f in self.store.stream_frames(thread) if f.status < FrameStatus.REFUSED]
        if not stored:
            raise errors.THREAD_NOT_FOUND()
        # The membership first: then everything else is decided once, when it comes.
        stored.sort(key=lambda f: (f.lane not in GOVERNANCE, f.lane, f.row))
        replica = await self._replay(thread, stored, contextlib.nullcontext)
        if replica.stale:  # an envelope takes back what came before it: everything first, then decide
            replica = await self._replay(thread, stored, Replica.loading)
        if self._loading.get(thread) is not asyncio.current_task():
            return await self.open(thread)  # what was read is outdated: another copy came, or this one was forgotten
        return self._remember(OpenThread(replica, self.pen))

    async def _replay(
        self,
        thread: ThreadId,
        stored: Sequence[StoredFrame],
        mode: Callable[[Replica], contextlib.AbstractContextManager[Any]],
    ) -> Replica:
        replica = Replica(thread, self.pen.own_keys(), self.author())
        with mode(replica):
            for number, frame in enumerate(stored):
                try:
                    # What couldn't be opened when it came was stored unseen: nobody has checked its signature.
                    replica.receive(frame.frame, verify=frame.lane == UNOPENED_LANE)
                except PeerFault as fault:
                    log.warning("a stored frame of %s is not accepted: %s", to_text(thread)[:8], fault.reason)
                if number % LOAD_SLICE == 0:
                    await asyncio.sleep(0)
        return replica

    def _remember(self, opened: OpenThread) -> OpenThread:
        """Keep the one copy of a thread: the one there is already, for it may be ahead of what was just made."""
        if opened.roles is None:
            opened.roles = opened.replica.membership.members()
        opened = self._open.setdefault(opened.id, opened)
        self._open.move_to_end(opened.id)
        self._loading.pop(opened.id, None)
        idle = (key for key, each in self._open.items() if not each.lock.locked() and each is not opened)
        if len(self._open) > MAX_OPEN and (oldest := next(idle, None)) is not None:
            del self._open[oldest]
        return opened

    def author(self) -> Author:
        """This device's keys under a fresh session."""
        return self.pen.author(SessionId(os.urandom(16)))

    def forget(self, thread: bytes) -> None:
        """Let go of the copy in memory, and of one being loaded; the next use reads the store."""
        self._open.pop(thread, None)
        self._loading.pop(thread, None)

    # ---- writing

    @contextlib.asynccontextmanager
    async def change(self, thread: ThreadId, answer: Answer | None = None) -> AsyncIterator[Draft]:
        """A block that changes one thread; what it committed is durable when the block has ended.

        Raises what `open` raises, DEVICE_REVOKED, `DuplicateRequest`, and DISK_FULL; nothing is changed then.
        """
        self.pen.check_standing()
        async with self._held(lambda: self.open(thread)) as opened:
            draft = Draft(opened)
            draft.batch.answer = answer
            try:
                yield draft
                await self._store(draft, LOCAL)
            except BaseException:
                if draft.frames or opened.replica.stale:
                    self.forget(thread)
                raise
            if opened.replica.stale:  # it took something back, or gave what had been set aside a right
                self.forget(thread)
        if opened.replica.stale:
            await self._rebuilt(thread)

    @contextlib.asynccontextmanager
    async def _held(self, get: Callable[[], Awaitable[OpenThread]]) -> AsyncIterator[OpenThread]:
        """The thread, locked, and surely the copy that others will get as well."""
        while True:
            opened = await get()
            async with opened.lock:
                if self._open.get(opened.id) is opened:
                    yield opened
                    return

    async def adopt(
        self, replica: Replica, commit: Commit, change: Callable[[Draft], None] | None = None
    ) -> OpenThread:
        """Take in a thread that was just founded, with its first changes."""
        opened = OpenThread(replica, self.pen)
        async with opened.lock:
            draft = Draft(opened)
            draft.keep(commit)
            if change is not None:
                change(draft)
            draft.events.append(("thread.created", {}))
            await self._store(draft, LOCAL)
        return self._remember(opened)

    # ---- receiving

    async def receive(
        self, thread: ThreadId, frames: Sequence[bytes], origin: int, progress: RoomProgress | None = None
    ) -> int:
        """Take in frames from a relay or another device, and how far its cursor is then. Returns how many were new.

        Damaged and forged frames are left out, and logged; the others are stored before this returns.
        """
        hashes = [wire.frame_hash(frame) for frame in frames]
        known = await self.store.known_hashes(thread, hashes)
        fresh = {h: f for h, f in zip(hashes, frames, strict=True) if h not in known}
        if not fresh:
            if progress is not None:
                await self.store.write(Batch(progress=[progress]))
            return 0
        async with self._held(lambda: self._open_or_begin(thread)) as opened:
            draft = Draft(opened)
            if progress is not None:
                draft.batch.progress.append(progress)
            try:
                for number, frame in enumerate(fresh.values()):
                    self._take(draft, frame)
                    if number % LOAD_SLICE == LOAD_SLICE - 1:
                        await asyncio.sleep(0)
                await self._store(draft, origin)
            except BaseException:
                self.forget(thread)
                raise
            if opened.replica.stale:
                self.forget(thread)
        if opened.replica.stale:
            await self._rebuilt(thread)
        return len(fresh)

    async def _open_or_begin(self, thread: ThreadId) -> OpenThread:
        try:
            return await self.open(thread)
        except errors.OpenSeshError as error:
            if error.kind is not errors.THREAD_NOT_FOUND:
                raise
        return self._remember(OpenThread(Replica(thread, self.pen.own_keys(), self.author()), self.pen))

    def _take(self, draft: Draft, frame: bytes) -> None:
        try:
            receipt = draft.thread.replica.receive(frame)
        except PeerFault as fault:
            log.warning("a frame of %s is refused: %s", to_text(draft.thread.id)[:8], fault.reason)
            return
        for identifier, reason in receipt.refused:
            log.warning(
                "an envelope of %s is refused: %s (%s)", to_text(draft.thread.id)[:8], reason, identifier.hex()[:8]
            )
        if receipt.status is not Status.KNOWN:
            draft.frames.append((frame, receipt))

    async def _rebuilt(self, thread: ThreadId) -> None:
        """A cut took something back: tell watchers to read the thread again."""
        await self.announce("thread.rebuilt", thread)
        opened = await self.open(thread)
        for listener in self.on_rebuilt:
            await listener(opened)

    # ---- storing

    async def _store(self, draft: Draft, origin: int) -> None:
        """Everything a draft holds in one transaction; then, and only then, tell."""
        opened, batch = draft.thread, draft.batch
        batch.frames = [_new_frame(opened.id, frame, receipt, origin) for frame, receipt in draft.frames]
        receipts = [receipt for _, receipt in draft.frames]
        lanes = {lane for receipt in receipts for lane in receipt.lanes}
        draft.events += news(opened, lanes, batch)
        genesis = opened.replica.membership.genesis
        if genesis is not None and genesis.purpose == "account":
            draft.events.clear()  # of the identity's own affairs nobody is told as of a thread
        batch.events = [NewEvent(opened.id, happenings.pack(*event)) for event in draft.events]
        if genesis is not None and (receipts or draft.events):
            summary = summarise(opened.view, opened.discussion.unresolved)
            batch.summaries.append(Summary(opened.id, RoomId(genesis.room), encode_summary(summary)))
        if not (batch.frames or batch.events or batch.progress or batch.answer or batch.checkpoints or batch.settings):
            return
        written = await self.store.write(batch)
        for cursor, (type, data) in zip(written.cursors, draft.events, strict=True):
            self.bus.publish(happenings.Happening(cursor=cursor, type=type, thread=to_text(opened.id), data=data))
        stored = [(each.frame, each.hash, receipt) for each, receipt in zip(batch.frames, receipts, strict=True)]
        for on_stored in self.on_stored:
            on_stored(opened, stored, origin)
        for listener in self.on_change:
            listener(opened, receipts)

    async def announce(self, type: str, thread: ThreadId | None, data: dict[str, Any] | None = None) -> None:
        """Store an event that comes with no change of a thread, and tell it."""
        particulars = data or {}
        named = thread or b""
        written = await self.store.write(Batch(events=[NewEvent(named, happenings.pack(type, particulars))]))
        name = to_text(thread) if thread else None
        self.bus.publish(happenings.Happening(cursor=written.cursors[0], type=type, thread=name, data=particulars))


def _new_frame(thread: ThreadId, frame: bytes, receipt: Receipt, origin: int) -> NewFrame:
    frame_hash = wire.frame_hash(frame)
    if receipt.envelope is None:
        return NewFrame(thread, frame_hash, UNOPENED_LANE, b"", b"", 0, frame, frame_hash, origin, FrameStatus.HELD)
    header = receipt.envelope.header
    return NewFrame(
        thread=thread,
        envelope=receipt.envelope.id,
        lane=header.kind,
        owner=header.device,
        session=header.session,
        sequence=header.sequence,
        frame=frame,
        hash=frame_hash,
        origin=origin,
    )
