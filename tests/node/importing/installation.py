"""A node without its processes: store, identity and threads in a folder, with importer and follows on top."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crdt.content import Message
from crdt.ids import ThreadId, from_text
from node.account import Account
from node.bus import Bus
from node.follows import Follows
from node.handlers.threads import ThreadHandlers
from node.imports import Importer
from node.library import Library
from node.store import Store
from node.threads import Threads

KEY = bytes(range(32))


@dataclass
class Installation:
    """What the daemon puts together, as far as imports need it."""

    store: Store
    account: Account
    threads: Threads
    handlers: ThreadHandlers
    importer: Importer
    library: Library

    @classmethod
    async def start(cls, folder: Path, *, born: bool = True) -> "Installation":
        """Open or create it; with an identity, unless it isn't `born`."""
        store = await Store.open(folder / "opensesh.db", KEY)
        account = Account(store, "laptop")
        threads = Threads(store, Bus(), account)
        await account.load(threads)
        if born:
            await account.ensure()
        library = Library(store, account)
        handlers = ThreadHandlers(store, account, threads, library, lambda thread: "")
        importer = Importer(threads, handlers.begin, account.is_deleted)
        return cls(store, account, threads, handlers, importer, library)

    def follows(self, folder: Path, **options: Any) -> Follows:
        """Follows with their home in that folder."""
        return Follows(self.store, self.importer, folder, **{"environ": {}, **options})

    async def stop(self) -> None:
        """As a crash would: nothing is said to anybody."""
        await self.store.close()

    async def messages(self, thread: str) -> list[Message]:
        """What the thread shows."""
        return (await self.threads.open(thread_id(thread))).view.messages()

    async def ids(self) -> list[str]:
        """All threads."""
        return [each.text for each in await self.library.all()]

    async def texts(self) -> list[str]:
        """What all threads say."""
        return [message.text for thread in await self.ids() for message in await self.messages(thread)]

    async def frames(self, thread: str) -> int:
        """How many frames of a thread are stored."""
        return len([each async for each in self.store.stream_frames(thread_id(thread))])


def thread_id(text: str) -> ThreadId:
    """A thread's id from its spelling."""
    return ThreadId(from_text(text))
