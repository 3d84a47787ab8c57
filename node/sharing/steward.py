"""What the owner's devices do by themselves for shared threads: fresh keys when one is due, and the room's door.

Who leaves, or turns out to be one too many, does so without the owner's hand. Until some owner's device has
made a fresh key nobody writes, so it is made at once.
"""

import asyncio
import contextlib
import logging
import math
import os
from typing import Final

from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from crdt.invite_link import SECRET_BYTES, InviteLink
from crdt.permissions import GOVERNANCE, LaneKind, Role
from crdt.replica import Receipt, Replica
from crdt.settlement import SETTLE_AFTER_MS, open_matters, settlement
from crdt.stewardship import is_key_due
from node.account import Account
from node.open_thread import OpenThread
from node.sharing.door import yield_to_seniors
from node.store import Batch
from node.synchronizer import Synchronizer
from node.threads import Threads

MATTER: Final = "matter/"  # in the store's settings: since when a removal is known here, Unix ms
LOOK_AGAIN_S: Final = 60.0
log = logging.getLogger(__name__)


class Steward:
    """Looks after a thread whenever its membership changed. `start` it, `close` it."""

    def __init__(self, account: Account, threads: Threads, synchronizer: Synchronizer) -> None:
        self._account = account
        self._threads = threads
        self._synchronizer = synchronizer
        self._due: dict[ThreadId, None] = {}
        self._keys_used: dict[ThreadId, int] = {}  # under how many its envelopes were sealed when last seen
        self._unsettled: dict[ThreadId, float] = {}  # when to look again whether everybody has been heard from
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with every thread that others are in."""
        self._threads.on_change.append(self._on_change)
        for thread in self._account.affairs.logins_of:
            self._due[thread] = None
        self._changed.set()
        self._running = asyncio.create_task(self._run(), name="steward")

    async def close(self) -> None:
        """Stop."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    def _on_change(self, opened: OpenThread, receipts: list[Receipt]) -> None:
        is_governed = any(lane.kind in GOVERNANCE for receipt in receipts for lane in receipt.lanes)
        used, before = len(opened.replica.epochs_used), self._keys_used.get(opened.id)
        self._keys_used[opened.id] = used
        is_new_key = used != before  # perhaps one that not all have
        if is_governed or is_new_key or self._unsettled.get(opened.id, math.inf) <= asyncio.get_running_loop().time():
            self._due[opened.id] = None
            self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._due:
                thread = next(iter(self._due))
                del self._due[thread]
                try:
                    await self._tend(thread)
                except OpenSeshError as error:
                    log.warning("tending %s: %s", to_text(thread)[:8], error.kind.name)
                except Exception:
                    log.exception("tending a thread: a fault of ours")

    async def _tend(self, thread: ThreadId) -> None:
        if not self._account.exists or thread == self._account.thread or self._account.is_revoked:
            return
        replica = (await self._threads.open(thread)).replica
        if replica.role() is not Role.OWNER:
            await self._hand_away(thread, replica)
            return
        if is_key_due(replica):
            await self._hand_out_key(thread)
        await self._let_go(thread)
        await self._settle(thread)
        for link in self._synchronizer.links():
            link.visit(thread)

    async def _hand_away(self, thread: ThreadId, replica: Replica) -> None:
        """A thread that was ours is somebody else's: from now on its room is too, and the new owner lets us in."""
        room, owner = self._account.room_of(thread), replica.membership.owner
        if room is None or room.key is None or owner is None or owner == self._account.identity:
            return
        relay = room.link.relay if room.link else next(iter(self._account.affairs.relays), None)
        tip = replica.graph.nodes[0].id
        # No invite: it says where the room is, and that we are in.
        place = InviteLink(relay, room.public, Role.EDITOR, os.urandom(SECRET_BYTES), thread, owner, tip)
        text = to_text(thread)
        await self._account.put("index", {f"{text}/room": None, f"{text}/link": str(place), f"{text}/admitted": "1"})

    async def _hand_out_key(self, thread: ThreadId) -> None:
        """Make a fresh key, unless a senior device of ours does meanwhile."""
        await yield_to_seniors(self._account)
        async with self._threads.change(thread) as draft:
            if is_key_due(draft.thread.replica):
                draft.rotate()

    async def _settle(self, thread: ThreadId) -> None:
        """Close the matter of a removal once every editor has been heard from, or after 30 days: until then whoever had
        not heard of it carries along, in the shared draft, what they went on from."""
        replica = (await self._threads.open(thread)).replica
        now_ms, store = self._threads.now_ms(), self._threads.store
        since = {name: int(value) for name, value in (await store.settings()).items() if name.startswith(MATTER)}
        matters = open_matters(replica)
        self._unsettled.pop(thread, None)
        if matters:
            self._unsettled[thread] = asyncio.get_running_loop().time() + LOOK_AGAIN_S
        for matter in matters:
            name = f"{MATTER}{to_text(thread)}/{matter.restriction.hex()[:32]}"
            begun = since.get(name)
            if begun is None:
                await store.write(Batch(settings={name: str(now_ms).encode()}))
            elif not matter.unheard or now_ms - begun >= SETTLE_AFTER_MS:
                async with self._threads.change(thread) as draft:
                    draft.record(LaneKind.CONTROL, [settlement(draft.thread.replica, matter)])
                    draft.batch.settings[name] = None

    async def _let_go(self, thread: ThreadId) -> None:
        """End the certificates of who is in no more: the room's generation rises, and the others get new ones."""
        membership = (await self._threads.open(thread)).replica.membership
        known = self._account.affairs.logins_of.get(thread, {})
        gone = [identity for identity in known if membership.role(identity) is Role.NONE]
        room = self._account.room_of(thread)
        if gone and room is not None and room.key is not None:
            text = to_text(thread)
            await self._account.put("index", {f"{text}/generation": room.generation + 1})
            await self._account.put("logins", {f"{text}/{to_text(identity)}": None for identity in gone})
