"""What the node tells, brought into the state: the list of threads, every event, the thread that is open.

A node that goes away is waited for, and what happened meanwhile is read from the cursor on.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec

from client.api.node import Node
from client.api.results.upkeep import Event
from client.screen.state import State, earlier, listed, offered, opened, opening, searched, timed, update
from crdt.errors import CURSOR_UNKNOWN, DAEMON_NOT_RUNNING, TIMEOUT, OpenSeshError

PAGE = 300  # messages that are fetched at once
LARGE_PAGE = 2000  # the same, where everything is wanted
HITS = 50  # messages that a search shows
ROWS = 1000  # threads in the sidebar
TYPING_S = 0.15  # after the last letter of what is looked for
SOON_S = 0.2  # how long after an event the list is asked for again, with all that happens in between
LATEST_S = 2.0  # ages and what is stored where change without an event
BACK_S = 0.3  # between two looks for a node that went away
_NOT_LISTED = frozenset(
    {"message.delta", "run.state", "draft.changed", "notes.changed", "presence.changed", "control.changed", "ready"}
)  # these change nothing in the list
PATIENCE_S = 15.0  # for a list or a thread: a node that hangs is a node that is away


class Feed:
    """Reads and follows one node. `get` and `put` are the screen's state."""

    def __init__(self, node: Node, get: Callable[[], State], put: Callable[[State], None]) -> None:
        self._node, self._get, self._put = node, get, put
        self._due = asyncio.Event()
        self._loading_earlier = False
        self._said = ""
        self.listeners: list[Callable[[dict[str, Any]], None]] = []  # each is told every event, once it is in the state

    def refresh(self) -> None:
        """Ask for the list soon."""
        self._due.set()

    async def keep_list(self) -> None:
        """The list, soon after something happened; not for each of a hundred events."""
        while True:
            try:
                rows = [msgspec.to_builtins(row) for row in await _patiently(self._node.threads(limit=ROWS))]
                sync = (await _patiently(self._node.status())).sync
                models = [msgspec.to_builtins(model) for model in await _patiently(self._node.models())]
            except OpenSeshError as error:
                self._failed(error)
            else:
                self._worked()
                self._put(offered(listed(self._get(), rows, sync), models))
            await asyncio.sleep(SOON_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATEST_S):
                    await self._due.wait()
            self._due.clear()

    async def watch(self) -> None:
        """Every event from now on; after a gap that can't be filled, everything is read again."""
        since: int | None = None
        while True:
            try:
                async for event in self._node.events(since=since, reconnect=False):
                    began, since = since is None, event.cursor
                    self._put(timed(update(self._get(), event.data), time.time()))
                    if event.type not in _NOT_LISTED:
                        self._due.set()
                    for listener in self.listeners:
                        listener(event.data)
                    await self._catch_up(event, began)
            except OpenSeshError as error:
                if error.kind is CURSOR_UNKNOWN:
                    since = None
                    self._put(replace(self._get(), running={}))
                    continue
                self._failed(error)
            self._put(replace(self._get(), offline=True))
            await asyncio.sleep(BACK_S)
            self._due.set()

    async def _catch_up(self, event: Event, began: bool) -> None:
        """Read the open thread anew where the events alone don't tell what it is now."""
        state = self._get()
        rebuilt = event.type == "thread.rebuilt" and event.thread == state.chosen
        missed = event.type == "ready" and began and event.cursor > state.cursor
        if state.chosen is not None and (rebuilt or missed):
            await self.open(state.chosen)

    async def open(self, thread: str) -> None:
        """Read a thread's newest messages; what happens in it meanwhile comes after them."""
        self._put(opening(self._get(), thread))
        try:
            found = await _patiently(self._node.thread(thread, limit=PAGE))
        except OpenSeshError as error:
            if self._get().opening == thread:
                self._put(replace(self._get(), opening=None, held=()))
                self._failed(error, always=True)
            return
        state = opened(self._get(), msgspec.to_builtins(found), is_whole=len(found.messages) < PAGE)
        self._put(timed(state, time.time()))

    async def search(self, query: str) -> None:
        """Look for messages, once a person has paused over what they look for."""
        await asyncio.sleep(TYPING_S)
        if self._get().query == query and query.strip():
            try:
                hits = await _patiently(self._node.search(query, limit=HITS))
            except OpenSeshError as error:
                self._failed(error)
            else:
                self._put(searched(self._get(), query, msgspec.to_builtins(hits)))

    async def load_all(self, until: str | None = None) -> None:
        """Read everything before the first message that is known, or as far as the message `until`."""
        while not any(message.id == until for message in self._get().messages):
            if not await self.load_earlier(LARGE_PAGE):
                break

    async def load_earlier(self, page: int = PAGE) -> bool:
        """Read the page before the first message that is known; whether there may be more.

        Does nothing while that is under way, or if there is none.
        """
        state = self._get()
        if self._loading_earlier or state.is_whole or state.thread is None or not state.messages:
            return False
        self._loading_earlier = True
        first = state.messages[0].id
        try:
            found = await _patiently(self._node.thread(state.thread, limit=page, before=first))
        except OpenSeshError as error:
            self._failed(error)
            return False
        finally:
            self._loading_earlier = False
        self._put(earlier(self._get(), msgspec.to_builtins(found), first, len(found.messages) < page))
        return len(found.messages) == page and self._get().thread == state.thread

    def _failed(self, error: OpenSeshError, always: bool = False) -> None:
        away = error.kind in (DAEMON_NOT_RUNNING, TIMEOUT)
        state = replace(self._get(), offline=away or self._get().offline)
        if always or not away:
            state = replace(state, notice=words(error))
        if not always:
            self._said = state.notice  # of what is tried again by itself; the rest a person reads and closes
        self._put(state)

    def _worked(self) -> None:
        """What failed is over: take back what was said of it, unless something else was said since."""
        said, self._said = self._said, ""
        if said and self._get().notice == said:
            self._put(replace(self._get(), notice=""))


async def _patiently(answer: Awaitable[Any]) -> Any:
    """The answer. Raises TIMEOUT if it takes too long."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answer
    except TimeoutError:
        raise TIMEOUT("The node does not answer.") from None


def words(error: OpenSeshError) -> str:
    """An error for the notice line: code, what happened, what to do."""
    return f"{error.kind.code}: {error.message} {error.to_json().get('next') or ''}".strip()
