"""Threads as callers name them: opened, or changed by those who may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from crdt.permissions import LaneKind
from node.library import Library
from node.open_thread import Draft, OpenThread
from node.permitting import require
from node.threads import Threads


class Named:
    """What handlers reach threads by. Raises what `Library.find` raises for a name that is none."""

    def __init__(self, threads: Threads, library: Library) -> None:
        self._threads = threads
        self._library = library

    async def open(self, name: str) -> OpenThread:
        """The thread of that name."""
        return await self._threads.open((await self._library.find(name)).id)

    @asynccontextmanager
    async def change(self, name: str, kind: LaneKind) -> AsyncIterator[Draft]:
        """A change in lanes of that kind; who may not write them is refused before anything is written."""
        thread = (await self._library.find(name)).id
        require((await self._threads.open(thread)).replica, kind)
        async with self._threads.change(thread) as draft:
            yield draft
