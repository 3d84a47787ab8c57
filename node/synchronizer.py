"""Sync as a whole: which relays are connected, what may sync, and in which words a thread stands.

Nothing is dialled before this installation is somebody and a relay was named. All threads of an identity
sync, except those a person keeps on this device: one by one, by project, or all.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from crdt import errors, keys
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from node.account import Account
from node.background import Background
from node.library import is_within
from node.open_thread import OpenThread
from node.store import Batch
from node.summary import decode_summary
from node.sync.doors import Doorkeeper
from node.sync.relay_link import Connect, RelayLink
from node.threads import Threads
from node.transports.relay import RelayConnection
from node.transports.relay_address import endpoint

ALL: Final = "sync/all"
THREAD: Final = "sync/thread/"
PROJECT: Final = "sync/project/"
FIRST_TRY_S: Final = 12.0
log = logging.getLogger(__name__)


class Nearby(Protocol):
    """The local network, as far as the state of sync depends on it."""

    changed: Callable[[], None]

    def threads_changed(self) -> None:
        """Other threads may leave this device now than before."""

    def holders(self, thread: ThreadId) -> int:
        """How many other devices surely have all of a thread."""

    def peers(self) -> list[dict[str, Any]]:
        """The devices with a line, in the API's shape."""

    def all_held(self, thread: ThreadId | None) -> bool:
        """Whether some other device has everything (of a thread, or of all) that may leave this one."""


