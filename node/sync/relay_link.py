"""One relay: a connection kept up, every room subscribed, every frame it lacks uploaded.

Frames in: stored together with the cursor they bring us to, so that a crash repeats and never skips.
Frames out: read from the store behind a mark that moves only when the relay has said "on the disk".
What the relay says is believed no further than it can be checked: a cursor goes with the hash of the
frame at it, and a relay that forgot, or was put back, is simply told everything again.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from crdt import errors, wire
from crdt.errors import OpenSeshError
from crdt.ids import RoomId, ThreadId
from crdt.permissions import Role
from node.account import Account
from node.affairs import Affairs, Room
from node.store import Batch, RoomProgress
from node.sync.backoff import Backoff
from node.sync.doors import Doorkeeper, Doors
from node.sync.relay_memory import RelayMemory
from node.sync.subscription import Subscription, batches
from node.threads import Threads
from node.transports.relay import Detached, RelayConnection

PAGE_BYTES: Final = 4 * 1024 * 1024  # of frames read from the store at once: bounds the memory of an upload
MAX_WHISPERS: Final = 256  # presence that waits for the line; what is older goes
OPENING: Final = 32  # rooms being subscribed at once
LONGEST_PAUSE_S: Final = 60.0  # whatever pause a relay asks for
PASSING: Final = ("rate", "busy", "full", "stopping", "internal")  # refusals that end by themselves
Connect = Callable[[str, str], Awaitable[RelayConnection]]
log = logging.getLogger(__name__)


class _Again(Exception):
    """Connect anew: nothing is wrong with the relay."""


class RelayLink:
    """Run it as a task; cancel the task to end it.

    `state` is connecting, connected, refused or unreachable; `error` says why, or, while connected, which refusal
    keeps a room from syncing. `changed` is called with the thread whose standing moved, or None for all.
    """

    def __init__(
        self,
        url: str,
        account: Account,
        threads: Threads,
        connect: Connect,
        may_sync: Callable[[ThreadId], bool],
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        self.url = url
        self.state = "connecting"
        self.error: OpenSeshError | None = None
        self.changed: Callable[[ThreadId | None], None] = lambda _: None
        self.on_heard: Callable[[ThreadId, bytes], None] = lambda thread, payload: None  # must not raise
        self._account = account
        self._threads = threads
        self._connect = connect
        self._may_sync = may_sync
        self._doorkeeper = doorkeeper
        self._doors: Doors | None = None  # of the connection there is
        self._outside: dict[bytes, Room] = {}  # rooms of others that we have asked to be let into
        self._memory = RelayMemory(threads.store, url)
        self._known: dict[bytes, RoomProgress] = {}  # by room, also of those that aren't subscribed
        self._rooms: dict[bytes, Subscription] = {}
        self._of_thread: dict[ThreadId, Subscription] = {}
        self._barred: dict[ThreadId, OpenSeshError] = {}  # refused for good; asked again with the next connection
        self._complete: set[ThreadId] = set()  # threads that the relay surely has entirely
        self._touched: set[ThreadId] = set()  # threads with something to upload
        self._due = asyncio.Event()  # something is touched, or rooms are to be looked at anew
        self._rooms_due = True
        self._retry_at: float | None = None  # loop time at which what was refused for now is tried again
        self._retry: set[ThreadId] = set()
        self._hurry = asyncio.Event()  # somebody waits: don't sit out the backoff
        self._login = b""
        self._asking = False
        self._whispers: deque[tuple[bytes, bytes]] = deque(maxlen=MAX_WHISPERS)  # room and payload
        self._has_whispers = asyncio.Event()

    # ---- what others ask

    def poke(self) -> None:
        """There may be a room to open or to leave."""
        self._rooms_due = True
        self._due.set()

    def hurry(self) -> None:
        """Try at once what it is waiting to try again."""
        if self.state != "connected":
            self._hurry.set()
        elif self._barred or self._retry_at is not None:
            self._barred.clear()
            self._retry_at = 0.0
            self.poke()

    def has_all(self, thread: ThreadId) -> bool:
        """Whether the relay surely has everything of a thread that is here."""
        return thread in self._complete

    def touch(self, thread: ThreadId, origin: int) -> None:
        """The thread has something new, from there: upload it, if it isn't the relay's own."""
        if origin != self._memory.origin:
            self._complete.discard(thread)
            self._touched.add(thread)
            self._due.set()
        elif thread not in self._touched:
            self._complete.add(thread)

    def whisper(self, thread: ThreadId, payload: bytes) -> None:
        """Pass presence to the others in a thread's room; lost unless there is a line and the room is subscribed."""
        subscription = self._of_thread.get(thread)
        if subscription is not None and self.state == "connected":
            self._whispers.append((subscription.room, payload))
            self._has_whispers.set()

    def trouble_with(self, thread: ThreadId | None) -> OpenSeshError | None:
        """Why a thread (or any) can't come to this relay, if that won't end by itself."""
        if self.state == "refused":
            return self.error
        return self._barred.get(thread) if thread else next(iter(self._barred.values()), None)

    @property
    def is_current(self) -> bool:
        """Connected, every room subscribed, and all of it here."""
        if self.state != "connected" or self._asking or not all(each.is_current for each in self._rooms.values()):
            return False
        present = self._rooms.keys() | self._outside.keys()
        return all(room.public in present for room in self._wanted() if room.thread not in self._barred)

    @property
    def is_own(self) -> bool:
        """Whether it is one of the identity's relays: others only carry threads that we were invited to."""
        return self.url in self._account.affairs.relays

    def keeps(self, thread: ThreadId | None) -> bool:
        """Whether a thread (or any) is kept at this relay."""
        return bool(self._wanted()) if thread is None else self._wants(thread)

    def visit(self, thread: ThreadId) -> None:
        """Somebody came to, or left, a thread of ours: its door is to be looked at."""
        room = self._account.affairs.rooms.get(thread)
        if room is not None and self._doors is not None and room.public in self._rooms:
            self._doors.visit(room)

    def ask_again(self) -> None:
        """Find out anew how far the relay is, before `is_current` says anything."""
        self._asking = True
        self.poke()

    async def pending(self, only: ThreadId | None) -> int:
        """How many frames of threads that sync the relay hasn't stored, and may yet be given."""
        if self._memory.origin < 0:
            await self._memory.recall()
        behind = await self._memory.behind()
        asked = [thread for thread in behind if only in (None, thread) and self._wants(thread)]
        return sum([behind[thread] for thread in asked if not await self.is_put_out(thread)])

    async def is_put_out(self, thread: ThreadId) -> bool:
        """Whether we are in a thread no more, and the relay lets us into its room no more."""
        if not any(room.thread == thread for room in self._outside.values()):
            return False
        return (await self._threads.open(thread)).replica.role() is Role.NONE

    # ---- its life

    async def run(self) -> None:
        """Connect, serve, and again, until cancelled."""
        await self._memory.recall()
        await self._take_stock()
        backoff = Backoff()
        while True:
            begun, pause_s = asyncio.get_running_loop().time(), 0.0
            try:
                await self._serve_once()
            except _Again:
                pass
            except OpenSeshError as error:
                lasts = error.kind is errors.RELAY_REFUSED and error.details.get("reason") not in PASSING
                self._set("refused" if lasts else "unreachable", error)
                pause_s = _pause_asked(error)
            except Exception:
                log.exception("sync with a relay ended in a fault of ours")
                self._set("unreachable", errors.INTERNAL())
            backoff.stood(asyncio.get_running_loop().time() - begun)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_s(pause_s)):
                    await self._hurry.wait()
            self._hurry.clear()

    def _set(self, state: str, error: OpenSeshError | None = None) -> None:
        if state != self.state or error is not None:
            log.info("relay %s: %s%s", self.url, state, f" ({error.kind.code})" if error else "")
        self.state, self.error = state, error
        self.changed(None)

    async def _take_stock(self) -> None:
        """Which threads the relay has entirely, going by the marks."""
        behind = await self._memory.behind()
        here = {ThreadId(each.thread) for each in await self._threads.store.summaries()}
        self._complete = here - behind.keys() if self._memory.origin >= 0 else set()
        self._touched = set(behind)
        self.changed(None)

    async def _serve_once(self) -> None:
        self._login = self._account.login.public
        connection = await self._connect(self.url, self._account.affairs.relays.get(self.url, ""))
        try:
            before = self._memory.origin
            self._known = await self._memory.meet(connection.store)
            if self._memory.origin != before:
                await self._take_stock()
            self._rooms_due = True
            self._due.set()
            self._set("connected")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection))
                group.create_task(self._send(connection))
                if self._doorkeeper is not None:
                    self._doors = Doors(connection, self._doorkeeper)
                    group.create_task(self._doors.run())
                group.create_task(self._whisper(connection))
        except BaseExceptionGroup as many:
            raise _first(many) from None
        finally:
            self._touched |= self._retry
            self._retry.clear()
            self._retry_at = None
            self._doors = None
            self._rooms.clear()
            self._outside.clear()
            self._of_thread.clear()
            self._whispers.clear()
            self._barred.clear()
            self._set("connecting")
            await connection.close()

    # ---- rooms

    def _wants(self, thread: ThreadId) -> bool:
        room = self._account.affairs.rooms.get(thread)
        if room is None or room.state == "deleted" or not is_kept_at(room, self.url, self._account.affairs):
            return False
        return thread == self._account.thread or self._may_sync(thread)

    def _wanted(self) -> list[Room]:
        """The account first: it brings the index of all others."""
        account = self._account.thread
        wanted = [room for thread, room in self._account.affairs.rooms.items() if self._wants(thread)]
        return sorted(wanted, key=lambda room: room.thread != account)

    async def _subscribe_all(self, connection: RelayConnection) -> None:
        if self._account.login.public != self._login:
            raise _Again("the login was replaced")
        wanted = {room.public: room for room in self._wanted()}
        for public in [public for public in self._rooms if not self._is_right(public, wanted)]:
            self._leave(public)
            await connection.detach(public)
        # Somebody who asks anew, by another link perhaps, is to be heard of at the door again.
        self._outside = {public: room for public, room in self._outside.items() if wanted.get(room.public) == room}
        present = self._rooms.keys() | self._outside.keys()
        missing = [r for public, r in wanted.items() if public not in present and r.thread not in self._barred]
        for start in range(0, len(missing), OPENING):
            await asyncio.gather(*(self._try_room(connection, room) for room in missing[start : start + OPENING]))

    def _is_right(self, public: bytes, wanted: Mapping[RoomId, Room]) -> bool:
        """Whether a subscription is still what it should be: a room that was handed over to us is entered anew."""
        room = wanted.get(RoomId(public))
        return room is not None and self._rooms[public].is_own == (room.key is not None)

    async def _try_room(self, connection: RelayConnection, room: Room) -> None:
        try:
            await self._subscribe(connection, room)
        except OpenSeshError as error:
            # Without its own account nothing of the identity syncs: then that is the relay's answer to all of it.
            if error.kind is not errors.RELAY_REFUSED or room.thread == self._account.thread:
                raise
            self._refused(room.thread, error)

    async def _subscribe(self, connection: RelayConnection, room: Room) -> None:
        public = room.public
        progress = self._known.get(public) or RoomProgress(self._memory.origin, public, 0, b"", 0)
        certificate = await self._certificate(connection, room, is_new=not progress.cursor)
        if certificate is None:
            return
        subscription = Subscription(room.thread, public, progress, room.key is not None, heard=progress.cursor)
        self._rooms[public] = self._of_thread[room.thread] = subscription
        try:
            attached = await connection.attach(certificate, progress.cursor, progress.check)
        except BaseException as error:
            self._leave(public)
            if isinstance(error, OpenSeshError) and error.details.get("reason") == "no-room":
                await self._start_over()  # it had the room: the same as a cursor that it doesn't have
            raise
        if attached.reset:
            await self._start_over()
        subscription.last = max(subscription.last, attached.last)
        self.changed(room.thread)
        if room.key is not None and self._doors is not None:
            self._doors.visit(room)

    async def _certificate(self, connection: RelayConnection, room: Room, is_new: bool) -> wire.Certificate | None:
        """What shows that we may be in a room; None if its owner has yet to let us in."""
        if room.key is not None:
            if is_new:
                await connection.open_room(room.key)
            if room.generation:
                await connection.raise_generation(room.key, room.generation)
            return wire.certify(room.key, self._login, True, wire.OWN_GENERATION)
        claimed = await connection.claim(room.public)
        found = claimed.certificate
        if found is not None and (found.room, found.login) == (room.public, self._login):
            return found
        self._outside[room.public] = room
        if self._doors is not None:
            self._doors.visit(room, claimed.letter)
        return None

    async def _start_over(self) -> None:
        log.warning("relay %s lacks what it had: it is told everything again", self.url)
        await self._memory.start_over()
        raise _Again("the relay went back")

    def _leave(self, public: bytes) -> None:
        left = self._rooms.pop(public, None)
        if left is not None and self._of_thread.get(left.thread) is left:
            del self._of_thread[left.thread]

    def _refused(self, thread: ThreadId, error: OpenSeshError) -> None:
        """One room can't go on, for now or for good; the others do."""
        self.error = error
        room = self._account.affairs.rooms.get(thread)
        awaited = (
            room is not None and room.key is None and error.details.get("reason") == "no-room"
        )  # its owner's to open
        if awaited or error.details.get("reason") in PASSING:
            pause_s = max(1.0, _pause_asked(error))
            at = asyncio.get_running_loop().time() + pause_s
            self._retry_at = max(at, self._retry_at or 0.0)
            self._retry.add(thread)
        else:
            log.warning("relay %s refuses a room: %s", self.url, error.details.get("reason"))
            self._barred[thread] = error
        self.changed(thread)

    # ---- frames in

    async def _receive(self, connection: RelayConnection) -> None:
        detached: set[bytes] = set()
        async for event in connection.events():
            if isinstance(event, wire.Deliver):
                await self._take(event)
            elif isinstance(event, wire.Called | wire.Rung):
                self._called(event)
            elif isinstance(event, wire.Heard):
                if (spoken := self._rooms.get(event.room)) is not None:
                    self.on_heard(spoken.thread, event.payload)
            elif isinstance(event, Detached):
                left = self._rooms.get(event.room)
                self._leave(event.room)
                if left is not None and event.room in detached:  # once may be a matter of timing, twice is its will
                    self._refused(left.thread, event.error)
                detached.add(event.room)
                self.poke()
        raise connection.error or errors.RELAY_UNREACHABLE(url=self.url)

    def _called(self, event: wire.Called | wire.Rung) -> None:
        """There is an answer for us at a door, or somebody at one of ours."""
        if isinstance(event, wire.Called):
            if self._outside.pop(event.room, None) is not None:
                self.poke()
        elif (subscription := self._rooms.get(event.room)) is not None:
            self.visit(subscription.thread)

    async def _take(self, deliver: wire.Deliver) -> None:
        subscription = self._rooms.get(deliver.room)
        if subscription is None:
            return
        moved = subscription.moved(deliver)
        await self._threads.receive(subscription.thread, deliver.frames, self._memory.origin, moved)
        # Only now: the uploads write this mark too, and it must never be ahead of the frames on the disk.
        subscription.keep(moved.cursor, moved.check)
        self._known[deliver.room] = subscription.progress
        subscription.hear(deliver.upto)
        self.changed(subscription.thread)

    # ---- frames out

    async def _send(self, connection: RelayConnection) -> None:
        while True:
            self._due.clear()
            if self._asking or self._rooms_due:
                await self._look_at_rooms(connection)
            while self._touched:
                await self._upload_next(connection)
            self.changed(None)
            await self._pause()

    async def _whisper(self, connection: RelayConnection) -> None:
        """Beside what is uploaded: a key typed does not wait for a page of frames."""
        while True:
            await self._has_whispers.wait()
            self._has_whispers.clear()
            while self._whispers:
                room, payload = self._whispers.popleft()
                if room in self._rooms:  # to whisper where one has not attached would be refused
                    await connection.whisper(room, payload)

    async def _look_at_rooms(self, connection: RelayConnection) -> None:
        self._rooms_due = False
        if self._asking:
            self._rooms.clear()  # subscribing anew is how a relay is asked for its newest cursor
            self._outside.clear()
            self._of_thread.clear()
        before = set(self._of_thread)
        await self._subscribe_all(connection)
        self._asking = False
        news = self._of_thread.keys() - before
        self._touched |= news - self._complete  # touched before there was a room to put it into

    async def _pause(self) -> None:
        """Until something is due, or what was refused may be tried again."""
        try:
            async with asyncio.timeout_at(self._retry_at):
                await self._due.wait()
        except TimeoutError:
            pass
        if self._retry_at is not None and asyncio.get_running_loop().time() >= self._retry_at:
            self._retry_at, self.error = None, None
            self._touched |= self._retry
            self._retry.clear()
            self._rooms_due = True

    async def _upload_next(self, connection: RelayConnection) -> None:
        """One thread; whatever comes to it meanwhile goes in the next round."""
        thread = self._touched.pop()
        subscription = self._of_thread.get(thread)
        if subscription is None or thread in self._barred or thread in self._retry:
            return  # looked at again when it has a room, or may be tried again
        try:
            done = await self._upload(connection, subscription)
        except OpenSeshError as error:
            if error.kind is not errors.RELAY_REFUSED:
                self._touched.add(thread)
                raise
            self._refused(thread, error)
            return
        except BaseException:
            self._touched.add(thread)
            raise
        if done and thread not in self._touched:
            self._complete.add(thread)
            self.changed(thread)

    async def _upload(self, connection: RelayConnection, subscription: Subscription) -> bool:
        """Everything of a thread that did not come from there. False if it may not go on."""
        store, origin = self._threads.store, self._memory.origin
        after_row = subscription.progress.uploaded_row
        while page := await store.frames(subscription.thread, after_row, not_from=origin, limit_bytes=PAGE_BYTES):
            for batch in batches([frame.frame for frame in page]):
                if self._of_thread.get(subscription.thread) is not subscription or not self._wants(subscription.thread):
                    return False
                stored = await connection.publish(subscription.room, batch)
                subscription.stored(stored.last)
            after_row = page[-1].row
            subscription.uploaded(after_row)
            self._known[subscription.room] = subscription.progress
            await store.write(Batch(progress=[subscription.progress]))
            self.changed(subscription.thread)
        return True


def is_kept_at(room: Room, url: str, affairs: Affairs) -> bool:
    """Whether a room is kept at that relay: ours at all of our relays, one that we came to where the link says."""
    place = room.link.relay if room.link is not None else None
    at_place = place is not None and place.rstrip("/") == url.rstrip("/")
    return at_place or (room.key is not None and url in affairs.relays)


def _pause_asked(error: OpenSeshError) -> float:
    """The seconds a relay asks us to wait, within reason."""
    asked_ms = error.details.get("retry_after_ms")
    return min(asked_ms / 1000, LONGEST_PAUSE_S) if isinstance(asked_ms, int) else 0.0


def _first(many: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group of tasks: ours before the cancellations it caused."""
    leaves: list[BaseException] = []
    for each in many.exceptions:
        leaves.append(_first(each) if isinstance(each, BaseExceptionGroup) else each)
    return next((leaf for leaf in leaves if not isinstance(leaf, asyncio.CancelledError)), leaves[0])
