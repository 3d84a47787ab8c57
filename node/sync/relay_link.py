"""One relay: a connection kept up, every room subscribed, every frame it lacks uploaded.

Frames in: stored together with the cursor they bring us to, so that a crash repeats and never skips.
Frames out: read from the store behind a mark that moves only when the relay has said "on the disk".
What the relay says is believed no further than it can be checked: a cursor goes with the hash of the
frame at it, and a relay that forgot, or was put back, is simply told everything again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from crdt import errors, wire
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId
from node.account import Account
from node.affairs import Room
from node.store import Batch, RoomProgress
from node.sync.backoff import Backoff
from node.threads import Threads
from node.transports.relay import Detached, RelayConnection

BATCH_BYTES: Final = (
    1024 * 1024
)  # of frames in one upload: small beside the protocol's bound, large beside a round trip
OPENING: Final = 32  # rooms being subscribed at once
# Whoever holds the room's own key certifies itself, beyond any generation that ends members' certificates: a
# device that was away when one was raised could otherwise never come to the record that says so.
OWN_GENERATION: Final = 2**53
Connect = Callable[[str, str], Awaitable[RelayConnection]]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Subscription:
    """How far we are with one room, and the relay with us. `last` is the newest cursor we have heard of."""

    thread: ThreadId
    progress: RoomProgress
    heard: int = 0
    last: int = 0
    published: tuple[int, bytes] = (0, b"")  # the cursor and hash of the last frame we surely put there

    @property
    def is_current(self) -> bool:
        """Whether everything the relay was known to have is here."""
        return self.heard >= self.last


class RelayLink:
    """Run it as a task; cancel the task to end it. `changed` is set whenever `state` or a mark moved."""

    def __init__(
        self, url: str, account: Account, threads: Threads, connect: Connect, may_sync: Callable[[ThreadId], bool]
    ) -> None:
        self.url = url
        self.state = "connecting"
        self.error: OpenSeshError | None = None
        self.changed: Callable[[], None] = lambda: None
        self._account = account
        self._threads = threads
        self._connect = connect
        self._may_sync = may_sync
        self._rooms: dict[bytes, Subscription] = {}
        self._origin = 0
        self._due = asyncio.Event()  # something to upload, or rooms to look at anew
        self._hurry = asyncio.Event()  # somebody waits: don't sit out the backoff
        self._login = b""
        self._asking = False
        self._complete: set[ThreadId] = set()  # threads that the relay surely has entirely
        self._known: dict[bytes, RoomProgress] = {}

    # ---- what others ask

    def poke(self) -> None:
        """There may be something to upload, or a room to open."""
        self._due.set()

    def hurry(self) -> None:
        """Try at once, if it is waiting to try again."""
        self._hurry.set()

    def has_all(self, thread: ThreadId) -> bool:
        """Whether the relay surely has everything of a thread that is here."""
        return self.state == "connected" and thread in self._complete

    def touch(self, thread: ThreadId) -> None:
        """The thread has something new: upload it."""
        self._complete.discard(thread)
        self._due.set()

    @property
    def is_current(self) -> bool:
        """Connected, every room subscribed, and all of it here."""
        wanted = {room.key.public for room in self._wanted()}
        current = all(subscription.is_current for subscription in self._rooms.values())
        return self.state == "connected" and not self._asking and wanted <= self._rooms.keys() and current

    def ask_again(self) -> None:
        """Find out anew how far the relay is, before `is_current` says anything."""
        self._asking = True
        self._due.set()

    async def pending(self, only: ThreadId | None) -> int:
        """How many frames of threads that sync the relay hasn't stored."""
        count = 0
        store = self._threads.store
        origin = await store.origin_number("relay", self.url)
        for thread, room, after_row, _ in await store.threads_to_upload(origin):
            if only in (None, thread) and self._is_wanted(room):
                count += len(await store.frames(thread, after_row, not_from=origin))
        return count

    def _is_wanted(self, public: bytes) -> bool:
        return any(room.key.public == public for room in self._wanted())

    # ---- its life

    async def run(self) -> None:
        """Connect, serve, and again, until cancelled."""
        backoff = Backoff()
        while True:
            pause_s = 0.0
            try:
                await self._serve_once(backoff)
            except OpenSeshError as error:
                self._set("refused" if error.kind is errors.RELAY_REFUSED else "unreachable", error)
                retry_ms = error.details.get("retry_after_ms")
                pause_s = retry_ms / 1000 if isinstance(retry_ms, int) else 0.0
            except Exception:
                log.exception("sync with a relay ended in a fault of ours")
                self._set("unreachable", errors.INTERNAL())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_s(min(pause_s, 60.0))):
                    await self._hurry.wait()
            self._hurry.clear()

    def _set(self, state: str, error: OpenSeshError | None = None) -> None:
        if state != self.state or error is not None:
            log.info("relay %s: %s%s", self.url, state, f" ({error.kind.code})" if error else "")
        self.state, self.error = state, error
        self.changed()

    async def _serve_once(self, backoff: Backoff) -> None:
        self._login = self._account.login.public
        connection = await self._connect(self.url, self._account.affairs.relays.get(self.url, ""))
        try:
            await self._begin(connection)
            backoff.reset()
            self._set("connected")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection))
                group.create_task(self._send(connection))
        except BaseExceptionGroup as many:
            raise _first(many) from None
        finally:
            self._rooms.clear()
            self._complete.clear()
            self._set("connecting")
            await connection.close()

    async def _begin(self, connection: RelayConnection) -> None:
        """Know the relay's store again; with another one, nothing we remember of it holds."""
        store = self._threads.store
        self._origin = await store.origin_number("relay", self.url)
        name = f"relay/{self._origin}/store"
        if await store.setting(name) != connection.store:
            zero = [RoomProgress(self._origin, room, 0, b"", 0) for room in await store.progress(self._origin)]
            await store.write(Batch(progress=zero, settings={name: connection.store}))
        self._known = await store.progress(self._origin)

    # ---- rooms

    def _wanted(self) -> list[Room]:
        """The account first: it brings the index of all others."""
        account = self._account
        rooms = [room for room in account.affairs.rooms.values() if room.state != "deleted"]
        chosen = [room for room in rooms if room.thread == account.thread or self._may_sync(room.thread)]
        return sorted(chosen, key=lambda room: room.thread != account.thread)

    async def _subscribe_all(self, connection: RelayConnection) -> None:
        if self._account.login.public != self._login:
            raise errors.RELAY_UNREACHABLE("The login was replaced.", url=self.url, reason="new login")
        wanted = {room.key.public: room for room in self._wanted()}
        for public in [public for public in self._rooms if public not in wanted]:
            del self._rooms[public]
            await connection.detach(public)
        missing = [room for public, room in wanted.items() if public not in self._rooms]
        for start in range(0, len(missing), OPENING):
            await asyncio.gather(*(self._subscribe(connection, room) for room in missing[start : start + OPENING]))

    async def _subscribe(self, connection: RelayConnection, room: Room) -> None:
        public = room.key.public
        await connection.open_room(room.key)
        if room.generation:
            await connection.raise_generation(room.key, room.generation)
        progress = self._known.get(public) or RoomProgress(self._origin, public, 0, b"", 0)
        certificate = wire.certify(room.key, self._login, True, OWN_GENERATION)
        subscription = self._rooms[public] = Subscription(room.thread, progress, heard=progress.cursor)
        try:
            attached = await connection.attach(certificate, progress.cursor, progress.check)
        except BaseException:
            self._rooms.pop(public, None)
            raise
        if attached.reset:
            subscription.progress = RoomProgress(self._origin, public, 0, b"", 0)
            subscription.heard = 0
        subscription.last = max(subscription.last, attached.last)
        self.changed()

    # ---- frames in

    async def _receive(self, connection: RelayConnection) -> None:
        async for event in connection.events():
            if isinstance(event, wire.Deliver):
                await self._take(event)
            elif isinstance(event, Detached):
                self._rooms.pop(event.room, None)  # our certificate's generation is over: with the new one, again
                self._due.set()
        raise connection.error or errors.RELAY_UNREACHABLE(url=self.url)

    async def _take(self, deliver: wire.Deliver) -> None:
        subscription = self._rooms.get(deliver.room)
        if subscription is None:
            return
        moved = self._moved(subscription, deliver)
        await self._threads.receive(subscription.thread, deliver.frames, self._origin, moved)
        # Only now: the uploads write this mark too, and it must never be ahead of the frames on the disk.
        uploaded_row = subscription.progress.uploaded_row
        subscription.progress = RoomProgress(self._origin, moved.room, moved.cursor, moved.check, uploaded_row)
        self._known[deliver.room] = subscription.progress
        subscription.heard = max(subscription.heard, deliver.upto)
        subscription.last = max(subscription.last, deliver.upto)
        self.changed()

    def _moved(self, subscription: Subscription, deliver: wire.Deliver) -> RoomProgress:
        """The mark moves only to a place whose frame we know: our own are skipped on the way to us."""
        before = subscription.progress
        if deliver.frames and deliver.upto - deliver.after == len(deliver.frames):
            check = wire.frame_hash(deliver.frames[-1])
        elif subscription.published[0] == deliver.upto:
            check = subscription.published[1]
        else:
            return before
        return RoomProgress(self._origin, before.room, deliver.upto, check, before.uploaded_row)

    # ---- frames out

    async def _send(self, connection: RelayConnection) -> None:
        while True:
            self._due.clear()
            if self._asking:
                self._rooms.clear()  # subscribing anew is how a relay is asked for its newest cursor
                self._asking = False
            await self._subscribe_all(connection)
            for thread, room, after_row, newest in await self._behind():
                await self._upload(connection, thread, room, after_row, newest)
            late = {thread for thread, *_ in await self._behind()}
            self._complete = {each.thread for each in self._rooms.values()} - late
            self.changed()
            await self._due.wait()

    async def _behind(self) -> list[tuple[ThreadId, bytes, int, int]]:
        """(thread, room, uploaded row, newest row) of the subscribed rooms that may lack frames."""
        found = []
        for thread, room, stored_row, newest in await self._threads.store.threads_to_upload(self._origin):
            if (subscription := self._rooms.get(room)) is not None:
                after_row = max(stored_row, subscription.progress.uploaded_row)
                if after_row < newest:
                    found.append((ThreadId(thread), room, after_row, newest))
        return found

    async def _upload(
        self, connection: RelayConnection, thread: ThreadId, room: bytes, after_row: int, newest: int
    ) -> None:
        """Everything up to row `newest` that did not come from there."""
        while page := await self._threads.store.frames(thread, after_row, not_from=self._origin):
            for batch in _batches([frame.frame for frame in page]):
                stored = await connection.publish(room, batch)
                if (subscription := self._rooms.get(room)) is not None:
                    subscription.published = (stored.last, wire.frame_hash(batch[-1]))
                    subscription.last = max(subscription.last, stored.last)
            after_row = page[-1].row
            newest = max(newest, after_row)
            await self._mark(room, after_row, store=True)
        await self._mark(room, newest, store=False)

    async def _mark(self, room: bytes, row: int, *, store: bool) -> None:
        """What only came from there needs no mark on the disk: the next one will do."""
        subscription = self._rooms.get(room)
        if subscription is None or row <= subscription.progress.uploaded_row:
            return
        before = subscription.progress
        subscription.progress = RoomProgress(self._origin, room, before.cursor, before.check, row)
        self._known[room] = subscription.progress
        if store:
            await self._threads.store.write(Batch(progress=[subscription.progress]))
            self.changed()


def _batches(frames: list[bytes]) -> list[list[bytes]]:
    """Frames in order, cut where a message would grow too large."""
    batches: list[list[bytes]] = []
    size = 0
    for frame in frames:
        if not batches or size + len(frame) > BATCH_BYTES or len(batches[-1]) >= wire.MAX_BATCH_FRAMES:
            batches.append([])
            size = 0
        batches[-1].append(frame)
        size += len(frame)
    return batches


def _first(many: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group of tasks: ours before the cancellations it caused."""
    leaves: list[BaseException] = []
    for each in many.exceptions:
        leaves.append(_first(each) if isinstance(each, BaseExceptionGroup) else each)
    return next((leaf for leaf in leaves if not isinstance(leaf, asyncio.CancelledError)), leaves[0])