class Synchronizer:
    """Owns one `RelayLink` per relay in use. `start` it, `close` it."""

    def __init__(self, account: Account, threads: Threads, connect: Connect | None = None) -> None:
        self._account = account
        self._threads = threads
        self._connect = connect or self._log_in
        self._links: dict[str, RelayLink] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._kept: set[str] = set()  # names of settings: what a person keeps on this device
        self._projects: dict[ThreadId, str | None] = {}
        self._moved = asyncio.Condition()
        self._waking = False
        self._background = Background()
        self._nearby: Nearby | None = None
        self.doorkeeper: Doorkeeper | None = None  # set before `start`
        self.on_heard: Callable[[ThreadId, bytes], None] = lambda thread, payload: None  # presence; must not raise

    async def _log_in(self, url: str, access_key: str) -> RelayConnection:
        return await RelayConnection.connect(url, self._account.login, access_key)

    # ---- its life

    async def start(self) -> None:
        """Begin to keep up with the relays of the identity."""
        self._kept = {name for name in await self._threads.store.settings() if name.startswith("sync/")}
        for stored in await self._threads.store.summaries():
            self._projects[ThreadId(stored.thread)] = decode_summary(stored.payload).project
        self._account.listeners.append(self._refresh)
        self._threads.on_stored.append(self._on_stored)
        self._refresh()

    async def close(self) -> None:
        """Hang up everywhere."""
        with contextlib.suppress(ValueError):
            self._account.listeners.remove(self._refresh)
        with contextlib.suppress(ValueError):
            self._threads.on_stored.remove(self._on_stored)
        for url in list(self._tasks):
            await self._end(url)
        await self._background.close()
        self._waking = False

    def _refresh(self) -> None:
        """The relays, rooms, or login may have changed."""
        wanted = self._relays() if self._account.exists and not self._account.is_revoked else set()
        for url in wanted - self._links.keys():
            link = RelayLink(url, self._account, self._threads, self._connect, self.may_sync, self.doorkeeper)
            link.changed = self._note
            link.on_heard = self._heard
            self._links[url] = link
            self._tasks[url] = asyncio.create_task(link.run(), name=f"sync {url}")
        for url in self._links.keys() - wanted:
            self._background.begin(self._end(url), f"hang up {url}")
        for link in self._links.values():
            link.poke()

    def _relays(self) -> set[str]:
        """The identity's own, and those where threads are kept that it was invited to."""
        affairs = self._account.affairs
        own = {url.rstrip("/"): url for url in affairs.relays}
        rooms = affairs.rooms.values()
        foreign = {r.link.relay for r in rooms if r.link and r.link.relay and r.state != "deleted"}
        return {*affairs.relays, *(url for url in foreign if url.rstrip("/") not in own)}

    async def _end(self, url: str) -> None:
        self._links.pop(url, None)
        task = self._tasks.pop(url, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._note()

    def _on_stored(self, opened: OpenThread, stored: Sequence[object], origin: int) -> None:
        project = opened.view.meta().get("project")
        self._projects[opened.id] = project if isinstance(project, str) else None
        for link in self._links.values():
            link.touch(opened.id, origin)

    def _heard(self, thread: ThreadId, payload: bytes) -> None:
        self.on_heard(thread, payload)

    def whisper(self, thread: ThreadId, payload: bytes) -> None:
        """Pass presence to the others in a thread, over every relay in use; it may be lost."""
        if self.may_sync(thread):
            for link in self._links.values():
                link.whisper(thread, payload)

    def _note(self, thread: ThreadId | None = None) -> None:
        """Something moved: whoever waits looks again, once for all that moved in this turn of the loop."""
        if not self._waking:
            self._waking = True
            self._background.begin(self._wake(), "sync moved")

    async def _wake(self) -> None:
        async with self._moved:
            self._waking = False
            self._moved.notify_all()

    # ---- what may sync

    def may_sync(self, thread: ThreadId) -> bool:
        """Whether a thread may leave this device."""
        if ALL in self._kept or THREAD + to_text(thread) in self._kept:
            return False
        project = self._projects.get(thread)
        kept = (name.removeprefix(PROJECT) for name in self._kept if name.startswith(PROJECT))
        return not any(is_within(project, folder) for folder in kept)

    async def allow(self, thread: ThreadId | None, project: str | None, allowed: bool) -> None:
        """Let a thread, a project's threads, or (neither) everything sync, or keep it here."""
        name = THREAD + to_text(thread) if thread else PROJECT + project if project else ALL
        await self._threads.store.write(Batch(settings={name: None if allowed else b"1"}))
        if allowed:
            self._kept.discard(name)
        else:
            self._kept.add(name)
        self._refresh()
        if self._nearby:
            self._nearby.threads_changed()

    # ---- words

    @property
    def is_set_up(self) -> bool:
        """Whether there is anything to sync with."""
        return bool(self._links) or bool(self.peers()) or len(self._account.affairs.log.live()) > 1

    def links(self) -> list[RelayLink]:
        """The relays in use."""
        return list(self._links.values())

    @property
    def keeps_all(self) -> bool:
        """Whether a person keeps everything on this device."""
        return ALL in self._kept

    def use_local_network(self, nearby: Nearby) -> None:
        """Count what neighbours hold, too."""
        self._nearby = nearby
        nearby.changed = self._note

    def peers(self) -> list[dict[str, Any]]:
        """The devices it syncs with over the local network, in the API's shape."""
        return self._nearby.peers() if self._nearby else []

    def words(self, thread: ThreadId) -> str:
        """How far a thread has come, as a list shows it."""
        if not self.may_sync(thread) or not self.is_set_up:
            return "local-only"
        if self._nearby and (holders := self._nearby.holders(thread)):
            return f"on {holders + 1} devices"
        return "on the relay" if any(link.has_all(thread) for link in self._links.values()) else "saved here"

    async def overall(self) -> str:
        """The same for everything at once."""
        if not self.is_set_up:
            return "local-only"
        if self._nearby and self._nearby.all_held(None):
            return f"on {len(self._nearby.peers()) + 1} devices"
        return "on the relay" if self._links and not await self.pending() else "saved here"

    async def pending(self, thread: ThreadId | None = None) -> int:
        """Local changes that no relay and no other device has stored."""
        if self._nearby and self._nearby.all_held(thread):
            return 0
        keeping = [link for link in self._links.values() if thread is None or link.keeps(thread)]
        counts = [await link.pending(thread) for link in keeping if link.is_own]
        foreign = [await link.pending(thread) for link in keeping if not link.is_own]
        # Without a relay there is no mark to count from: everything that no neighbour holds is still to go.
        return (min(counts) if counts else int(self.is_set_up and not foreign)) + sum(foreign)

    # ---- waiting

    async def wait(self, thread: ThreadId | None, incoming: bool) -> None:
        """Return once everything is stored elsewhere, and, with `incoming`, here as well.

        Raises NOTHING_TO_SYNC_WITH, or why the only relay refuses.
        """
        if self._account.exists:
            self._account.check_standing()
        if not self.is_set_up:
            raise errors.NOTHING_TO_SYNC_WITH()
        if thread is not None and not self.may_sync(thread):
            following = "Let it sync with: opensesh sync enable THREAD, or --project DIR, or neither if all are kept."
            raise errors.NOTHING_TO_SYNC_WITH("This thread is kept on this device.", next=following)
        for link in self._links.values():
            link.hurry()
            if incoming:
                link.ask_again()
        await self._until(lambda: self._is_done(thread, incoming))

    async def caught_up(self) -> None:
        """Return when everything that the relays have is here, and the other way round."""
        await self.wait(None, incoming=True)

    async def _is_done(self, thread: ThreadId | None, incoming: bool) -> bool:
        if self._nearby and self._nearby.all_held(thread):
            return True  # equal digests: nothing is missing on either side
        links = [each for each in self._links.values() if (each.keeps(thread) if thread else each.is_own)]
        links = links or list(self._links.values())
        if thread is not None and any([await link.is_put_out(thread) for link in links]):
            following = "See what you wrote that nobody took: opensesh leftovers THREAD."
            raise errors.NOTHING_TO_SYNC_WITH("You are no longer in this thread, and it syncs no more.", next=following)
        refused = [link.trouble_with(thread) for link in links]
        if refused and all(refused) and (first := refused[0]) is not None:
            raise first
        if incoming and not any(link.is_current for link in links):
            return False
        if incoming and any(link.state == "connected" and not link.is_current for link in self._links.values()):
            return False
        return await self.pending(thread) == 0 and any(link.state == "connected" for link in links)

    async def _until(self, done: Callable[[], Awaitable[bool]]) -> None:
        while True:
            async with self._moved:
                if await done():
                    return
                await self._moved.wait()

    # ---- relays

    async def add_relay(self, url: str, access_key: str) -> RelayLink:
        """Use a relay from now on, on every device. Raises RELAY_REFUSED, or RELAY_UNREACHABLE for no address."""
        endpoint(url)
        await self._account.ensure()
        try:
            probe = await self._connect(url, access_key)
        except OpenSeshError as error:
            if error.kind is errors.RELAY_REFUSED:
                raise
        else:
            try:
                await probe.open_room(self._account.affairs.rooms[self._account.thread].own_key)
            finally:
                await probe.close()
        await self._account.put("relays", {url: access_key})
        link = self._links[url]
        link.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_TRY_S):
                await self._until(lambda: _tried(link))
        return link

    async def remove_relay(self, url: str) -> None:
        """Stop using a relay, on every device."""
        if url in self._account.affairs.relays:
            await self._account.put("relays", {url: None})

    async def row(self, link: RelayLink) -> dict[str, Any]:
        """A relay in the API's shape."""
        error = link.error.to_json() if link.error and link.state != "connected" else None
        return {"url": link.url, "state": link.state, "error": error, "pending": await link.pending(None)}

    async def probe(self, url: str) -> dict[str, Any]:
        """Ask a relay whether it is there."""
        begun = time.monotonic()
        link = self._links.get(url)
        shown: dict[str, Any] = {"url": url, "pending": await link.pending(None) if link else 0, "error": None}
        try:
            key = self._account.affairs.relays.get(url, "")
            connection = await self._connect(url, key) if self._account.exists else await _as_stranger(url)
        except OpenSeshError as error:
            state = "refused" if error.kind is errors.RELAY_REFUSED else "unreachable"
            return {**shown, "state": state, "error": error.to_json(), "ready": False, "round_trip_ms": None}
        await connection.close()
        round_trip_ms = int((time.monotonic() - begun) * 1000)
        return {**shown, "state": "connected", "ready": True, "round_trip_ms": round_trip_ms}


async def _tried(link: RelayLink) -> bool:
    return link.state != "connecting"


async def _as_stranger(url: str) -> RelayConnection:
    return await RelayConnection.connect(url, keys.SigningKey.from_seed(os.urandom(keys.KEY_BYTES)))
