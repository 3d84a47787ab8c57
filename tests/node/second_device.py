"""Nodes without a daemon, and a second device of an identity, entered by hand instead of by pairing."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from crdt.content import Message, Part
from crdt.edits import put_message
from crdt.identity import DeviceKeys
from crdt.ids import ThreadId
from node import identity as identities
from node.account import Account
from node.bundle import Bundle
from node.bus import Bus
from node.handlers.threads import ThreadHandlers
from node.library import Library
from node.store import Store
from node.threads import Threads

PATIENCE_S = 20.0


class Machine:
    """Store, account and threads of one device."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.account = Account(store, name)
        self.threads = Threads(store, Bus(), self.account)
        library = Library(store, self.account)
        self._handlers = ThreadHandlers(store, self.account, self.threads, library, lambda thread: "")

    async def new(self, title: str) -> ThreadId:
        """Found a thread, and the identity if this is its first."""
        await self.account.ensure()
        opened = await self._handlers.begin({"title": title, "project": None})
        return opened.id

    async def say(self, thread: ThreadId, *texts: str) -> None:
        """Put messages into this device's timeline, one frame each."""
        for text in texts:
            await self.say_at_once(thread, text)

    async def say_at_once(self, thread: ThreadId, *texts: str) -> None:
        """The same, stored together."""
        async with self.threads.change(thread) as draft:
            for text in texts:
                device, now = self.account.device.id, time.time_ns() // 1_000_000
                said = Message(os.urandom(8).hex(), device, "user", now, now, "final", (Part("text", text),))
                draft.commit(draft.timeline, lambda doc, said=said: put_message(doc, said))  # type: ignore[misc]

    async def texts(self, thread: ThreadId) -> list[str]:
        """What the thread says here."""
        opened = await self.threads.open(thread)
        return [message.text for message in opened.view.messages()]

    async def hashes(self, thread: ThreadId) -> set[bytes]:
        """The thread's frames, by hash."""
        return set(await self.store.hashes(thread))


@asynccontextmanager
async def machine(folder: Path, name: str) -> AsyncIterator[Machine]:
    """A device with a store of its own, and no identity yet."""
    home = folder / name
    home.mkdir(mode=0o700)
    async with AsyncExitStack() as stack:
        store = await Store.open(home / "opensesh.db", os.urandom(32))
        stack.push_async_callback(store.close)
        made = Machine(store, name)
        await made.account.load(made.threads)
        yield made


async def enter(first: Machine, second: Machine) -> None:
    """Make `second` a device of the identity of `first`; what it knows beyond its bundle comes by sync."""
    account, seed = first.account, identities.new_seed()
    await account.ensure()
    device = DeviceKeys.from_seed(seed)
    log = account.log()
    log.add_device(device, account.device.signing, second.account.device_name, "linux", 1)
    room = account.affairs.rooms[account.thread]
    bundle = Bundle(
        account.identity, account.thread, room.own_key.seed, account.login.seed, room.generation,
        dict(account.affairs.relays), list(account.affairs.entries), account.device_name,
    )  # fmt: skip
    await account.admit_device(log.entries[-1:], device.agreement.public)
    await second.account.join(identities.Installation(seed, account.identity, account.thread), bundle)
