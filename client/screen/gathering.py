"""The people by the node: read when a thread is opened, kept by what it tells, and everything one does about them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec

from client.api.node import Node
from client.screen.people import Company, gathered, knocked, told
from client.screen.state import State
from client.screen.trying import tried
from crdt.errors import OpenSeshError

SOON_S = 0.05  # between two readings, with all that happens in between
PATIENCE_S = 15.0
# After these the names, marks and warnings are read anew; roles, presence and control are in the events themselves.
_READ_AGAIN = frozenset({"members.changed", "thread.rebuilt", "share.joined", "share.asked", "ready"})
_TOLD = frozenset({"presence.changed", "members.changed", "control.changed"})


class Gatherer:
    """`get` and `put` are the screen's state."""

    def __init__(self, node: Node, get: Callable[[], State], put: Callable[[State], None]) -> None:
        self._node, self._get, self._put = node, get, put
        self._due = asyncio.Event()
        self._changes = 0  # events that an answer which is under way may not know of

    def heard(self, event: dict[str, Any]) -> None:
        """Something happened."""
        state = self._get()
        self._changes += event["type"] in _TOLD and event.get("thread") == state.thread
        known = told(state.known, event, time.time())
        if known is not state.known:
            self._put(replace(state, known=known))
        if event["type"] in _READ_AGAIN and event.get("thread") in (None, state.thread):
            self._due.set()

    def opened(self) -> None:
        """Another thread may be open now, or the people are looked at."""
        self._due.set()

    async def keep(self) -> None:
        """The people of the open thread, as they are."""
        while True:
            await self._due.wait()
            self._due.clear()
            if (thread := self._get().thread) is not None:
                with contextlib.suppress(OpenSeshError, TimeoutError):  # when the node is back, `ready` comes
                    async with asyncio.timeout(PATIENCE_S):
                        await self._load(thread)
            await asyncio.sleep(SOON_S)

    async def _load(self, thread: str) -> None:
        changes = self._changes
        members = msgspec.to_builtins(await self._node.members(thread))
        present = msgspec.to_builtins(await self._node.who(thread))
        control = msgspec.to_builtins(await self._node.control(thread))
        state = self._get()
        if state.thread != thread:
            return
        if self._changes != changes:
            self._due.set()  # the answers may be older than what was told meanwhile: they are read again
        known = gathered(state.known, thread, members, present, control)
        self._put(replace(state, known=known))
        if known.role == "none":
            lost = len(await self._node.leftovers(thread))
            self._change(thread, lambda company: replace(company, left_out=lost))
        if known.role == "owner":
            requests = msgspec.to_builtins((await self._node.shares(thread)).requests)
            self._change(thread, lambda company: knocked(company, requests))

    def _change(self, thread: str, change: Callable[[Company], Company]) -> None:
        """What is known of a thread's people, unless they are those of another one by now."""
        state = self._get()
        if state.known.thread == thread and (known := change(state.known)) != state.known:
            self._put(replace(state, known=known))

    async def try_(self, answer: Awaitable[Any]) -> Any:
        """What the node answers; None if that failed, which is told."""
        try:
            return await tried(self._get, self._put, answer, "Nothing was done.")
        finally:
            self._due.set()
