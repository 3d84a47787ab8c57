"""A device that had threads of its own joins an identity: the threads go with it, none is left behind.

Before it joins, the old root offers each thread to the new identity; afterwards, as a device of that
identity, it accepts them: each with a fresh key, and with the old identity's work kept as it stands. What
is still to be accepted is kept in the store, so that a crash in between is made up for at the next start.
"""

from typing import Final

import msgspec

from crdt import errors
from crdt.identity import Root
from crdt.ids import IdentityId, ThreadId
from crdt.permissions import LaneKind
from crdt.stewardship import acceptance, introduction, offer
from node.account import Account
from node.bundle import Brought
from node.store import Batch
from node.threads import Threads

PENDING: Final = "transfers"


class Pending(msgspec.Struct, frozen=True):
    """A thread that is offered and not yet accepted."""

    thread: bytes
    offer: bytes
    before: bytes  # the identity that owned it


_pending = msgspec.msgpack.Decoder(list[Pending])


class Transfer:
    """Offers the threads of this device's identity, and accepts them under another."""

    def __init__(self, account: Account, threads: Threads) -> None:
        self._account = account
        self._threads = threads

    async def own_threads(self) -> list[ThreadId]:
        """The threads that our identity owns, deleted ones aside."""
        if not self._account.exists:
            return []
        rooms = self._account.affairs.rooms.values()
        return [
            room.thread
            for room in rooms
            if room.key and room.thread != self._account.thread and room.state != "deleted"
        ]

    async def offer_all(self, to: IdentityId, root: Root | None) -> list[Brought]:
        """Offer every thread; what the other device needs to find them. Raises RECOVERY_CONFIRMED without a root."""
        if not self._account.exists:
            return []
        brought, pending = [], []
        for thread in await self.own_threads():
            if root is None:
                raise errors.RECOVERY_CONFIRMED()
            room = self._account.affairs.rooms[thread]
            async with self._threads.change(thread) as draft:
                made = draft.record(LaneKind.CONTROL, [offer(draft.thread.replica, root.signing, to)])
            brought.append(Brought(thread, room.own_key.seed, made, room.state))
            pending.append(Pending(thread, made, self._account.identity))
        await self._threads.store.write(Batch(settings={PENDING: msgspec.msgpack.encode(pending)}))
        return brought

    async def accept_all(self) -> int:
        """Accept what was offered to the identity that this device now belongs to. How many threads."""
        stored = await self._threads.store.setting(PENDING)
        waiting = _pending.decode(stored) if stored else []
        mine = self._account.affairs.log.devices if self._account.exists else {}
        if not waiting or self._account.device.id not in mine or not self._account.affairs.identity_keys:
            return 0
        for each in waiting:
            await self._accept(each)
        await self._threads.store.write(Batch(settings={PENDING: None}))
        return len(waiting)

    async def _accept(self, pending: Pending) -> None:
        thread = ThreadId(pending.thread)
        async with self._threads.change(thread) as draft:
            replica = draft.thread.replica
            if replica.membership.owner != self._account.identity:
                accepted = acceptance(replica, pending.offer, IdentityId(pending.before))
                recipients = [self._account.newest_identity_key()]
                draft.rotate([*introduction(self._account.entries()), *accepted], recipients)
