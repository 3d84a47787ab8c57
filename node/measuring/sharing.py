"""What a change of rights costs in a thread with many members: to make and store it, and for each member to take in.

Run as `python -m node.measuring.sharing [--quick]`; prints a JSON line for each row. Every member is an identity
with keys and a device log of its own, who came by a link; the owner's side has a real store on the disk, and what
is timed is the whole command there, until it is durable.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from crdt import keys
from crdt.author import Author
from crdt.identity import DeviceKeys, Root, SignedEntry
from crdt.ids import IdentityId, SessionId, ThreadId
from crdt.invites import InviteKeys, open_redemption, redeem
from crdt.inviting import admit, offer_invite
from crdt.permissions import LaneKind, Role
from crdt.records import Grant
from crdt.replica import Replica
from crdt.stewardship import readers, restriction
from node.account import Account
from node.bus import Bus
from node.handlers.threads import ThreadHandlers
from node.identity import Log
from node.library import Library
from node.open_thread import Draft
from node.store import Store
from node.threads import Threads

SIZES = (1, 10, 100)
TIMES = 5


class Joiner:
    """Somebody with one device, as a node makes them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._root = Root.from_seed(os.urandom(keys.KEY_BYTES))
        self._device = DeviceKeys.from_seed(os.urandom(keys.KEY_BYTES))
        self.identity_key = keys.AgreementKey.from_secret(os.urandom(keys.KEY_BYTES))
        log = Log(self._root.identity, [])
        log.add_device(self._device, self._root.signing, name, "bench", 0)
        log.add_identity_key(self.identity_key.public, 1, self._root.signing, 0)
        self.entries: list[SignedEntry] = log.entries

    @property
    def identity(self) -> IdentityId:
        return self._root.identity

    def author(self) -> Author:
        """Under a fresh session."""
        return Author(self._device, self._root.identity, SessionId(os.urandom(16)), os.urandom)


class Party:
    """A thread of a real node's, with so many members."""

    def __init__(self, threads: Threads, thread: ThreadId, joiners: list[Joiner]) -> None:
        self._threads = threads
        self.thread = thread
        self.joiners = joiners

    async def let_in(self, joiner: Joiner) -> None:
        """Admit somebody by a link of their own, as an owner's node does."""
        async with self._threads.change(self.thread) as draft:
            replica = draft.thread.replica
            assert replica.author is not None
            commit, link = offer_invite(replica, replica.author, Role.EDITOR)
            draft.keep(commit)
            invite = InviteKeys.from_secret(link.secret)
            sealed = redeem(invite, self.thread, joiner.author(), joiner.entries, joiner.name, bytes(32))
            admission = admit(replica, replica.author, open_redemption(invite, self.thread, sealed), 1)
            assert admission is not None
            draft.keep(admission)
        self.joiners.append(joiner)

    async def grant(self) -> None:
        """Raise a member who was demoted."""
        await self._record(lambda d: d.record(LaneKind.CONTROL, [Grant(self._last, int(Role.EDITOR), "member")]))

    async def demote(self) -> None:
        """Leave a member less."""
        await self._record(lambda d: d.record(LaneKind.CONTROL, self._restricted(d, Role.VIEWER)))

    async def rotate(self) -> None:
        """Hand out a fresh key to everybody."""
        await self._record(lambda d: d.rotate(recipients=readers(d.thread.replica.membership)))

    async def kick(self) -> None:
        """Put the last member out, with a fresh key for all others."""
        gone = self._last
        await self._record(
            lambda d: d.rotate(self._restricted(d, Role.NONE), readers(d.thread.replica.membership, [gone]))
        )
        self.joiners.pop()

    @property
    def _last(self) -> IdentityId:
        return self.joiners[-1].identity

    def _restricted(self, draft: Draft, role: Role) -> Any:
        return restriction(draft.thread.replica, self._last, role)

    async def _record(self, change: Callable[[Draft], object]) -> None:
        async with self._threads.change(self.thread) as draft:
            change(draft)

    async def frames(self) -> list[bytes]:
        """Everything there is of the thread."""
        return [each.frame async for each in self._threads.store.stream_frames(self.thread)]

    async def taken_in(self, act: Callable[[], Awaitable[None]]) -> tuple[float, float, int]:
        """Do something; ms until it is stored, ms until a member has taken it in, and its bytes."""
        replica = Replica(self.thread, [self.joiners[0].identity_key], self.joiners[0].author())
        before = await self.frames()
        for frame in before:
            replica.receive(frame, verify=False)
        begun = time.perf_counter()
        await act()
        stored_ms = (time.perf_counter() - begun) * 1000
        news = [frame for frame in await self.frames() if frame not in set(before)]
        begun = time.perf_counter()
        for frame in news:
            replica.receive(frame)
        _ = replica.membership.members()
        return stored_ms, (time.perf_counter() - begun) * 1000, sum(map(len, news))


async def measure(sizes: tuple[int, ...], times: int) -> None:
    """Print the rows."""
    with tempfile.TemporaryDirectory(prefix="opensesh-bench-") as folder:
        store = await Store.open(Path(folder) / "opensesh.db", os.urandom(32))
        try:
            account = Account(store, "bench")
            threads = Threads(store, Bus(), account)
            await account.load(threads)
            handlers = ThreadHandlers(store, account, threads, Library(store, account), lambda _: "")
            for size in sizes:
                begun = await handlers.begin({"title": f"{size} members", "project": None})
                party = Party(threads, begun.id, [])
                for number in range(size):
                    await party.let_in(Joiner(f"member {number}"))
                await _rows(party, size, times)
        finally:
            await store.close()


async def _rows(party: Party, size: int, times: int) -> None:
    acts: dict[str, list[tuple[float, float, int]]] = {"a demotion": [], "a grant": [], "a rotation": [], "a kick": []}
    for _ in range(times):
        acts["a demotion"].append(await party.taken_in(party.demote))
        acts["a grant"].append(await party.taken_in(party.grant))
        acts["a rotation"].append(await party.taken_in(party.rotate))
    for _ in range(times):
        spare = Joiner("somebody to put out")
        await party.let_in(spare)
        acts["a kick"].append(await party.taken_in(party.kick))
    for what, found in acts.items():
        stored = sorted(each[0] for each in found)
        note = f"{statistics.median(each[1] for each in found):.2f} ms for a member, {found[-1][2]} bytes"
        row = {
            "what": f"{what}, {size} {'member' if size == 1 else 'members'}",
            "value": round(statistics.median(stored), 3),
            "unit": "ms",
        }
        row |= {"low": round(stored[0], 2), "high": round(stored[-1], 2), "note": note}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    quick = "--quick" in sys.argv[1:]
    asyncio.run(measure(SIZES[:2] if quick else SIZES, 2 if quick else TIMES))
