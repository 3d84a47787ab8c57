"""Heartbeats in the threads that are in use: what this device has is said, what others have is held against ours.

A thread is in use for a while after it was looked at or changed here; nobody beats in answer to a beat, or none
would ever end. Warnings are told as events when they begin and when they end; the marks behind them are settings.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from typing import Any, Final

import msgspec

from crdt.envelope import Envelope
from crdt.errors import OpenSeshError, PeerFault
from crdt.governance import Node
from crdt.heartbeat import Marks, Warning, Watch, beat, newest_control
from crdt.ids import DeviceId, IdentityId, ThreadId, from_text, to_text
from crdt.receipt import Receipt
from crdt.replica import Replica
from node import shapes
from node.account import Account
from node.open_thread import OpenThread
from node.permitting import our_role
from node.presence import Presence
from node.store import Batch
from node.threads import Threads

BEAT_S: Final = 20.0
IN_USE_S: Final = 600.0  # after it was looked at or changed
MAX_IN_USE: Final = 32  # threads that this device beats in: the latest
MAX_ENVELOPES: Final = 64  # of records, kept to prove them again
SETTING: Final = "heartbeat/"
SENTENCES: Final = {
    "control withheld": "The owner has changed who may do what in this thread, and it does not arrive here.",
    "work withheld": "{name} has written something in this thread that does not arrive here.",
    "rolled back": "{name} knows less of who may do what in this thread than before.",
}
log = logging.getLogger(__name__)


class Heartbeats:
    """`start` it, `close` it. `of` is what a thread's state says."""

    def __init__(self, account: Account, threads: Threads, presence: Presence, beat_s: float = BEAT_S) -> None:
        self._account = account
        self._threads = threads
        self._presence = presence
        self._beat_s = beat_s
        self._in_use: OrderedDict[ThreadId, float] = OrderedDict()  # until when, in the loop's time
        self._watches: dict[ThreadId, Watch] = {}
        self._told: dict[ThreadId, set[Warning]] = {}
        self._heard: asyncio.Queue[tuple[ThreadId, DeviceId, bytes]] = asyncio.Queue(256)
        self._envelopes: OrderedDict[bytes, Envelope] = OrderedDict()
        self._due = asyncio.Event()  # somebody began to look: beat now
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Recall the marks, and begin."""
        for name, stored in (await self._threads.store.settings()).items():
            if name.startswith(SETTING):
                with contextlib.suppress(msgspec.DecodeError, PeerFault):
                    thread = ThreadId(from_text(name.removeprefix(SETTING)))
                    self._watches[thread] = Watch(thread, msgspec.msgpack.decode(stored, type=Marks))
        self._presence.on("heartbeat", self._on_heard)
        self._presence.on_look = self._on_look
        self._threads.on_change.append(self._on_change)
        self._tasks = [
            asyncio.create_task(self._beat_for_ever(), name="heartbeat"),
            asyncio.create_task(self._hear(), name="heartbeats heard"),
        ]

    async def close(self) -> None:
        """Be silent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def use(self, thread: ThreadId) -> bool:
        """The thread is looked at or changed here. Whether it was not in use until now."""
        if not self._account.exists or thread == self._account.thread:
            return False
        is_new = thread not in self._in_use
        self._in_use[thread] = asyncio.get_running_loop().time() + IN_USE_S
        self._in_use.move_to_end(thread)
        while len(self._in_use) > MAX_IN_USE:
            self._in_use.popitem(last=False)
        return is_new

    def _on_look(self, thread: ThreadId) -> None:
        if self.use(thread):
            self._due.set()

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        if receipts:
            self.use(opened.id)

    # ---- what the thread's state says

    async def of(self, thread: ThreadId) -> dict[str, Any]:
        """Since when nothing is known to be missing, and what is wrong, in the API's shape. Raises THREAD_NOT_FOUND."""
        opened = await self._threads.open(thread)
        watch, now_ms = self._watches.get(thread), self._threads.now_ms()
        as_of = watch.marks.as_of if watch is not None else 0
        if self._is_owners(opened.replica):
            as_of = now_ms  # nobody else's devices write there
        warnings = watch.warnings(opened.replica, now_ms) if watch is not None else []
        return {
            "membership_as_of": shapes.time(as_of) if as_of else None,
            "warnings": [self._shown(opened, each) for each in warnings],
        }

    async def all(self) -> list[dict[str, Any]]:
        """The warnings of all threads."""
        found = []
        for thread in [thread for thread, told in self._told.items() if told]:
            with contextlib.suppress(OpenSeshError):
                found += (await self.of(thread))["warnings"]
        return found

    def _is_owners(self, replica: Replica) -> bool:
        """Whether the membership is ours alone to change, on this device."""
        if replica.membership.owner != self._account.identity:
            return False
        return [each.id for each in self._account.affairs.log.live()] == [self._account.device.id]

    def _shown(self, opened: OpenThread, warning: Warning) -> dict[str, Any]:
        author = opened.author_of(warning.device) if warning.device is not None else None
        name = author["name"] if author is not None else ""
        return {
            "thread": to_text(opened.id),
            "kind": warning.why.replace(" ", "-"),
            "since": shapes.time(warning.since),
            "by": author,
            "message": SENTENCES[warning.why].format(name=f"The device {name!r}"),
        }

    # ---- saying

    async def _beat_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat_s):
                    await self._due.wait()
            self._due.clear()
            try:
                await self._beat_all()
            except Exception:
                log.exception("a heartbeat met a fault of ours")

    async def _beat_all(self) -> None:
        now = asyncio.get_running_loop().time()
        for thread, until in list(self._in_use.items()):
            if until < now:
                del self._in_use[thread]
            elif self._account.exists and not self._account.is_revoked:
                with contextlib.suppress(OpenSeshError):  # deleted meanwhile
                    await self.beat(thread)
        for thread in list(self._watches):
            with contextlib.suppress(OpenSeshError):
                await self._look(thread)

    async def beat(self, thread: ThreadId) -> None:
        """Say once what this device has of a thread."""
        opened = await self._threads.open(thread)
        if our_role(opened.replica):
            for node in newest_control(opened.replica)[:2]:
                await self._recall(opened.replica, node)
            payload = beat(opened.replica, self._account.device.id, lambda node: self._envelopes.get(node.id))
            self._presence.send(thread, "heartbeat", payload)

    async def _recall(self, replica: Replica, node: Node) -> None:
        """Find a record again, among the frames as they came."""
        if node.id in self._envelopes:
            return
        stored = await self._threads.store.frame(replica.thread, node.id)
        if stored is None:  # it came before its key, and is stored under another name: not proved by us
            return
        envelope = replica.reopened(stored.frame)
        if envelope is not None:
            self._envelopes[node.id] = envelope
        while len(self._envelopes) > MAX_ENVELOPES:
            self._envelopes.popitem(last=False)

    # ---- hearing

    def _on_heard(self, thread: ThreadId, identity: IdentityId, device: DeviceId, payload: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # another one follows
            self._heard.put_nowait((thread, device, payload))

    async def _hear(self) -> None:
        while True:
            thread, device, payload = await self._heard.get()
            try:
                await self._take(thread, device, payload)
            except PeerFault as fault:
                log.info("a heartbeat is refused: %s", fault.reason)
            except OpenSeshError as error:
                log.info("a heartbeat could not be kept: %s", error.kind.name)

    async def _take(self, thread: ThreadId, device: DeviceId, payload: bytes) -> None:
        opened = await self._threads.open(thread)
        watch = self._watches.setdefault(thread, Watch(thread, Marks()))
        if watch.hear(device, payload, opened.replica, self._threads.now_ms()):
            packed = msgspec.msgpack.encode(watch.marks)
            await self._threads.store.write(Batch(settings={SETTING + to_text(thread): packed}))

    async def _look(self, thread: ThreadId) -> None:
        """Tell of warnings that begin and end. A thread that nobody uses is not read for it."""
        if thread not in self._in_use and thread not in self._told:
            return
        opened = await self._threads.open(thread)
        now = set(self._watches[thread].warnings(opened.replica, self._threads.now_ms()))
        before = self._told.get(thread, set())
        for warning in sorted(now - before, key=_place):
            log.warning("%s: %s", to_text(thread)[:8], warning.why)
            shown = self._shown(opened, warning)
            await self._threads.announce("sync.warning", thread, {**shown, "state": "raised"})
        for warning in sorted(before - now, key=_place):
            shown = self._shown(opened, warning)
            await self._threads.announce("sync.warning", thread, {**shown, "state": "cleared"})
        self._told[thread] = now
        if not now:
            del self._told[thread]


def _place(warning: Warning) -> tuple[int, str, bytes]:
    return (warning.since, warning.why, warning.device or b"")
